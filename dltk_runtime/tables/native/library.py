"""The compiled `numbers.cpp`, where there is one: numbers of CSV to arrays and back, in one pass.

`load` returns None where there is no compiled code, where it was compiled from another source, or
where ``DLTK_COMPILED=false`` switches it off; `reader` also with a pandas that reads other values.
Each function returns None for what the code declines.
Callers then take pandas or msgspec, with the same result.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dltk_runtime.tables.native.code import FILE, opened

MAX_COLUMNS = 256  # as in the source
MAX_NUMBER_BYTES = 32  # of the text of any number, with what separates it from the next
BLOCK_BYTES = 256 * 1024  # of text written at a time: it stays in the processor's cache
FIRST_NEAREST_PANDAS = (3, 1)  # whose read_csv gives the nearest float; tests compare it with Python's own
INTEGER, FLOAT = np.dtype(np.int64), np.dtype(np.float64)
_KINDS = (INTEGER, FLOAT)
_DOUBLE, _SINGLE, _SIGNED, _UNSIGNED, _TEXT = range(5)

Array = np.ndarray[Any, Any]


class Texts(NamedTuple):
    """A column of texts: the `codes` (int64, -1: missing) of its rows, and the text of each code."""

    codes: Array
    texts: Sequence[bytes]


class _Source(ctypes.Structure):
    """`Source` of the source."""

    _fields_ = (
        ("kind", ctypes.c_int64),
        ("values", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("ends", ctypes.c_void_p),
        ("texts", ctypes.c_char_p),
    )


class Numbers:
    """The functions of the compiled code. They run without Python's lock."""

    def __init__(self, code: ctypes.CDLL) -> None:
        self._read = code.dltk_read
        self._read.restype = ctypes.c_int64
        self._write = code.dltk_write
        self._write.restype = ctypes.c_int64

    def read(self, rows_of_csv: bytes | memoryview, width: int, rows: int) -> list[Array] | None:
        """Parse up to `rows` rows of `width` cells, without a header.

        Returns one array a column, int64 or float64, shape (rows,); None if any cell is declined or
        if there are more rows.
        """
        if width > MAX_COLUMNS or rows < 1:
            return None
        text = np.frombuffer(rows_of_csv, np.uint8)
        arrays = np.empty((width, rows), INTEGER)
        kinds, first, step = (ctypes.c_uint8 * width)(), arrays.ctypes.data, rows * INTEGER.itemsize
        addresses = (ctypes.c_void_p * width)(*range(first, first + width * step, step))
        sizes = map(ctypes.c_int64, (len(text), width, rows))
        found = self._read(ctypes.c_void_p(text.ctypes.data), *sizes, addresses, kinds)
        if found < 0:
            return None
        return [array.view(_KINDS[kind]) for array, kind in zip(arrays[:, :found], kinds, strict=True)]

    def write(self, columns: Sequence[Array | Texts], line_end: bytes, empty: bytes) -> bytes | None:
        """Write columns as the rows of a CSV, separated by `line_end`.

        A row of one missing value becomes `empty`. None if a value or a type is declined.
        """
        rows = len(columns[0].codes if isinstance(columns[0], Texts) else columns[0])
        sources, owned, row_bytes = (_Source * len(columns))(), [], len(line_end) + len(empty)
        for place, column in enumerate(columns):
            owned.append(_fill(sources[place], column))
            if owned[-1] is None:
                return None
            widest = max(map(len, column.texts), default=0) if isinstance(column, Texts) else 0
            row_bytes += max(MAX_NUMBER_BYTES, widest + 1)
        step = max(BLOCK_BYTES // row_bytes, 1)
        out = ctypes.create_string_buffer(min(step, rows) * row_bytes)
        parts = []
        for begin in range(0, rows, step):
            bounds = map(ctypes.c_int64, (len(columns), begin, min(begin + step, rows)))
            size = self._write(sources, *bounds, line_end, empty, out)
            if size < 0:
                return None
            parts.append(ctypes.string_at(out, size))
        return b"".join(parts)[: -len(line_end)]


@functools.cache
def load(file: Path = FILE) -> Numbers | None:
    """Load the compiled code; None where there is none for this source."""
    code = opened(file)
    return Numbers(code) if code is not None else None


def reader() -> Numbers | None:
    """Load the compiled code to read with; None also where pandas reads other floats.

    Numbers of more than 15 digits or with an exponent are rounded once here, and since pandas 3.1
    there. Earlier releases round twice: their values are theirs alone.
    """
    return load() if rounds_once(pd.__version__) else None


def rounds_once(pandas: str) -> bool:
    """Return whether ``read_csv`` of a pandas' version gives the float that is nearest to a text."""
    return tuple(map(int, pandas.split(".")[:2])) >= FIRST_NEAREST_PANDAS


def _fill(source: _Source, column: Array | Texts) -> object:
    """Describe a column to the code; returns what has to live as long, or None for other types."""
    if isinstance(column, Texts):
        ends = np.cumsum([0, *map(len, column.texts)], dtype=np.int64)
        codes, texts = np.ascontiguousarray(column.codes, np.int64), b"".join(column.texts)
        source.kind, source.values, source.stride = _TEXT, codes.ctypes.data, 8
        source.ends, source.texts = ends.ctypes.data, texts
        return codes, ends, texts
    values = _plain(column)
    if values is None:
        return None
    kinds = {"f8": _DOUBLE, "f4": _SINGLE, "i8": _SIGNED, "u8": _UNSIGNED}
    source.kind = kinds[values.dtype.str[1:]]
    source.values, source.stride = values.ctypes.data, values.strides[0]
    return values


def _plain(column: Array) -> Array | None:
    """Return the values in a type that the code knows, in the machine's byte order; None for others."""
    if column.dtype.kind == "f" and column.dtype.itemsize in (4, 8):
        return column if column.dtype.isnative else column.astype(column.dtype.newbyteorder("="))
    if column.dtype.kind in "iu":
        return column.astype(f"{column.dtype.kind}8", copy=False)
    return None
