"""The frame of ``pandas.read_csv(csv)``, without pandas' ways where it can be had faster.

| input | way |
|---|---|
| up to 16 KiB, plain names over plain numbers of at most 15 digits | Python's own numbers, which are the same |
| from 1 MiB on, no quotes, all columns int64, float64 or bool | pandas, in pieces, on all cores |
| anything else: text, dates, missing integers, mixed columns, ragged rows, odd headers, … | pandas, from the bytes |

pandas reads a large file in chunks of a number of rows that follows from its width, and infers each column's type
anew in each. So a piece never reaches over the end of such a chunk: when all pieces of a column have one type, each
chunk has it too, and each cell is read as pandas reads it. The C parser lets go of the GIL, so pieces are read at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.settings import cores

Blob = bytes | memoryview

SMALL = 16 * 1024  # bytes up to which Python is faster than pandas' way to its parser
LARGE = 1024**2  # bytes from which threads are worth their start
BLOCK = 1024**2  # bytes searched for line ends at once, so that they stay in the processor's cache
PIECES = 4  # in a chunk
_NAMES = re.compile(rb"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*")
# pandas' float parser divides an exact integer by an exact power of ten as long as there are 15 digits: no rounding
# but that of the division, as in Python.
_ROWS = re.compile(rb"(?:-?(?:\d{1,15}|\d{1,8}\.\d{1,7}|\d{9,11}\.\d{1,4})[,\n])+")
_PLAIN = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.bool_))
_LINE_END, _QUOTE = 10, 34


class _Odd(Exception):
    """The file is none that can be read in pieces."""


class _Bytes:
    """Bytes as a file that pandas' C parser reads from directly: without a copy, and without decoding them before."""

    def __init__(self, data: Blob) -> None:
        self._rest = memoryview(data)

    def read(self, size: int = -1) -> bytes:
        piece = self._rest[: size if size >= 0 else len(self._rest)]
        self._rest = self._rest[len(piece) :]
        return bytes(piece)

    def __iter__(self) -> Iterator[bytes]:
        """Only so that pandas takes it for a file."""
        return iter(())


def read(csv: Blob) -> pd.DataFrame:
    """What ``pandas.read_csv`` makes of `csv` with its defaults, or raises."""
    frame = None
    if len(csv) <= SMALL:
        frame = _small(bytes(csv))
    elif len(csv) >= LARGE:
        frame = _large(memoryview(csv))
    return pd.read_csv(_Bytes(csv)) if frame is None else frame  # type: ignore[call-overload]


# ---------------------------------------------------------------- small


def _small(csv: bytes) -> pd.DataFrame | None:
    """The frame of plain numbers; None when there is anything else."""
    head, _, body = csv.partition(b"\n")
    if not body.endswith(b"\n"):
        body += b"\n"
    if not _NAMES.fullmatch(head) or not _ROWS.fullmatch(body):
        return None
    names = head.decode().split(",")
    rows = [line.split(b",") for line in body[:-1].split(b"\n")]
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        return None
    columns = list(zip(*rows, strict=True))
    kinds = [float if any(b"." in cell for cell in column) else int for column in columns]
    if all(kind is float for kind in kinds):
        return pd.DataFrame(np.array([list(map(float, row)) for row in rows]), columns=names)
    return pd.DataFrame(
        {
            name: np.array(list(map(kind, column)), dtype=np.float64 if kind is float else np.int64)
            for name, kind, column in zip(names, kinds, columns, strict=True)
        }
    )


# ---------------------------------------------------------------- large


def _large(csv: memoryview) -> pd.DataFrame | None:
    """The frame, read in pieces; None when that could differ from the frame read whole."""
    try:
        return _in_pieces(csv)
    except (_Odd, ValueError, OverflowError):  # the file's own faults come again, with their place, when it is whole
        return None


def _in_pieces(csv: memoryview) -> pd.DataFrame:
    data = np.frombuffer(csv, np.uint8)
    head = _end_of_head(csv)
    rows = _rows_of_chunk(bytes(csv[:head]).count(b",") + 1) // PIECES
    ends = list(_ends(data, head, rows))
    first = pd.read_csv(_Bytes(csv[: ends[0]]), low_memory=False)  # type: ignore[call-overload]
    if not all(dtype in _PLAIN for dtype in first.dtypes) or len(first) != rows:
        raise _Odd
    whole = _Whole(first, csv, rows)
    with ThreadPoolExecutor(cores()) as threads:
        lengths = list(threads.map(whole.take, range(1, len(ends)), ends[:-1], ends[1:]))
    if any(length != rows for length in lengths[:-1]):
        raise _Odd
    return whole.frame(rows * len(lengths) + (lengths[-1] if lengths else 0))


class _Whole:
    """The columns of the whole frame, filled piece by piece."""

    def __init__(self, first: pd.DataFrame, csv: memoryview, rows: int) -> None:
        self._names = first.columns
        self._csv = csv
        self._rows = rows
        self._pieces: dict[int, list[np.ndarray[Any, Any]]] = {0: _arrays(first)}

    def take(self, number: int, start: int, end: int) -> int:
        """Read piece `number`; how many rows it has.

        Raises:
            _Odd: its columns are not those of the first piece.
        """
        piece = pd.read_csv(_Bytes(self._csv[start:end]), header=None, names=self._names, low_memory=False)  # type: ignore[call-overload]
        arrays = _arrays(piece)
        if not isinstance(piece.index, pd.RangeIndex) or len(arrays) != len(self._names):
            raise _Odd
        if any(one.dtype != other.dtype for one, other in zip(arrays, self._pieces[0], strict=True)):
            raise _Odd
        self._pieces[number] = arrays
        return len(piece)

    def frame(self, rows: int) -> pd.DataFrame:
        """All pieces together, `rows` in all."""
        pieces = [self._pieces.pop(number) for number in sorted(self._pieces)]
        columns = {}
        for number in range(len(self._names)):
            columns[number] = np.concatenate([piece[number] for piece in pieces])
            for piece in pieces:
                piece[number] = piece[number][:0]  # so that it is not there twice
        frame = pd.DataFrame(columns, index=pd.RangeIndex(rows), copy=False)
        frame.columns = self._names
        return frame


def _arrays(frame: pd.DataFrame) -> list[np.ndarray[Any, Any]]:
    return [frame.iloc[:, number].to_numpy() for number in range(frame.shape[1])]


def _end_of_head(csv: memoryview) -> int:
    """Where the first row begins."""
    end = bytes(csv[:BLOCK]).find(b"\n")
    if end < 0:
        raise _Odd
    return end + 1


@functools.cache
def _rows_of_chunk(width: int) -> int:
    """The rows that pandas reads at once from a file of so many columns (`TextReader`, ``buffer_lines``)."""
    rows = 1
    while rows * 2 < 2**20 // width:
        rows *= 2
    return rows


def _ends(data: np.ndarray[Any, Any], start: int, rows: int) -> Iterator[int]:
    """Where each piece of so many lines ends, counted from `start`; the last is the end of the data.

    Raises:
        _Odd: there is a quote: lines are not rows then.
    """
    seen, wanted = 0, rows
    for begin in range(start, len(data), BLOCK):
        block = data[begin : begin + BLOCK]
        if (block == _QUOTE).any():
            raise _Odd
        marks = block == _LINE_END
        count = int(np.count_nonzero(marks))
        if seen + count >= wanted:
            places = np.flatnonzero(marks)
            while wanted <= seen + count:
                end = begin + int(places[wanted - seen - 1]) + 1
                if end < len(data):
                    yield end
                wanted += rows
        seen += count
    yield len(data)
