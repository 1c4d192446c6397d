"""Columns as every form of `payload.Form` can hold them: numbers, booleans, moments and texts.

What is none of these becomes the text that ``to_csv`` would write, so that each form of a result
has the values that its CSV has.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.errors import DataInvalid, shown
from dltk_runtime.tables.quoting import without_surrogates
from dltk_runtime.tables.result_column import TEXT, ResultColumn

MAX_NUMBER_BYTES = 8  # of one number in an Arrow stream or a tensor
NUMBERS = ("integer", "floating", "mixed-integer-float")  # as pandas names what is in a column of objects
Text = str | None  # None: missing
Array = np.ndarray[Any, Any]
Values = Array | list[Text]  # an array of kind b, i, u or f, or texts
Scrub = Callable[[str], str]


# ---------------------------------------------------------------- into a frame


@functools.cache
def text_is_object() -> bool:
    """Return whether frames hold text as objects here (`DLTK_TEXT`)."""
    return pd.Series(["text"]).dtype == np.object_


def text_column(values: Sequence[Text] | Array) -> pd.Series[Any]:
    """Make a column of texts; missing ones are NaN, as in a frame that was read from CSV."""
    if not text_is_object():
        return pd.Series(list(values), dtype="str")
    column = np.empty(len(values), dtype=object)
    column[:] = values
    column[pd.isna(column)] = np.nan
    return pd.Series(column, dtype=object)


def frame_of(columns: Sequence[tuple[str, Any]]) -> pd.DataFrame:
    """Make a frame of named columns without copying them.

    Raises:
        DataInvalid: there is none, two have one name, or their lengths differ.
    """
    checked_names([name for name, _ in columns])
    lengths = {len(values) for _, values in columns}
    if len(lengths) > 1:
        counts = ", ".join(f"{shown(name)} has {len(values):,}" for name, values in columns[:8])
        raise DataInvalid(f"The columns have different numbers of rows: {counts}.")
    return pd.DataFrame(dict(columns), copy=False)


def checked_names(names: Sequence[str]) -> None:
    """Refuse names that are no names of columns.

    Raises:
        DataInvalid: there is none, or one comes twice.
    """
    if not names:
        raise DataInvalid("The request has no columns: send one for each field that the model was fitted on.")
    known = set[str]()
    for name in names:
        if name in known:
            raise DataInvalid(f"The column {shown(name)} was sent twice: each name may come once.")
        known.add(name)


def as_csv_would(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each column of objects as CSV would give it.

    Booleans with gaps stay objects, numbers become float64, and everything else becomes text.

    Raises:
        DataInvalid: a cell is a list, an object, or a number beyond float64.
    """
    changed = {
        str(name): _as_csv_would(name, column)
        for name, column in frame.items()
        if column.dtype == np.object_ or isinstance(column.dtype, pd.StringDtype)
    }
    return frame.assign(**changed) if changed else frame


def _as_csv_would(name: object, column: pd.Series[Any]) -> pd.Series[Any]:
    values = column.tolist()
    kinds = {type(value) for value in values} - {type(None)}
    if kinds & {dict, list}:
        raise DataInvalid(f"The column {shown(str(name))} has a list or an object in a cell: send numbers or texts.")
    known = column.notna()
    if kinds <= {bool}:
        return pd.Series(np.where(known, column, np.nan), dtype=object) if kinds else column.astype(np.float64)
    if kinds <= {int, float}:
        try:
            return column.astype(np.float64)
        except OverflowError as error:
            raise DataInvalid(f"The column {shown(str(name))} has a number that is too large for a float64.") from error
    return text_column([str(value) if each else None for value, each in zip(values, known, strict=True)])


