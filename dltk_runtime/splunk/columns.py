"""Turn rows of text into typed columns, chunk by chunk, in little more memory than the frame.

A column becomes numeric when every value is written as Splunk writes numbers. ``007``, ``+5`` and
``12e34`` stay text; `pandas.read_csv` would change them. Because a later chunk can still make a
column text, the original text of numbers is kept, packed to a few bytes per value, until the frame
is made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.splunk.rows import Row

TIME = "_time"
MIN_LARGE_DIGITS = 16  # of an integer above the next constant
MAX_EXACT_INTEGER = 2**53  # up to here a float64 represents every integer exactly
_NUMBER = r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]+)?(?:e[+-][0-9]{2,3})?|nan|-?inf"  # printf's %g, and plain integers
_NUMBERS = re.compile(rf"(?:(?:{_NUMBER})?\n)*+")
# Stricter than pandas, which also accepts -7, 2026 and "today" as ISO 8601.
_DATES = re.compile(r"(?:(?:\d{4}-\d\d-\d\d.*)?\n)*+", re.ASCII)
_MAX_SHARED_TEXTS = 10_000  # distinct texts per column that are stored once


@dataclass(slots=True)
class _Text:
    values: list[Any]  # str or None


@dataclass(slots=True)
class _Parsed:
    kind: str  # "int", "float", "seconds" (epoch), "dates" (ISO 8601), or "" when every value is missing
    array: Any
    packed: str  # the original values, each followed by a newline

    def texts(self) -> list[Any]:
        return [value or None for value in self.packed.split("\n")[:-1]]


@dataclass(slots=True)
class _Column:
    name: str
    stays_text: bool
    parts: list[_Text | _Parsed] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)

    def add(self, values: list[Any]) -> None:
        """Append one chunk; values are text, lists of text, or None."""
        if not _all_text(values):
            values = [_flat(value) for value in values]
        parsed = None if self.stays_text else _parsed(self.name, values)
        self.stays_text = parsed is None
        self.parts.append(parsed or _Text(self._shared(values)))

    def series(self) -> pd.Series:
        if not self.stays_text:
            array = _joined([part for part in self.parts if isinstance(part, _Parsed)])
            if array is not None:
                return pd.Series(array)
        texts: list[Any] = []
        for number, part in enumerate(self.parts):
            texts += part.values if isinstance(part, _Text) else part.texts()
            self.parts[number] = _Text([])  # release memory early
        return pd.Series([np.nan if text is None else text for text in texts])

    def _shared(self, values: list[str | None]) -> list[str | None]:
        """Store equal texts once while there are few distinct ones; an empty text becomes None."""
        if len(self.shared) >= _MAX_SHARED_TEXTS:
            return [value or None for value in values]
        once = self.shared.setdefault
        return [once(value, value) if value else None for value in values]


class Columns:
    """Collect rows and build a frame; the columns named in `text` stay text."""

    def __init__(self, text: Collection[str] = ()) -> None:
        self._text = frozenset(text)
        self._columns: dict[str, _Column] = {}
        self.rows = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Add a chunk of rows; fields that a row lacks become missing values."""
        if not rows:
            return
        names: Row = {}
        for row in rows:
            names |= row
        for name in names:
            if name not in self._columns:
                self._columns[name] = self._column(name)
        for name, column in self._columns.items():
            column.add(_values(name, rows))
        self.rows += len(rows)

    def frame(self) -> pd.DataFrame:
        """Return all rows so far, columns in order of appearance, and empty the collection.

        Dtypes are int64, float64 and object (text); ``_time`` is datetime64[us, UTC].
        """
        series = {}
        while self._columns:
            name = next(iter(self._columns))
            series[name] = self._columns.pop(name).series()
        return pd.DataFrame(series, copy=False)

    def _column(self, name: str) -> _Column:
        column = _Column(name, name in self._text)
        if self.rows:
            column.add([None] * self.rows)
        return column


def frame_of(rows: Iterable[Row], text: Collection[str] = ()) -> pd.DataFrame:
    """Return the frame of a few rows."""
    columns = Columns(text)
    columns.add(list(rows))
    return columns.frame()


