r"""Write ``DataFrame.to_csv(index=False)`` as a JSON string literal, faster where possible.

pandas writes cell by cell through Python's csv module. Here msgspec writes numbers in blocks, with
Python's own shortest digits; texts are quoted once for each distinct value; and line ends are
written as JSON's ``\n`` at once, so that nothing is escaped a second time.

| column | writer |
|---|---|
| float64, float32, integers | msgspec; floats whose text differs from pandas' are replaced before |
| bool | two texts |
| object or str, all text or missing | each distinct value is quoted (`quoting`) and escaped by msgspec once |
| anything else: mixed objects, dates, categories, extension types, odd column names | pandas |

The text differs from that of pandas only where ``pandas.read_csv`` would read other rows from it
(`quoting`). Measured for 1,000,000 rows by ``bench/``; both are tested by properties.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.tables import quoting
from dltk_runtime.tables.native import library as native

LINE_END = b"\\n"  # inside a JSON string
EMPTY_LINE = b'\\"\\"'  # a missing value that is the only cell of its line, as csv writes it
MIN_COMPILED_CELLS = 1024  # fewer are written before the compiled code is called
BLOCK_CELLS = 4 * 1024  # of numbers that are Python objects at one time: they stay in the cache
MIN_FLOAT32_LEFT_TO_PANDAS = 1e5  # from here on pandas' text of a float32 may have an exponent
MAX_SMALL_FLOAT = 1e-4  # up to here Python's text of a float has an exponent
MIN_LARGE_FLOAT = 1e16  # and from here on
MAX_FLOAT32_DECIMALS = 12  # nine digits, which tell all float32 apart, from `MAX_SMALL_FLOAT` on
USUAL_FLOAT32_DECIMALS = 6  # most need more, the others seldom need all of them
MISSING = b"null"  # what msgspec writes for nan

# Before its third release pandas takes all texts with half a surrogate pair for one, and reads others up to a NUL.
TELLS_TEXTS_APART = len(pd.factorize(np.array(["\ud800", "\udc00", "", "\0"], dtype=object))[1]) == 4

Tokens = list[bytes]


def literal(frame: pd.DataFrame) -> bytes:
    """Encode the frame's CSV (no index) as a JSON string literal, quotes included."""
    columns = frame.columns.tolist()
    if not all(isinstance(name, str | int) for name in columns) or not columns or not len(frame):
        return _by_pandas(frame)
    whole = _compiled(frame) or _one_block(frame) or _column_by_column(frame)
    if whole is None:
        return _by_pandas(frame)
    return b'"%s%s%s%s"' % (_escaped(quoting.header(list(map(str, columns)))), LINE_END, whole, LINE_END)


def _by_pandas(frame: pd.DataFrame) -> bytes:
    return msgspec.json.encode(quoting.without_surrogates(quoting.by_pandas(frame)))


def _compiled(frame: pd.DataFrame) -> bytes | None:
    """Encode the rows by compiled code; None where there is none, for few cells, or if it declines."""
    code = native.load() if len(frame) * frame.shape[1] >= MIN_COMPILED_CELLS else None
    if code is None:
        return None
    columns = [_source(frame.iloc[:, position], alone=frame.shape[1] == 1) for position in range(frame.shape[1])]
    known = [each for each in columns if each is not None]
    return code.write(known, LINE_END, EMPTY_LINE) if len(known) == len(columns) else None


def _source(column: pd.Series[Any], *, alone: bool) -> np.ndarray[Any, Any] | native.Texts | None:
    """Return what the compiled code writes a column from; None for types that it does not know."""
    kind = column.dtype
    if isinstance(kind, np.dtype) and _is_plain(kind):
        return column.to_numpy()
    if kind == np.bool_:
        return native.Texts(column.to_numpy().astype(np.int64), (b"False", b"True"))
    return _texts(column, alone=alone) if _holds_texts(kind) else None


def _column_by_column(frame: pd.DataFrame) -> bytes | None:
    """Encode the rows from the text of each cell; None if pandas has to write them."""
    tokens = [_tokens(frame.iloc[:, position], alone=frame.shape[1] == 1) for position in range(frame.shape[1])]
    known = [each for each in tokens if each is not None]
    return _rows(known) if len(known) == len(tokens) else None