def in_order(frame: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Put the columns that the model was fitted on first, in the order of the fit."""
    first = [name for name in fields if name in frame.columns]
    if first == frame.columns[: len(first)].tolist():
        return frame
    rest = [name for name in frame.columns if name not in set(first)]
    return pd.DataFrame({name: frame[name] for name in (*first, *rest)}, copy=False)


def named(values: Array, fields: Sequence[str], name: str = "") -> pd.DataFrame:
    """Make a frame of a matrix, whose columns are the fields of the fit, in their order.

    Args:
        values: Shape (rows, columns).
        fields: Of the version that answers.
        name: The one column's name, where it has one.

    Raises:
        DataInvalid: the matrix has another number of columns.
    """
    columns = values.shape[1]
    if columns == 1 and name and (name in fields or len(fields) != 1):
        return _of_matrix(values, [name])
    if columns != len(fields):
        known = f"the model was fitted on {len(fields)}: {', '.join(fields[:8])}" if fields else "no fit says which"
        raise DataInvalid(f"The matrix has {columns} columns without names, and {known}. Send named columns.")
    return _of_matrix(values, fields)


def _of_matrix(values: Array, names: Sequence[str]) -> pd.DataFrame:
    if values.dtype == np.object_:
        return pd.DataFrame({name: text_column(values[:, place]) for place, name in enumerate(names)})
    # In memory column after column, as a frame from CSV is: products of matrices depend on it in the last bit.
    return pd.DataFrame(np.asfortranarray(values), columns=pd.Index(names), copy=False)


# ---------------------------------------------------------------- out of a frame


def columns_of(frame: pd.DataFrame, scrub: Scrub | None = None) -> list[tuple[str, Values]]:
    """Return each column's name and values; `scrub` removes secrets from texts."""
    found = []
    for place, name in enumerate(map(str, frame.columns)):
        values = _values(frame.iloc[:, place])
        if scrub is not None:
            name = scrub(name)  # noqa: PLW2901 - the name of this column from here on
            values = values if isinstance(values, np.ndarray) else [_scrubbed(text, scrub) for text in values]
        found.append((_writable(name), values))
    return found


def told_apart(columns: list[tuple[str, Values]]) -> list[tuple[str, Values]]:
    """Return results for a form that knows columns by their names alone.

    Raises:
        TypeError: two have one name, and one of them would be lost.
    """
    if len(dict(columns)) < len(columns):
        ((twice, _),) = Counter(name for name, _ in columns).most_common(1)
        raise TypeError(
            f"apply returned several columns with the name {shown(twice)}: give each one of its own, or ask for the "
            "results as CSV or Arrow"
        )
    return columns


def result_columns(frame: pd.DataFrame) -> list[ResultColumn]:
    """Return each column's name and dtype, as `columns_of` has them."""
    return [
        ResultColumn(name, str(values.dtype) if isinstance(values, np.ndarray) else TEXT)
        for name, values in columns_of(frame)
    ]


def _values(column: pd.Series[Any]) -> Values:
    kind = column.dtype
    if kind == np.object_:
        return _of_objects(column)
    if isinstance(kind, np.dtype) and kind.kind in "biuf":
        return _native(column.to_numpy())
    if pd.api.types.is_extension_array_dtype(kind) and pd.api.types.is_numeric_dtype(kind):
        if column.isna().any():
            return _texts(column) if pd.api.types.is_bool_dtype(kind) else column.to_numpy(np.float64, na_value=np.nan)
        return column.to_numpy(getattr(kind, "numpy_dtype", np.float64))
    if isinstance(kind, pd.DatetimeTZDtype) or kind.kind in "mM":
        return _by_pandas(column)
    return _texts(column)


def _of_objects(column: pd.Series[Any]) -> Values:
    """Return numbers or booleans where a column of objects has nothing else, and else texts."""
    kind, missing = pd.api.types.infer_dtype(column, skipna=True), bool(column.isna().any())
    if kind == "boolean" and not missing:
        return column.to_numpy(np.bool_)
    if kind in NUMBERS:
        with contextlib.suppress(OverflowError, TypeError, ValueError):  # integers beyond 64 bits stay text
            return column.to_numpy(np.int64 if kind == "integer" and not missing else np.float64, na_value=np.nan)
    return _texts(column)


def _native(values: Array) -> Array:
    """Return numbers in this machine's order of bytes, of 64 bits at most."""
    if values.dtype.itemsize > MAX_NUMBER_BYTES:
        return values.astype(np.float64)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def _texts(column: pd.Series[Any]) -> list[Text]:
    missing = column.isna().to_numpy()
    values = column.astype(object).tolist()
    return [
        None if none else _writable(value if type(value) is str else str(value))
        for value, none in zip(values, missing, strict=True)
    ]


def _by_pandas(column: pd.Series[Any]) -> list[Text]:
    """Return moments and durations as ``to_csv`` writes them."""
    lines = column.to_csv(index=False, header=False).split("\n")[:-1]
    return [None if line == '""' else line for line in lines]


def _writable(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return without_surrogates(text)
    return text


def _scrubbed(text: Text, scrub: Scrub) -> Text:
    return None if text is None else scrub(text)
