"""A large CSV of plain numbers, read in pieces: by several threads when it is there, or while it still arrives.

pandas reads a large file in chunks of a number of rows that follows from its width, and infers each column's type
anew in each. So a piece never reaches over the end of such a chunk, and what its pieces say of a column is what pandas
would say of the whole one:

| types of a column in the pieces | its type |
|---|---|
| one of int64, float64, bool throughout | that one |
| int64 here and float64 there, all integers exact as floats, no ``-0`` among them | float64 |
| anything else, a quote, an empty or a ragged line | the file is `Odd`: only read whole it says what it is |
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dltk_runtime.settings import cores

Blob = bytes | memoryview
Text = Callable[[int, int], Blob]  # the bytes of the file between two places
Arrays = Sequence[np.ndarray[Any, Any]]

BEGIN = 64 * 1024  # bytes with which a reading can begin
FIRST = 16 * 1024  # bytes that are read first of all: they show most files that are no numbers
BLOCK = 64 * 1024  # bytes searched for line ends at once, so that they stay in the processor's cache
STEP = 1024**2  # bytes of the least piece, or half of that: of its two milliseconds a tenth is not reading
IN_THREADS = 12 * 1024**2  # bytes from which threads are worth what they wait for each other
EXACT = 2**53  # up to which a float64 holds every integer (IEEE 754)
_PLAIN = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.bool_))
_INTEGER, _FLOAT, _ = _PLAIN
_LINE_END = 10
_MINUS_ZERO = re.compile(rb"-0+[\s,]")  # 0 among integers and -0.0 among floats


class Odd(Exception):
    """The file is none that can be read in pieces."""


# What reading in pieces raises. The file's own faults come again, with their place, when it is read whole.
UNREADABLE = (Odd, ValueError, OverflowError, MemoryError)


class Bytes:
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


class Pieces:
    """The reading of one file. It may still arrive: `read` takes what is there, and `frame` comes when all is."""

    def __init__(self, text: Text, begin: Blob, expected: int) -> None:
        """`begin` is the first `BEGIN` bytes, and `expected` the size of the whole file, as well as it is known.

        Raises:
            Odd: it is no file of plain numbers, or pandas alone knows where its rows begin.
        """
        head, end = _line_ends(bytes(begin))
        first = pd.read_csv(Bytes(begin[:end]))  # type: ignore[call-overload]
        if not all(dtype in _PLAIN for dtype in first.dtypes):
            raise Odd
        self._chunk = _rows_of_chunk(first.shape[1])
        self._step = _power_of_two(STEP * len(first) // end, self._chunk)
        self._text = text
        self._expected = expected
        self._names = first.columns
        self._ends = [head]  # of the head, and of every `step` rows
        self._lines = 0
        self._scanned = head
        self._done = 0  # place in `ends` up to which the rows are read
        self._columns = _Columns(text, head)

    def read(self, size: int) -> bool:
        """Read one piece, if there is a whole one in the first `size` bytes, which have arrived.

        Raises:
            UNREADABLE: read the file whole.
        """
        self._scan(size)
        for piece in self._unread(self._step):
            self._add(piece, self._arrays(piece))
            return True
        return False

    def frame(self, size: int) -> pd.DataFrame:
        """The frame of the file, all of whose `size` bytes are there.

        Raises:
            UNREADABLE: as `read` does.
        """
        self._scan(size)
        if self._ends[-1] < size:
            self._ends.append(size)
            self._lines += self._text(size - 1, size)[0] != _LINE_END
        self._expected = size
        # Two pieces a chunk: more cost more, fewer leave cores without work.
        unread = self._unread(max(self._chunk // 2, self._step))
        if size - self._ends[self._done] >= IN_THREADS:
            with ThreadPoolExecutor(cores()) as threads:
                for piece, arrays in zip(unread, threads.map(self._arrays, unread), strict=True):
                    self._add(piece, arrays)
        else:
            for piece in unread:
                self._add(piece, self._arrays(piece))
        return self._columns.frame(self._names)

    def _arrays(self, piece: _Piece) -> Arrays:
        return _arrays(bytes(self._text(piece.begin, piece.end)))

    def _add(self, piece: _Piece, arrays: Arrays) -> None:
        if len(arrays) != len(self._names) or any(len(array) != piece.rows for array in arrays):
            raise Odd
        rows = self._lines * (self._expected - self._ends[0]) // (self._scanned - self._ends[0])
        self._columns.add(arrays, piece.end, max(rows, self._lines))
        self._done = piece.place

    def _scan(self, size: int) -> None:
        """Find the ends of `step` lines in what has come since the last time."""
        for begin in range(self._scanned, size, BLOCK):
            block = np.frombuffer(self._text(begin, min(begin + BLOCK, size)), np.uint8)
            marks = block == _LINE_END
            count = int(np.count_nonzero(marks))
            if (self._lines + count) // self._step > self._lines // self._step:
                wanted = np.arange(self._lines // self._step + 1, (self._lines + count) // self._step + 1) * self._step
                self._ends += (begin + np.flatnonzero(marks)[wanted - self._lines - 1] + 1).tolist()
            self._lines += count
        self._scanned = max(size, self._scanned)

    def _unread(self, rows: int) -> list[_Piece]:
        """What is not read yet, up to the last of the ends that are known, in pieces of so many rows at most."""
        last, each = len(self._ends) - 1, rows // self._step
        bounds = [self._done, *range((self._done // each + 1) * each, last, each), last]
        return [
            _Piece(self._ends[a], self._ends[b], min(b * self._step, self._lines) - a * self._step, b)
            for a, b in itertools.pairwise(bounds)
            if a < b
        ]


class _Piece(NamedTuple):
    begin: int  # in bytes
    end: int
    rows: int
    place: int  # of its end


class _Columns:
    """Arrays that are filled from the top, with room for the rows that are expected."""

    def __init__(self, text: Text, head: int) -> None:
        self._text = text
        self._arrays: list[np.ndarray[Any, Any]] = []
        self._rows = 0
        self._end = head  # in bytes, of the rows
        self._checked = head  # in bytes, up to where there is no minus zero

    def add(self, arrays: Arrays, end: int, expected: int) -> None:
        """Add rows, which end at byte `end`, to columns that will have `expected` rows or so.

        Raises:
            Odd: their types are no types of those columns.
        """
        rows = self._rows + len(arrays[0])
        self._end = end
        if not self._arrays:
            self._arrays = [np.empty(max(expected, rows), array.dtype) for array in arrays]
        for place, array in enumerate(arrays):
            if array.dtype != self._arrays[place].dtype:
                self._reconcile(place, array)
            column = self._arrays[place]
            if len(column) < rows:  # the first rows were longer than the others
                self._arrays[place] = column = _with_room(
                    column[: self._rows], max(expected, rows * 5 // 4), column.dtype
                )
            column[self._rows : rows] = array
        self._rows = rows

    def frame(self, names: pd.Index[Any]) -> pd.DataFrame:
        """All rows."""
        columns = {place: array[: self._rows] for place, array in enumerate(self._arrays)}
        frame = pd.DataFrame(columns, index=pd.RangeIndex(self._rows), copy=False)
        frame.columns = names
        return frame

    def _reconcile(self, place: int, array: np.ndarray[Any, Any]) -> None:
        """Make the column one of floats, when it and the new rows are integers and floats.

        Raises:
            Odd: pandas would make something else of the text of one of the integers.
        """
        column = self._arrays[place]
        if {column.dtype, array.dtype} != {_INTEGER, _FLOAT}:
            raise Odd
        integers = array if array.dtype == _INTEGER else column[: self._rows]
        if len(integers) and (integers.min() < -EXACT or integers.max() > EXACT):
            raise Odd
        if _MINUS_ZERO.search(self._text(self._checked, self._end)):
            raise Odd
        self._checked = self._end
        if column.dtype == _INTEGER:
            self._arrays[place] = _with_room(column[: self._rows], len(column), _FLOAT)


def _with_room(values: np.ndarray[Any, Any], size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    column = np.empty(size, dtype)
    column[: len(values)] = values
    return column


def _arrays(text: bytes) -> Arrays:
    """The columns of some rows.

    Raises:
        Odd: there is a quote, or an index, or a type that is none of plain numbers.
    """
    if b'"' in text:
        raise Odd  # lines are not rows then
    piece = pd.read_csv(Bytes(text), header=None, low_memory=False)  # type: ignore[call-overload]
    arrays = [column.to_numpy() for _, column in piece.items()]
    if not isinstance(piece.index, pd.RangeIndex) or any(array.dtype not in _PLAIN for array in arrays):
        raise Odd
    return arrays


def _line_ends(begin: bytes) -> tuple[int, int]:
    """Where the first row begins, and where some row ends that is not far away."""
    first = begin.find(b"\n") + 1
    other = begin.find(b"\n", first + FIRST) + 1
    if not begin[:first].strip() or not other or b'"' in begin[:other]:
        raise Odd  # the head may be another line
    return first, other


@functools.cache
def _rows_of_chunk(width: int) -> int:
    """The rows that pandas reads at once from a file of so many columns (`TextReader`, ``buffer_lines``)."""
    return _power_of_two(2**20 // width, 2**20)


def _power_of_two(number: int, most: int) -> int:
    """The largest power of two that is under `number` and at most `most`; 1 when there is none."""
    power = 1
    while power * 2 < number and power * 2 <= most:
        power *= 2
    return power
