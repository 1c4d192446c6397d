"""The frame of ``pandas.read_csv(csv)``, without pandas' ways where it can be had faster.

| input | way |
|---|---|
| up to 16 KiB, plain names over plain numbers of at most 15 digits | orjson's numbers, which are the same |
| from 4 MiB on, no quotes, all columns int64, float64 or bool | pandas, in pieces, on all cores |
| anything else: text, dates, missing integers, mixed columns, ragged rows, odd headers, … | pandas, from the bytes |

pandas reads a large file in chunks of a number of rows that follows from its width, and infers each column's type
anew in each. So a piece never reaches over the end of such a chunk: when all pieces of a column have one type, each
chunk has it too, and each cell is read as pandas reads it. The C parser lets go of the GIL, so pieces are read at once.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import pandas as pd

from dltk_runtime.settings import cores

Blob = bytes | memoryview

SMALL = 16 * 1024  # bytes up to which orjson is faster than pandas' way to its parser
LARGE = 4 * 1024**2  # bytes from which threads are worth their start
BLOCK = 1024**2  # bytes searched for line ends at once, so that they stay in the processor's cache
PIECES = 2  # in a chunk: more cost more, fewer leave cores without work
_NAMES = re.compile(rb"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*")
# pandas' float parser divides an exact integer by an exact power of ten as long as there are 15 digits: no rounding
# but that of the division, as in orjson's and numpy's.
_NUMBER = rb"-?+(?:[0-9]{1,8}+\.[0-9]{1,7}+|[0-9]{9,11}+\.[0-9]{1,4}+|[0-9]{1,15}+)"
_PLAIN = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.bool_))
_LINE_END = 10


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
    names = _names(head)
    if names is None or not _rows(len(names)).fullmatch(body):
        return None
    cells, points = body[:-1].replace(b"\n", b","), body.count(b".")
    width = len(names)
    if points == cells.count(b",") + 1:  # no cell has two
        return pd.DataFrame(_parsed(cells, np.float64).reshape(-1, width), columns=pd.Index(names))
    if not points:
        return pd.DataFrame(_parsed(cells, np.int64).reshape(-1, width), columns=pd.Index(names))
    return _mixed(cells.split(b","), names)


def _mixed(cells: list[bytes], names: Sequence[str]) -> pd.DataFrame:
    """The frame of columns of integers and columns of floats."""
    columns: dict[int, np.ndarray[Any, Any]] = {}
    for number in range(len(names)):
        column = cells[number :: len(names)]
        kind = np.float64 if any(b"." in cell for cell in column) else np.int64
        columns[number] = np.fromstring(b",".join(column), kind, sep=",")
    frame = pd.DataFrame(columns, copy=False)
    frame.columns = pd.Index(names)
    return frame


def _parsed(cells: bytes, kind: type[np.generic]) -> np.ndarray[Any, Any]:
    """Plain numbers with commas between them: all with a point, or all without (``-0`` is -0.0 among floats)."""
    try:
        return np.array(orjson.loads(b"[%b]" % cells), kind)
    except orjson.JSONDecodeError:  # zeros in front
        return np.fromstring(cells, kind, sep=",")


@functools.lru_cache(maxsize=256)
def _names(head: bytes) -> tuple[str, ...] | None:
    """The columns' names; None when only pandas knows what it makes of them."""
    if not _NAMES.fullmatch(head):
        return None
    names = tuple(head.decode().split(","))
    return names if len(set(names)) == len(names) else None


@functools.lru_cache(maxsize=256)
def _rows(width: int) -> re.Pattern[bytes]:
    """What rows of `width` plain numbers match."""
    return re.compile(b"(?:%b(?:,%b){%d}\n)++" % (_NUMBER, _NUMBER, width - 1))


# ---------------------------------------------------------------- large


def _large(csv: memoryview) -> pd.DataFrame | None:
    """The frame, read in pieces; None when that could differ from the frame read whole."""
    try:
        return _in_pieces(csv)
    except (_Odd, ValueError, OverflowError):  # the file's own faults come again, with their place, when it is whole
        return None


