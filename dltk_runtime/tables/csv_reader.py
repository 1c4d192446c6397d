"""The frame of ``pandas.read_csv(csv)``, by a faster parser where one gives the same frame.

| input | parser |
|---|---|
| up to 16 KiB, plain names over plain numbers of at most 15 digits | msgspec's numbers, which are the same |
| from 64 KiB on, no quotes, all columns int64, float64 or bool | compiled code, in pieces (`csv_pieces`, `native`) |
| the same from 12 MiB on, or where nothing is compiled | pandas, in pieces, on all cores |
| anything else: text, dates, missing integers, mixed columns, ragged rows, odd headers, … | pandas, from the bytes |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.tables.csv_pieces import HEAD_BYTES, MIN_THREADED_BYTES, UNREADABLE, Bytes, Pieces
from dltk_runtime.tables.native import library as native

Blob = bytes | memoryview

MAX_SMALL_BYTES = 16 * 1024  # up to here msgspec is faster than the set-up of pandas' parser
_NAMES = re.compile(rb"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*")
# Up to 15 digits pandas' float parser divides an exact integer by an exact power of ten, so that it
# rounds once, as msgspec's and numpy's do.
_NUMBER = rb"-?+(?:[0-9]{1,8}+\.[0-9]{1,7}+|[0-9]{9,11}+\.[0-9]{1,4}+|[0-9]{1,15}+)"


def read(csv: Blob) -> pd.DataFrame:
    """Parse `csv` as ``pandas.read_csv`` does with its defaults; raises what it raises."""
    frame = None
    if len(csv) <= MAX_SMALL_BYTES:
        frame = _small(bytes(csv))
    elif len(csv) >= (HEAD_BYTES if native.reader() else MIN_THREADED_BYTES):
        frame = _large(memoryview(csv))
    return pd.read_csv(Bytes(csv)) if frame is None else frame  # type: ignore[call-overload]


# ---------------------------------------------------------------- small


def _small(csv: bytes) -> pd.DataFrame | None:
    """Parse plain numbers; None if there is anything else."""
    head, _, body = csv.partition(b"\n")
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


# ---------------------------------------------------------------- large


def _large(csv: memoryview) -> pd.DataFrame | None:
    """Parse in pieces; None if that could differ from a parse of the whole."""
    try:
        return Pieces(lambda begin, end: csv[begin:end], csv[:HEAD_BYTES], len(csv)).frame(len(csv))
    except UNREADABLE:
        return None
