"""The frame of ``pandas.read_csv(csv)``, without pandas' ways where it can be had faster.

| input | way |
|---|---|
| up to 16 KiB, plain names over plain numbers of at most 15 digits | orjson's numbers, which are the same |
| from 12 MiB on, no quotes, all columns int64, float64 or bool | pandas, in pieces, on all cores (`csv_pieces`) |
| anything else: text, dates, missing integers, mixed columns, ragged rows, odd headers, … | pandas, from the bytes |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from dltk_runtime.tables.csv_pieces import BEGIN, IN_THREADS, UNREADABLE, Bytes, Pieces

Blob = bytes | memoryview

SMALL = 16 * 1024  # bytes up to which orjson is faster than pandas' way to its parser
_NAMES = re.compile(rb"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*")
# pandas' float parser divides an exact integer by an exact power of ten as long as there are 15 digits: no rounding
# but that of the division, as in orjson's and numpy's.
_NUMBER = rb"-?+(?:[0-9]{1,8}+\.[0-9]{1,7}+|[0-9]{9,11}+\.[0-9]{1,4}+|[0-9]{1,15}+)"


def read(csv: Blob) -> pd.DataFrame:
    """What ``pandas.read_csv`` makes of `csv` with its defaults, or raises."""
    frame = None
    if len(csv) <= SMALL:
        frame = _small(bytes(csv))
    elif len(csv) >= IN_THREADS:
        frame = _large(memoryview(csv))
    return pd.read_csv(Bytes(csv)) if frame is None else frame  # type: ignore[call-overload]


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
        return Pieces(lambda begin, end: csv[begin:end], csv[:BEGIN], len(csv)).frame(len(csv))
    except UNREADABLE:
        return None