def _one_block(frame: pd.DataFrame) -> bytes | None:
    """Encode a column of numbers, or float64 columns alone; None for any other frame."""
    if frame.shape[1] == 1:
        values = frame.to_numpy()
        if not _is_plain(values.dtype):
            return None
        if values.dtype.kind == "f" and list(frame.dtypes) != [values.dtype]:  # integers with missing values
            return None
        return _numbers(values[:, 0], empty=EMPTY_LINE).replace(b",", LINE_END)
    if any(dtype != np.float64 for dtype in frame.dtypes):
        return None
    values, width = frame.to_numpy(), frame.shape[1]
    rows = max(BLOCK_CELLS // width, 1)
    blocks = (_block(values[begin : begin + rows], b"") for begin in range(0, len(values), rows))
    return LINE_END.join([block[2:-2].replace(b"],[", LINE_END) for block in blocks])


def _is_plain(kind: np.dtype[Any]) -> bool:
    return kind in (np.float64, np.float32) or kind.kind in "iu"


def _rows(columns: list[Tokens]) -> bytes:
    if len(columns) == 1:
        return LINE_END.join([token or EMPTY_LINE for token in columns[0]])
    return LINE_END.join(map(b",".join, zip(*columns, strict=True)))


def _tokens(column: pd.Series[Any], *, alone: bool) -> Tokens | None:
    """Return the text of each cell, which is its whole line if `alone`; None if pandas has to write it."""
    kind = column.dtype
    if isinstance(kind, np.dtype) and _is_plain(kind):
        return _numbers(column.to_numpy()).split(b",")
    if kind == np.bool_:
        return [b"True" if each else b"False" for each in column.tolist()]
    texts = _texts(column, alone=alone) if _holds_texts(kind) else None
    if texts is None:
        return None
    known = [*texts.texts, b""]  # code -1: missing
    return [known[code] for code in texts.codes.tolist()]


def _holds_texts(kind: Any) -> bool:
    return bool(kind == np.object_ or isinstance(kind, pd.StringDtype))


def _texts(column: pd.Series[Any], *, alone: bool) -> native.Texts | None:
    """Quote each distinct text once, for a line of its own if `alone`; None if a value is no text."""
    try:
        codes, distinct = pd.factorize(column)
    except TypeError:  # lists and the like, which have no hash
        return None
    values = distinct.tolist()
    if not all(type(value) is str for value in values):
        return None
    if not TELLS_TEXTS_APART and not all(_is_whole(value) for value in column.tolist() if type(value) is str):
        return None
    quoted = quoting.line if alone else quoting.cell
    return native.Texts(codes, [_escaped(quoted(value)) or EMPTY_LINE * alone for value in values])


def _is_whole(text: str) -> bool:
    """Return whether a text has no NUL and no half of a surrogate pair."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _numbers(values: np.ndarray[Any, Any], empty: bytes = b"") -> bytes:
    """Encode one column, its cells separated by commas, missing values as `empty`."""
    blocks = (_block(values[begin : begin + BLOCK_CELLS], empty) for begin in range(0, len(values), BLOCK_CELLS))
    return b",".join([block[1:-1] for block in blocks])


def _block(values: np.ndarray[Any, Any], empty: bytes) -> bytes:
    """Encode numbers as a JSON array, with pandas' text of each and missing values as `empty`."""
    if values.dtype.kind != "f":
        return msgspec.json.encode(values.tolist())
    sizes = np.abs(values)
    missing = np.isnan(sizes)
    most = MIN_FLOAT32_LEFT_TO_PANDAS if values.dtype == np.float32 else MIN_LARGE_FLOAT
    odd = (sizes >= most) | ((sizes <= MAX_SMALL_FLOAT) & (sizes > 0))
    cells = _shortest(values, odd | missing).tolist()
    for place, text in zip(np.argwhere(odd).tolist(), _odd(values[odd]), strict=True):
        row = cells if len(place) == 1 else cells[place[0]]
        row[place[-1]] = msgspec.Raw(text)
    text = msgspec.json.encode(cells)
    return text.replace(MISSING, empty) if missing.any() else text


def _shortest(values: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Convert float32 to those float64 whose shortest text is that of the float32.

    That is the one with the fewest decimals that is the same float32. Each step is exact: a product
    with up to ``10**12`` has at most 52 bits. The values of `other` may become anything.
    """
    if values.dtype == np.float64:
        return values
    wide = values.astype(np.float64)
    left = np.flatnonzero(~other)
    few = _rounded(wide[left], USUAL_FLOAT32_DECIMALS).astype(np.float32) == values[left]
    for places, least in ((left[few], 0), (left[~few], USUAL_FLOAT32_DECIMALS + 1)):
        _shorten(wide, values, places, least)
    return wide


def _shorten(wide: np.ndarray[Any, Any], values: np.ndarray[Any, Any], left: np.ndarray[Any, Any], least: int) -> None:
    """Round `wide` at the places `left` to as few decimals, `least` or more, as keep the float32."""
    for decimals in range(least, MAX_FLOAT32_DECIMALS + 1):
        rounded = _rounded(wide[left], decimals)
        same = rounded.astype(np.float32) == values[left]
        wide[left[same]] = rounded[same]
        left = left[~same]
        if not len(left):
            return


def _rounded(values: np.ndarray[Any, Any], decimals: int) -> np.ndarray[Any, Any]:
    return np.rint(values * 10.0**decimals) / 10.0**decimals  # the sign of -0.0 stays


def _odd(values: np.ndarray[Any, Any]) -> Tokens:
    """Return pandas' text of floats that msgspec writes differently."""
    if values.dtype == np.float64:
        return [repr(value).encode() for value in values.tolist()]
    return pd.Series(values).to_csv(index=False, header=False).encode().split()


def _escaped(text: str) -> bytes:
    try:
        return msgspec.json.encode(text)[1:-1]
    except UnicodeEncodeError:
        return msgspec.json.encode(quoting.without_surrogates(text))[1:-1]
