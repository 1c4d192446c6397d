"""The frame of ``pandas.read_csv(csv)``, by a faster parser where one gives the same frame.

| input | parser |
|---|---|
| from 2 KiB to 512 KiB, plain names over plain numbers | compiled code, in one pass (`native`) |
| up to 16 KiB, the same of at most 15 digits | msgspec's numbers, which are the same |
| from 64 KiB on, no quotes, all columns int64, float64 or bool | the same in pieces (`csv_pieces`) |
| the same from 12 MiB on, or where nothing is compiled | pandas, in pieces, on all cores |
| anything else: text, dates, missing integers, mixed columns, ragged rows, odd headers, … | pandas, from the bytes |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.tables.csv_pieces import HEAD_BYTES, MIN_THREADED_BYTES, UNREADABLE, Bytes, Pieces
from dltk_runtime.tables.native import library as native

Blob = bytes | memoryview

MAX_SMALL_BYTES = 16 * 1024  # up to here msgspec is faster than the set-up of pandas' parser
MIN_WHOLE_BYTES = 2 * 1024  # from here on compiled code is faster still
MAX_WHOLE_BYTES = 512 * 1024  # have fewer cells than pandas infers the types of at once (`csv_pieces`)
MAX_NAMES_BYTES = 8 * 1024  # of a header whose names are remembered
_NAMES = re.compile(rb"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*")
# Up to 15 digits pandas' float parser divides an exact integer by an exact power of ten, so that it
# rounds once, as msgspec's and numpy's do.
_NUMBER = rb"-?+(?:[0-9]{1,8}+\.[0-9]{1,7}+|[0-9]{9,11}+\.[0-9]{1,4}+|[0-9]{1,15}+)"


def read(csv: Blob) -> pd.DataFrame:
    """Parse `csv` as ``pandas.read_csv`` does with its defaults; raises what it raises."""
    for parse in _ways(len(csv)):
        if (frame := parse(csv)) is not None:
            return frame
    return pd.read_csv(Bytes(csv))  # type: ignore[call-overload, no-any-return]


def _ways(size: int) -> Iterator[Callable[[Blob], pd.DataFrame | None]]:
    """Yield the parsers for a file of `size` bytes, fastest first; each returns None if it declines."""
    compiled = native.reader()
    if compiled is not None and MIN_WHOLE_BYTES <= size <= MAX_WHOLE_BYTES:
        yield functools.partial(_whole, compiled)
    if size <= MAX_SMALL_BYTES:
        yield _small
    if size >= (HEAD_BYTES if compiled is not None else MIN_THREADED_BYTES):
        yield _large


# ---------------------------------------------------------------- small


def _small(csv: Blob) -> pd.DataFrame | None:
    """Parse plain numbers; None if there is anything else."""
    head, _, body = bytes(csv).partition(b"\n")
    if not body.endswith(b"\n"):
        body += b"\n"
    names = _names(head)
    if names is None or not _rows(len(names)).fullmatch(body):
        return None
    cells, points = body[:-1].replace(b"\n", b","), body.count(b".")
    width = len(names)
    if points == cells.count(b",") + 1:  # every cell has one
        return pd.DataFrame(_parsed(cells, np.float64).reshape(-1, width), columns=pd.Index(names))
    if not points:
        return pd.DataFrame(_parsed(cells, np.int64).reshape(-1, width), columns=pd.Index(names))
    return _mixed(cells.split(b","), names)


def _mixed(cells: list[bytes], names: Sequence[str]) -> pd.DataFrame:
    """Parse columns of integers and columns of floats."""
    columns: dict[int, np.ndarray[Any, Any]] = {}
    for number in range(len(names)):
        column = cells[number :: len(names)]
        kind = np.float64 if any(b"." in cell for cell in column) else np.int64
        columns[number] = np.fromstring(b",".join(column), kind, sep=",")
    frame = pd.DataFrame(columns, copy=False)
    frame.columns = pd.Index(names)
    return frame


def _parsed(cells: bytes, kind: type[np.generic]) -> np.ndarray[Any, Any]:
    """Parse plain numbers separated by commas: all with a point, or none."""
    try:
        return np.array(msgspec.json.decode(b"[%b]" % cells), kind)
    except msgspec.DecodeError:  # leading zeros
        return np.fromstring(cells, kind, sep=",")


@functools.lru_cache(maxsize=256)
def _names(head: bytes) -> tuple[str, ...] | None:
    """Split a header into the columns' names; None if pandas might change them."""
    if not _NAMES.fullmatch(head):
        return None
    names = tuple(head.decode().split(","))
    return names if len(set(names)) == len(names) else None


@functools.lru_cache(maxsize=256)
def _rows(width: int) -> re.Pattern[bytes]:
    """Return the pattern of rows of `width` plain numbers."""
    return re.compile(b"(?:%b(?:,%b){%d}\n)++" % (_NUMBER, _NUMBER, width - 1))


# ---------------------------------------------------------------- whole


def _whole(compiled: native.Numbers, csv: Blob) -> pd.DataFrame | None:
    """Parse plain numbers in one pass; None if there is anything else."""
    text = bytes(csv)
    first = text.find(b"\n", 0, MAX_NAMES_BYTES) + 1
    names = _names(text[: first - 1]) if first else None
    if names is None:
        return None
    rows = text.count(b"\n", first) + (not text.endswith(b"\n"))
    arrays = compiled.read(memoryview(text)[first:], len(names), rows)
    if arrays is None or len(arrays[0]) != rows:
        return None
    if len({array.dtype for array in arrays}) == 1:  # one block, as pandas makes it
        return pd.DataFrame(np.array(arrays).T, columns=pd.Index(names), copy=False)
    frame = pd.DataFrame(dict(enumerate(arrays)), copy=False)
    frame.columns = pd.Index(names)
    return frame


# ---------------------------------------------------------------- large


def _large(csv: Blob) -> pd.DataFrame | None:
    """Parse in pieces; None if that could differ from a parse of the whole."""
    view = memoryview(csv)
    try:
        return Pieces(lambda begin, end: view[begin:end], view[:HEAD_BYTES], len(view)).frame(len(view))
    except UNREADABLE:
        return None