def _in_pieces(csv: memoryview) -> pd.DataFrame:
    head, begin = _line_ends(csv)
    first = pd.read_csv(_Bytes(csv[:begin]))  # type: ignore[call-overload]
    if not all(dtype in _PLAIN for dtype in first.dtypes):
        raise _Odd  # most files that are none for this way show it here
    step = _rows_of_chunk(first.shape[1]) // PIECES
    ends, rows = _ends(np.frombuffer(csv, np.uint8), head, step)
    whole = _Whole(first.columns, csv, rows, step)
    with ThreadPoolExecutor(cores()) as threads:
        list(threads.map(whole.take, [head, *ends[:-1]], ends, range(0, rows, step)))
    return whole.frame()


class _Whole:
    """The columns of the whole frame, filled piece by piece."""

    def __init__(self, names: pd.Index[Any], csv: memoryview, rows: int, step: int) -> None:
        self._names = names
        self._csv = csv
        self._rows = rows
        self._step = step  # rows of each piece but the last
        self._columns: list[np.ndarray[Any, Any]] = []
        self._made = threading.Lock()

    def take(self, start: int, end: int, row: int) -> None:
        """Read the piece from byte `start` to `end`, which begins with row `row`.

        Raises:
            _Odd: there is a quote, or its columns are not those of the other pieces.
        """
        text = bytes(self._csv[start:end])
        if b'"' in text:
            raise _Odd  # lines are not rows then
        piece = pd.read_csv(_Bytes(text), header=None, names=self._names, low_memory=False)  # type: ignore[call-overload]
        arrays = [piece.iloc[:, number].to_numpy() for number in range(piece.shape[1])]
        rows = min(self._step, self._rows - row)
        if not isinstance(piece.index, pd.RangeIndex) or len(arrays) != len(self._names) or len(piece) != rows:
            raise _Odd
        with self._made:
            if not self._columns:
                self._columns = [_column(array.dtype, self._rows) for array in arrays]
        for column, array in zip(self._columns, arrays, strict=True):
            if array.dtype != column.dtype:
                raise _Odd
            column[row : row + rows] = array

    def frame(self) -> pd.DataFrame:
        """All pieces together."""
        frame = pd.DataFrame(dict(enumerate(self._columns)), index=pd.RangeIndex(self._rows), copy=False)
        frame.columns = self._names
        return frame


def _column(dtype: np.dtype[Any], rows: int) -> np.ndarray[Any, Any]:
    if dtype not in _PLAIN:
        raise _Odd
    return np.empty(rows, dtype)


def _line_ends(csv: memoryview) -> tuple[int, int]:
    """Where the first row begins, and where some row ends that is not far away."""
    begin = bytes(csv[:BLOCK])
    first = begin.find(b"\n") + 1
    other = begin.find(b"\n", first + SMALL) + 1
    if not begin[:first].strip() or not other or b'"' in begin[:other]:
        raise _Odd  # the head may be another line
    return first, other


@functools.cache
def _rows_of_chunk(width: int) -> int:
    """The rows that pandas reads at once from a file of so many columns (`TextReader`, ``buffer_lines``)."""
    rows = 1
    while rows * 2 < 2**20 // width:
        rows *= 2
    return rows


def _ends(data: np.ndarray[Any, Any], start: int, step: int) -> tuple[list[int], int]:
    """Where each piece of `step` lines ends, counted from `start`, the last at the end of the data; and all lines."""
    ends, lines = [], 0
    for begin in range(start, len(data), BLOCK):
        marks = data[begin : begin + BLOCK] == _LINE_END
        count = int(np.count_nonzero(marks))
        if (lines + count) // step > lines // step:
            wanted = np.arange(lines // step + 1, (lines + count) // step + 1) * step
            ends += (begin + np.flatnonzero(marks)[wanted - lines - 1] + 1).tolist()
        lines += count
    if not len(data) or data[-1] != _LINE_END:
        lines += 1
    if not ends or ends[-1] < len(data):
        ends.append(len(data))
    return ends, lines
