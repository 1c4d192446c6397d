"""Rows as JSON.

::

    [{"a": 1, "b": "x"}, …]                                     records
    {"dataframe_records": [{"a": 1, "b": "x"}, …]}              the same
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], …]}}
    {"inputs": {"a": [1, …], "b": ["x", …]}}                    columns
    {"inputs": [[1, 2], …]}, {"instances": [[1, 2], …]}         a matrix, in the order of the fit

An object may have ``params`` beside the rows. Cells are numbers, texts, booleans or null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.errors import DataInvalid, shown
from dltk_runtime.tables import plain
from dltk_runtime.tables.sheet import Sheet

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
OTHERS = ("params", "signature_name")  # that may stand beside the rows; the second means nothing here
CELLS = (str, int, float, bool, type(None))


def read(data: memoryview, fields: Sequence[str]) -> Sheet:
    """Read the rows in a JSON text.

    Raises:
        DataInvalid: naming the first thing that is not as above.
    """
    body = _decoded(data)
    if isinstance(body, list):
        return Sheet(plain.as_csv_would(_records(body)))
    if not isinstance(body, dict):
        raise DataInvalid("The body must be a list of records, or an object with the rows.")
    given = [each for each in FORMS if each in body]
    if unknown := [each for each in body if each not in (*FORMS, *OTHERS)]:
        raise DataInvalid(f"The body has the unknown entry {shown(unknown[0])}: expected one of {', '.join(FORMS)}.")
    if len(given) != 1:
        raise DataInvalid(f"The body must have one of {', '.join(FORMS)}, and has {len(given)} of them.")
    parameters = body.get("params")
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, dict):
        raise DataInvalid("'params' must be an object.")
    return Sheet(plain.as_csv_would(_frame(given[0], body[given[0]], fields)), parameters)


def write(columns: Sequence[tuple[str, plain.Values]]) -> bytes:
    """Write results as records; NaN and infinities become null."""
    names = [name for name, _ in columns]
    cells = [values.tolist() if isinstance(values, np.ndarray) else values for _, values in columns]
    return msgspec.json.encode([dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)])


def _decoded(data: memoryview) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(bytes(data).decode("utf-8-sig"))  # which takes NaN
    except RecursionError as error:
        raise DataInvalid("The body is no JSON that can be read: it is nested too deeply.") from error
    except ValueError as error:  # UnicodeDecodeError is one
        raise DataInvalid(f"The body is no JSON: {error}.") from error


def _frame(form: str, rows: Any, fields: Sequence[str]) -> pd.DataFrame:
    if form == "dataframe_split":
        return _split(rows)
    if form == "dataframe_records":
        return _records(rows)
    if isinstance(rows, dict):
        return _columns(rows)
    if not isinstance(rows, list):
        raise DataInvalid(f"'{form}' must be a list of rows, or an object with a list for each column.")
    if rows and isinstance(rows[0], dict):
        return _records(rows)
    return _matrix(form, rows, fields)


def _records(rows: Any) -> pd.DataFrame:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataInvalid("Records must be a list of objects: one for each row, with a value for each column.")
    frame = _built(rows)
    plain.checked_names(list(frame.columns))
    return frame


def _split(rows: Any) -> pd.DataFrame:
    if not isinstance(rows, dict) or not isinstance(rows.get("data"), list):
        raise DataInvalid("'dataframe_split' must be an object with 'columns' and 'data', a list of rows.")
    names = rows.get("columns")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataInvalid("'columns' must be a list of texts.")
    plain.checked_names(names)
    for number, row in enumerate(rows["data"]):
        if not isinstance(row, list) or len(row) != len(names):
            raise DataInvalid(f"Row {number} of 'data' must be a list of {len(names)} values, one for each column.")
    return _built(rows["data"], pd.Index(names))


def _columns(rows: dict[str, Any]) -> pd.DataFrame:
    for name, values in rows.items():
        if not isinstance(values, list):
            raise DataInvalid(f"The column {shown(name)} must be a list of values.")
    single = {
        name: [value[0] if isinstance(value, list) and len(value) == 1 else value for value in values]
        for name, values in rows.items()
    }
    columns = {name: _built({name: values})[name] for name, values in single.items()}
    return plain.frame_of(list(columns.items()))


def _matrix(form: str, rows: list[Any], fields: Sequence[str]) -> pd.DataFrame:
    lists = [row if isinstance(row, list) else [row] for row in rows]
    width = len(lists[0]) if lists else len(fields)
    for number, row in enumerate(lists):
        if len(row) != width or not all(isinstance(value, CELLS) for value in row):
            raise DataInvalid(f"Row {number} of '{form}' must be a list of {width} numbers or texts, as row 0 is.")
    plain.named(np.empty((0, width)), fields)  # refuses another number of columns
    return _built(lists, pd.Index(fields))


def _built(rows: Any, names: pd.Index[Any] | None = None) -> pd.DataFrame:
    """Return a frame of decoded rows, also where pandas has no type for a number, as before its third release."""
    try:
        return pd.DataFrame(rows, columns=names)
    except OverflowError:
        return pd.DataFrame(rows, columns=names, dtype=object)
