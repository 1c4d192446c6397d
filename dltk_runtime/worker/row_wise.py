"""Row-wise notebooks: whether small requests may be applied together, and how they are.

A notebook with ``row_wise = True`` says that the result of each row depends on that row alone. The
fit checks it on its own rows; the workers of a version that passed apply requests together whose
columns have the same names and types.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from dltk_runtime.tables import plain
from dltk_runtime.tables.result_column import ResultColumn

SAMPLE_ROWS = 32  # of the fit, at equal distances
SINGLE_ROWS = 4  # of these that are applied one by one
# Two results of one model in another batch: float32 has a precision of 1.2e-7, and sums of it lose some digits.
RELATIVE_TOLERANCE = 1e-5
ABSOLUTE_TOLERANCE = 1e-7
TYPES_WITH_OTHER_TEXT = "fcmM"  # numpy's letters of those whose values are written otherwise as objects


def dependence(apply: Callable[[pd.DataFrame], pd.DataFrame], rows: pd.DataFrame, whole: pd.DataFrame) -> str:
    """Return how the results of `rows` depend on other rows; "" if that is not seen.

    A sample is applied in another order, and some of its rows one by one; each result must be the
    one that this row has in `whole`, the result of all `rows`.

    Args:
        apply: applies the model to a frame that it may change.
        rows: the rows of the fit.
        whole: what `apply` returned for all of them.
    """
    if len(whole) != len(rows):
        return f"{len(rows):,} rows gave {len(whole):,} results"
    for what, places in _parts(len(rows)):
        result = apply(rows.iloc[places].reset_index(drop=True))
        if found := _difference(result, whole.iloc[places]):
            return f"{what}, {found}"
    return ""


def _parts(rows: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the places of rows to be applied together, with words for them."""
    sample = np.unique(np.linspace(0, rows - 1, min(SAMPLE_ROWS, rows)).astype(int))
    half = len(sample) // 2
    yield "in another order", np.concatenate([sample[half:], sample[:half][::-1]])
    for place in sample[:: max(len(sample) // SINGLE_ROWS, 1)][:SINGLE_ROWS]:
        yield f"row {place + 1} alone", np.array([place])


def _difference(result: pd.DataFrame, expected: pd.DataFrame) -> str:
    """Return how two results of the same rows differ; "" if they agree."""
    if len(result) != len(expected):
        return f"{len(expected):,} rows gave {len(result):,} results"
    if list(map(str, result.columns)) != list(map(str, expected.columns)):
        return "the columns are others"
    for number, name in enumerate(expected.columns):
        if not _agree(result.iloc[:, number], expected.iloc[:, number]):
            return f"column '{name}' has other values"
    return ""


def _agree(values: pd.Series, expected: pd.Series) -> bool:
    """Return whether two columns have the same type, and the same values but for rounding."""
    if values.dtype != expected.dtype:
        return False
    ours, theirs = values.to_numpy(), expected.to_numpy()
    if values.dtype.kind == "f":
        return bool(np.allclose(ours, theirs, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE, equal_nan=True))
    lacking = pd.isna(ours)
    return bool((lacking == pd.isna(theirs)).all() and (ours[~lacking] == theirs[~lacking]).all())


def groups(frames: Mapping[int, pd.DataFrame]) -> list[list[int]]:
    """Return the numbers of frames that may be applied as one.

    They have rows, the same columns, the same types, and in columns of objects the same kind of them.
    A frame whose first cells became its index is by itself: joined frames are numbered anew.
    """
    found: dict[object, list[int]] = {}
    for number, frame in frames.items():
        joins = len(frame) and isinstance(frame.index, pd.RangeIndex)
        found.setdefault(_types(frame) if joins else number, []).append(number)
    return list(found.values())


def _types(frame: pd.DataFrame) -> Hashable:
    kinds = [
        pd.api.types.infer_dtype(frame.iloc[:, place], skipna=True) if dtype == np.object_ else dtype
        for place, dtype in enumerate(frame.dtypes)
    ]
    return (*frame.columns, *kinds)


def cut(result: pd.DataFrame, lengths: Sequence[int]) -> list[pd.DataFrame]:
    """Cut a result into those of frames with these numbers of rows, each with an index of its own.

    Raises:
        ValueError: it has another number of rows.
    """
    if len(result) != sum(lengths):
        raise ValueError(f"{sum(lengths):,} rows gave {len(result):,} results")
    ends = np.cumsum(lengths)
    return [result.iloc[end - length : end].reset_index(drop=True) for end, length in zip(ends, lengths, strict=True)]


def as_at_fit(
    result: pd.DataFrame, parts: Sequence[pd.DataFrame], outputs: Sequence[ResultColumn], *, versions: bool
) -> bool:
    """Return whether a result has the columns and types of the fit's, and each part would have them alone.

    pandas makes floats of integers where one of them is missing, and objects of what has no type in
    common; a part may have none of these.

    Args:
        result: of several frames.
        parts: of it, for each of them.
        outputs: the columns of the fit's result.
        versions: whether the last column is the version's number, which the fit's result does not have.
    """
    own = result.iloc[:, :-1] if versions else result
    if plain.result_columns(own) != list(outputs):
        return False
    gaps = own.isna().any().tolist()
    doubtful = [
        place for place, dtype in enumerate(own.dtypes) if dtype == np.object_ or (dtype == np.float64 and gaps[place])
    ]
    return all(_stays(part.iloc[:, place]) for place in doubtful for part in parts)


def _stays(column: pd.Series) -> bool:
    """Return whether a part of a column of objects, or of floats of which some are missing, would be one alone, too."""
    if column.dtype == np.object_:
        return column.infer_objects().dtype.kind not in TYPES_WITH_OTHER_TEXT
    return bool(column.isna().any() or (column % 1 != 0).any())
