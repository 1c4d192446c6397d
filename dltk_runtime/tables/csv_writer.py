r"""Write ``DataFrame.to_csv(index=False)`` as a JSON string literal, faster where possible.

pandas writes cell by cell through Python's csv module. Here orjson writes numbers column by
column, as Python's own shortest text of floats; texts are quoted once for each distinct value; and
line ends are written as JSON's ``\n`` at once, so that nothing is escaped a second time.

| column | writer |
|---|---|
| float64, float32, integers | orjson; missing values, and floats whose text differs, are inserted after |
| bool | two texts |
| object or str, all text or missing | each distinct value is quoted by csv and escaped by msgspec once |
| anything else: mixed objects, dates, categories, extension types, odd column names | pandas |

Measured for 1,000,000 rows by ``bench/``; the equality with pandas is tested by properties.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import orjson
import pandas as pd

LINE_END = b"\\n"  # inside a JSON string
EMPTY_LINE = b'\\"\\"'  # a missing value that is the only cell of its line, as csv writes it
MIN_EXPONENT_FLOAT32 = 1e5  # from here on pandas' text of a float32 may have an exponent
MAX_EXPONENT_FLOAT = 1e-4  # up to here Python's text of a float has an exponent

Tokens = list[bytes]


def literal(frame: pd.DataFrame) -> bytes:
    """Encode the frame's CSV (no index) as a JSON string literal, quotes included."""
    columns = frame.columns.tolist()
    if not all(isinstance(name, str | int) for name in columns) or not columns or not len(frame):
        return _by_pandas(frame)
    whole = _one_block(frame)
    if whole is None:
        tokens = [_tokens(frame.iloc[:, position]) for position in range(len(columns))]
        if any(each is None for each in tokens):
            return _by_pandas(frame)
        whole = _rows([each for each in tokens if each is not None])
    return b'"%s%s%s%s"' % (_escaped(_line(map(str, columns))), LINE_END, whole, LINE_END)


def _by_pandas(frame: pd.DataFrame) -> bytes:
    text = frame.to_csv(index=False)
    try:
        return msgspec.json.encode(text)
    except (msgspec.EncodeError, UnicodeEncodeError):
        return json.dumps(text).encode()  # a lone surrogate in a result: escaped, as json does


def _one_block(frame: pd.DataFrame) -> bytes | None:
    """Encode a column of numbers, or float64 columns alone; None for any other frame."""
    if frame.shape[1] == 1:
        values = frame.to_numpy()
        if not _is_plain(values.dtype):
            return None
        if values.dtype.kind == "f" and list(frame.dtypes) != [values.dtype]:  # integers with missing values
            return None
        return _numbers(values[:, 0], empty=EMPTY_LINE)[1:-1].replace(b",", LINE_END)
    if any(dtype != np.float64 for dtype in frame.dtypes):
        return None
    values = frame.to_numpy()
    return _numbers(values)[2:-2].replace(b"],[", LINE_END)


def _is_plain(kind: np.dtype[Any]) -> bool:
    return kind in (np.float64, np.float32) or kind.kind in "iu"


def _rows(columns: list[Tokens]) -> bytes:
    if len(columns) == 1:
        return LINE_END.join([token or EMPTY_LINE for token in columns[0]])
    return LINE_END.join(map(b",".join, zip(*columns, strict=True)))


def _tokens(column: pd.Series[Any]) -> Tokens | None:
    """Return the text of each cell; None if the column is left to pandas."""
    kind = column.dtype
    if isinstance(kind, np.dtype) and _is_plain(kind):
        return _numbers(column.to_numpy())[1:-1].split(b",")
    if kind == np.bool_:
        return [b"True" if each else b"False" for each in column.tolist()]
    if kind == np.object_ or isinstance(kind, pd.StringDtype):
        return _texts(column)
    return None


def _texts(column: pd.Series[Any]) -> Tokens | None:
    try:
        codes, distinct = pd.factorize(column)
    except TypeError:  # lists and the like, which have no hash
        return None
    values = distinct.tolist()
    if not all(type(value) is str for value in values):
        return None
    try:
        known = [_escaped(_line((value, ""))[:-1]) for value in values]
    except UnicodeEncodeError:
        return None
    known.append(b"")  # code -1: missing
    return [known[code] for code in codes.tolist()]


def _numbers(values: np.ndarray[Any, Any], empty: bytes = b"") -> bytes:
    """Encode an array by orjson, with Python's text where the two differ.

    Missing values are encoded as `empty`.
    """
    if values.dtype.kind != "f":
        return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    sizes = np.abs(values)
    odd = ~np.isfinite(sizes) | ((sizes <= MAX_EXPONENT_FLOAT) & (sizes > 0))
    if values.dtype == np.float32:
        odd |= sizes >= MIN_EXPONENT_FLOAT32
    if not odd.any():
        return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    text = orjson.dumps(np.ascontiguousarray(np.where(odd, np.nan, values)), option=orjson.OPT_SERIALIZE_NUMPY)
    pieces = text.split(b"null")
    return b"".join(itertools.chain.from_iterable(zip(pieces, [*_odd(values[odd], empty), b""], strict=True)))


def _odd(values: np.ndarray[Any, Any], empty: bytes) -> Tokens:
    """Return pandas' text of the floats that orjson writes differently."""
    if values.dtype == np.float64:
        return [empty if np.isnan(value) else repr(value).encode() for value in values.tolist()]
    there = pd.Series(values[~np.isnan(values)])
    texts = iter(there.to_csv(index=False, header=False).encode().split())
    return [empty if np.isnan(value) else next(texts) for value in values.tolist()]


def _line(cells: Iterable[str]) -> str:
    """Return one line of CSV without its end, quoted as pandas does."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()[:-1]


def _escaped(text: str) -> bytes:
    return msgspec.json.encode(text)[1:-1]
