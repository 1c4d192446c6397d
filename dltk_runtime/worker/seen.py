"""Which rows a version has seen: a Bloom filter of the hashes of the rows that it was fitted on.

A row is known by its features, never by its target: a corrected label makes no new row of it. The
filter holds no value of a row. Whoever has a row can ask whether it was seen.

=====================  ==========================================================================
size                   10 bits for each row: 125 kB for 100,000 rows; at most 16 MiB (13 million)
false positives        0.8 % of unseen rows count as seen (more beyond 13 million rows)
false negatives        none: no row that was seen counts as unseen
=====================  ==========================================================================

So a mistake leaves a row out of a comparison and never lets one in. The file: one line of JSON
(`Header`), then the bits.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.files.records import decoded
from dltk_runtime.units import MIB

BITS_PER_ROW = 10
HASHES = 7  # the best number for 10 bits: 0.7 times the bits of a row
MIN_BITS = 1024
MAX_BITS = 16 * MIB * 8
# What `pandas.read_csv` takes for booleans, and leaves as text where another value of the column is none.
_BOOLEANS = {
    text: number for word, number in (("True", "1"), ("False", "0")) for text in (word, word.upper(), word.lower())
}
_SECOND = np.uint64(0x9E3779B97F4A7C15)  # an odd number: makes a second hash of the first

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


class Header(msgspec.Struct, frozen=True):
    """The first line of the file: the columns that make a row, in the order of their hashes."""

    features: list[str]
    rows: int
    bits: int


class ColumnsMissing(ValueError):
    """Rows lack columns that a version knows its rows by."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"the rows lack {', '.join(map(repr, names))}")


class SeenRows:
    """The rows that a version has seen."""

    def __init__(self, header: Header, bits: Mask) -> None:
        self.header = header
        self._bits = bits

    @classmethod
    def of(cls, frame: pd.DataFrame, features: Sequence[str]) -> SeenRows:
        """Return the filter of the rows of `frame`, known by their `features`."""
        hashes = row_hashes(frame, features)
        size = min(max(MIN_BITS, len(hashes) * BITS_PER_ROW), MAX_BITS)
        bits = np.zeros((size + 7) // 8 * 8, dtype=bool)
        for places in _places(hashes, len(bits)):
            bits[places] = True
        return cls(Header(list(features), len(frame), len(bits)), bits)

    def has(self, frame: pd.DataFrame) -> Mask:
        """Return which rows were seen: booleans of shape (rows,).

        Raises:
            ColumnsMissing: the frame lacks columns.
        """
        if lacking := [name for name in self.header.features if name not in frame]:
            raise ColumnsMissing(lacking)
        hashes = row_hashes(frame, self.header.features)
        found = np.ones(len(hashes), dtype=bool)
        for places in _places(hashes, len(self._bits)):
            found &= self._bits[places]
        return found

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OSError: it cannot be written.
        """
        path.write_bytes(msgspec.json.encode(self.header) + b"\n" + np.packbits(self._bits).tobytes())

    @classmethod
    def read(cls, path: Path) -> SeenRows:
        """Read the file.

        Raises:
            OSError, ValueError: it cannot be read, or is not such a file.
        """
        line, _, packed = path.read_bytes().partition(b"\n")
        header = decoded(line, Header)
        if len(packed) * 8 != header.bits:
            raise ValueError(f"{path} is damaged: it has {len(packed):,} bytes of bits, not {header.bits // 8:,}.")
        return cls(header, np.unpackbits(np.frombuffer(packed, dtype=np.uint8)).astype(bool))


def row_hashes(frame: pd.DataFrame, features: Sequence[str]) -> Hashes:
    """Return a hash of each row's features, of shape (rows,).

    It depends on the row's own values alone: 7, 7.0 and "7" are one value, whatever the type of
    the column in which they came; so are True, "true" and 1, 0.1 in 32 and in 64 bits, and all
    missing values.
    """
    columns = {str(number): _value_hashes(frame[name]) for number, name in enumerate(features)}
    if not columns:
        return np.zeros(len(frame), dtype=np.uint64)
    return np.asarray(pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy(), dtype=np.uint64)


def _value_hashes(column: pd.Series[Any]) -> Hashes:
    if pd.api.types.is_float_dtype(column.dtype) and getattr(column.dtype, "itemsize", 8) < 8:
        column = _as_sent(column)
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return _number_hashes(pd.to_numeric(column, errors="coerce").astype("float64"))
    texts = column.astype(str).astype(object)
    numbers = pd.to_numeric(texts.replace(_BOOLEANS), errors="coerce").astype("float64")
    as_number = (numbers.notna() | column.isna()).to_numpy()
    return np.where(as_number, _number_hashes(numbers), pd.util.hash_array(texts.to_numpy(), categorize=True))


def _as_sent(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as CSV would bring them: the 0.1 of a file of float32 is the 0.1 of a search.

    They are read as a search's rows are, since pandas before 3 reads some digits as a neighbour.
    """
    text = "\n".join(["x", *column.astype(str).fillna("nan")])
    return pd.read_csv(io.StringIO(text))["x"]


def _number_hashes(numbers: pd.Series[Any]) -> Hashes:
    values = numbers.to_numpy(dtype="float64", na_value=np.nan) + 0.0  # -0.0 is 0.0
    values[np.isnan(values)] = np.nan  # one pattern of bits
    return np.asarray(pd.util.hash_array(values), dtype=np.uint64)


def _places(hashes: Hashes, bits: int) -> list[np.ndarray[Any, np.dtype[np.uint64]]]:
    """Return `HASHES` arrays with a place in the filter for each hash."""
    mixed = (hashes ^ (hashes >> np.uint64(29))) * _SECOND
    step = (mixed ^ (mixed >> np.uint64(32))) | np.uint64(1)
    return [(hashes + np.uint64(number) * step) % np.uint64(bits) for number in range(HASHES)]