def _all_text(values: Iterable[Any]) -> bool:
    """Return whether every value is a string; faster than a type check of each."""
    try:
        "".join(values)
    except TypeError:
        return False
    return True


def _values(name: str, rows: Sequence[Row]) -> list[Any]:
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        return [row.get(name) for row in rows]


def _flat(value: Any) -> str | None:
    """Join a multivalue field with newlines, as Splunk's `fit` does; None for an empty value."""
    if isinstance(value, list):
        value = "\n".join(map(str, value))
    return (value if isinstance(value, str) else str(value)) if value not in (None, "") else None


def _parsed(name: str, values: list[str | None]) -> _Parsed | None:
    """Parse the values as numbers or times; None when one of them is neither."""
    packed = "\n".join([value or "" for value in values]) + "\n"
    if packed.count("\n") != len(values):
        return None  # several lines in one value
    if len(packed) == len(values):
        return _Parsed("", np.full(len(values), np.nan), packed)
    if _NUMBERS.fullmatch(packed):
        return _numbers(name, values, packed)
    return _times(values, packed) if name == TIME and _DATES.fullmatch(packed) else None


def _numbers(name: str, values: list[str | None], packed: str) -> _Parsed | None:
    if name == TIME:
        return _seconds(values, packed)
    if not any(sign in packed for sign in ".en"):
        return _integers(values, packed)
    if any(map(_is_large_integer, values)):
        return None  # beside floats it would be one, and change
    return _Parsed("float", np.array([float(value) if value else np.nan for value in values]), packed)


def _seconds(values: list[str | None], packed: str) -> _Parsed | None:
    seconds = np.array([float(value) if value else np.nan for value in values])
    try:
        return _Parsed("seconds", pd.to_datetime(seconds, unit="s", utc=True).as_unit("us"), packed)
    except (ValueError, OverflowError):  # a time that no timestamp can hold
        return None


def _is_large_integer(value: str | None) -> bool:
    """Return whether a number is written as an integer that a float64 may not hold."""
    if value is None or len(value) < MIN_LARGE_DIGITS:
        return False
    return value.lstrip("-").isdigit() and abs(int(value)) > MAX_EXACT_INTEGER


def _integers(values: list[str | None], packed: str) -> _Parsed | None:
    numbers = [int(value) if value else None for value in values]
    present = [number for number in numbers if number is not None]
    if len(present) == len(numbers):
        inside = min(present) >= -(2**63) and max(present) < 2**63
        return _Parsed("int", np.array(present, dtype=np.int64), packed) if inside else None
    if max(map(abs, present)) > MAX_EXACT_INTEGER:
        return None  # missing values need floats, which would change these integers
    return _Parsed("float", np.array([np.nan if number is None else number for number in numbers]), packed)


def _times(values: list[str | None], packed: str) -> _Parsed | None:
    try:
        return _Parsed(
            "dates",
            pd.to_datetime(
                pd.Index([value or None for value in values], dtype=object), format="ISO8601", utc=True
            ).as_unit("us"),
            packed,
        )
    except (ValueError, OverflowError):
        return None


def _joined(parts: list[_Parsed]) -> Any:
    """Concatenate all parts; None where one dtype cannot represent every value exactly."""
    kinds = {part.kind for part in parts} - {""}
    if kinds & {"seconds", "dates"}:
        return pd.concat([_as_times(part) for part in parts], ignore_index=True) if len(kinds) == 1 else None
    if kinds == {"int", "float"} or (kinds == {"int"} and any(not part.kind for part in parts)):
        whole = [part.array for part in parts if part.kind == "int"]
        if max(int(np.abs(array).max()) for array in whole) > MAX_EXACT_INTEGER:
            return None
    return np.concatenate([part.array for part in parts])


def _as_times(part: _Parsed) -> pd.Series:
    times = part.array if part.kind else pd.DatetimeIndex([pd.NaT] * len(part.array))
    return pd.Series(times).dt.tz_localize("UTC") if not part.kind else pd.Series(times)
