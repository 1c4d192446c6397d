"""Parse a large CSV of plain numbers in pieces: in several threads, or while it still arrives.

Compiled code (`native`) parses a piece where there is any and if it does not decline; else pandas.

pandas parses a large file in chunks of a number of rows that depends on its width, and infers the
type of a column for each chunk. A piece therefore never extends over the end of a chunk, and the
types of a column in the pieces determine the type that pandas would infer (`csv_columns`).

pandas treats the first bytes of a file, and bytes that end a cell or a line, in ways of their own.
Rows therefore hold ASCII alone, no carriage return and no NUL, or the file is `Odd`, too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from dltk_runtime.settings import cores
from dltk_runtime.tables.csv_columns import PLAIN, Arrays, Blob, Odd, PlainColumns, Text
from dltk_runtime.tables.native import library as native
from dltk_runtime.units import MIB

HEAD_BYTES = 64 * 1024  # have to be there before the first piece is parsed
PROBE_BYTES = 16 * 1024  # are parsed first: they reveal most files of other than plain numbers
BLOCK_BYTES = 64 * 1024  # are searched for line ends at once, and fit into the processor's cache
PIECE_BYTES = MIB  # of the smallest piece, or half: a tenth of its two milliseconds is overhead
MIN_THREADED_BYTES = 12 * MIB  # from here on threads save more time than they cost
_LINE_END = 10
_NOT_PLAIN = (b'"', b"\r", b"\0")  # a quoted cell may hold line ends; a lone \r is one; NUL ends a cell


# What parsing in pieces raises. The parse of the whole raises an error in the file again, with its
# place.
UNREADABLE = (Odd, ValueError, OverflowError, MemoryError)


class Bytes:
    """Bytes as a file that pandas' C parser reads directly: neither copied nor decoded before."""

    def __init__(self, data: Blob) -> None:
        self._rest = memoryview(data)

    def read(self, size: int = -1) -> bytes:
        piece = self._rest[: size if size >= 0 else len(self._rest)]
        self._rest = self._rest[len(piece) :]
        return bytes(piece)

    def __iter__(self) -> Iterator[bytes]:
        """Make pandas accept the object as a file."""
        return iter(())


class Pieces:
    """Parses one file in pieces: `read` as it arrives, then `frame` when all bytes are there."""

    def __init__(self, text: Text, begin: Blob, expected: int) -> None:
        """`begin` is the first `HEAD_BYTES` bytes, `expected` the approximate size in bytes.

        Raises:
            Odd: it is not a file of plain numbers, or the first row cannot be located.
        """
        head, end = _line_ends(bytes(begin))
        first = pd.read_csv(Bytes(begin[:end]))  # type: ignore[call-overload]
        if not all(dtype in PLAIN for dtype in first.dtypes):
            raise Odd
        if len(first) != bytes(begin[head:end]).count(b"\n"):
            raise Odd  # the header is not the first line, or not the whole of it
        self._chunk = _rows_of_chunk(first.shape[1])
        self._step = _power_of_two(PIECE_BYTES * len(first) // end, self._chunk)
        self._text = text
        self._expected = expected
        self._names = first.columns
        self._ends = [head]  # of the head, and of every `step` rows
        self._lines = 0
        self._scanned = head
        self._done = 0  # index in `ends` up to which the rows are parsed
        self._columns = PlainColumns(text, head)

    def read(self, size: int) -> bool:
        """Parse one piece of the `size` bytes that have arrived; False if they hold no whole one.

        Raises:
            UNREADABLE: the file has to be parsed as a whole.
        """
        self._scan(size)
        for piece in self._unread(self._step):
            self._add(piece, self._arrays(piece))
            return True
        return False

    def frame(self, size: int) -> pd.DataFrame:
        """Parse the rest of the file, all `size` bytes of which have arrived.

        Raises:
            UNREADABLE: the file has to be parsed as a whole.
        """
        self._scan(size)
        if self._ends[-1] < size:
            self._ends.append(size)
            self._lines += self._text(size - 1, size)[0] != _LINE_END
        self._expected = size
        # Two pieces a chunk: more have more overhead, fewer leave cores idle.
        unread = self._unread(max(self._chunk // 2, self._step))
        if size - self._ends[self._done] >= MIN_THREADED_BYTES:
            with ThreadPoolExecutor(cores()) as threads:
                for piece, arrays in zip(unread, threads.map(self._arrays, unread), strict=True):
                    self._add(piece, arrays)
        else:
            for piece in unread:
                self._add(piece, self._arrays(piece))
        return self._columns.frame(self._names)

    def _arrays(self, piece: _Piece) -> Arrays:
        text, compiled = self._text(piece.begin, piece.end), native.reader()
        arrays = compiled and compiled.read(text, len(self._names), piece.rows)
        return arrays or _arrays(bytes(text))

    def _add(self, piece: _Piece, arrays: Arrays) -> None:
        if len(arrays) != len(self._names) or any(len(array) != piece.rows for array in arrays):
            raise Odd
        rows = self._lines * (self._expected - self._ends[0]) // (self._scanned - self._ends[0])
        self._columns.add(arrays, piece.end, max(rows, self._lines))
        self._done = piece.place

    def _scan(self, size: int) -> None:
        """Find the end of every `step` lines in the bytes that have arrived since the last call."""
        for begin in range(self._scanned, size, BLOCK_BYTES):
            block = np.frombuffer(self._text(begin, min(begin + BLOCK_BYTES, size)), np.uint8)
            marks = block == _LINE_END
            count = int(np.count_nonzero(marks))
            if (self._lines + count) // self._step > self._lines // self._step:
                wanted = np.arange(self._lines // self._step + 1, (self._lines + count) // self._step + 1) * self._step
                self._ends += (begin + np.flatnonzero(marks)[wanted - self._lines - 1] + 1).tolist()
            self._lines += count
        self._scanned = max(size, self._scanned)

    def _unread(self, rows: int) -> list[_Piece]:
        """Split what is not parsed yet, up to the last known end, into pieces of up to `rows` rows."""
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
    place: int  # index of its end in `ends`


def _arrays(text: bytes) -> Arrays:
    """Parse rows into one array for each column.

    Raises:
        Odd: they hold a byte of `_NOT_PLAIN`, an index column, or other than plain numbers.
    """
    if not text.isascii() or any(mark in text for mark in _NOT_PLAIN):
        raise Odd
    piece = pd.read_csv(Bytes(text), header=None, low_memory=False)  # type: ignore[call-overload]
    arrays = [column.to_numpy() for _, column in piece.items()]
    if not isinstance(piece.index, pd.RangeIndex) or any(array.dtype not in PLAIN for array in arrays):
        raise Odd
    return arrays


def _line_ends(begin: bytes) -> tuple[int, int]:
    """Return the offsets of the first row, and of the end of a row about `PROBE_BYTES` later."""
    first = begin.find(b"\n") + 1
    other = begin.find(b"\n", first + PROBE_BYTES) + 1
    if not other or not begin[:first].strip() or any(mark in begin[:other] for mark in _NOT_PLAIN):
        raise Odd  # the header may be on another line
    return first, other


@functools.cache
def _rows_of_chunk(width: int) -> int:
    """Return the rows in a chunk of pandas for `width` columns (`TextReader`, ``buffer_lines``)."""
    return _power_of_two(2**20 // width, 2**20)


def _power_of_two(number: int, most: int) -> int:
    """Return the largest power of two below `number` and at most `most`; 1 if there is none."""
    power = 1
    while power * 2 < number and power * 2 <= most:
        power *= 2
    return power
