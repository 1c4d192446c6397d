"""The columns of a CSV of plain numbers, collected from pieces; their types are those that pandas would infer.

| types of a column in the pieces | its type |
|---|---|
| one of int64, float64, bool throughout | that one |
| whole numbers here and float64 there, all exact as floats, no ``-0`` in the file | float64 |
| anything else, a quote, an empty or a ragged line | the file is `Odd`: it has to be parsed as a whole |

Whole numbers are int64, or float64 only because some are missing. pandas parses the latter as
integers, unless there is a decimal point in the same chunk; so the text has to mean the same both ways.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

Blob = bytes | memoryview
Text = Callable[[int, int], Blob]  # the bytes of the file from one offset to another
Arrays = Sequence[np.ndarray[Any, Any]]

MAX_EXACT_INTEGER = 2**53  # up to here a float64 holds every integer (IEEE 754)
PLAIN = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.bool_))
_INTEGER, _FLOAT, _ = PLAIN
_MINUS_ZERO = re.compile(rb"-0+(?:[\s,]|\Z)")  # 0 among integers and -0.0 among floats
_FIRST_OF_ITS_KIND = b"9223372036854775808"  # negative: pandas' missing integer; positive: no int64


class Odd(Exception):
    """The file has to be parsed as a whole."""


class PlainColumns:
    """One array for each column, allocated for the expected rows and filled from the top."""

    def __init__(self, text: Text, head: int) -> None:
        self._text = text
        self._arrays: list[np.ndarray[Any, Any]] = []
        self._rows = 0
        self._end = head  # in bytes, of the rows
        self._checked = head  # in bytes, up to where there is no ``-0``

    def add(self, arrays: Arrays, end: int, expected: int) -> None:
        """Add rows that end at byte `end`; `expected` is the approximate number of all rows.

        Raises:
            Odd: their types do not match those of the columns.
        """
        rows, begin = self._rows + len(arrays[0]), self._end
        self._end = end
        if not self._arrays:
            self._arrays = [np.empty(max(expected, rows), array.dtype) for array in arrays]
        for place, array in enumerate(arrays):
            if array.dtype != self._arrays[place].dtype:
                self._reconcile(place, array)
            elif _may_be_integers(array):
                self._check(begin, array)
            column = self._arrays[place]
            if len(column) < rows:  # the first rows were longer than the others
                self._arrays[place] = column = _with_room(
                    column[: self._rows], max(expected, rows * 5 // 4), column.dtype
                )
            column[self._rows : rows] = array
        self._rows = rows

    def frame(self, names: pd.Index[Any]) -> pd.DataFrame:
        """Return the frame of all rows added."""
        columns = {place: array[: self._rows] for place, array in enumerate(self._arrays)}
        frame = pd.DataFrame(columns, index=pd.RangeIndex(self._rows), copy=False)
        frame.columns = names
        return frame

    def _reconcile(self, place: int, array: np.ndarray[Any, Any]) -> None:
        """Convert the column to floats, if one of it and the new rows holds integers.

        Raises:
            Odd: pandas would parse the text of one of the integers as another float.
        """
        column = self._arrays[place]
        if {column.dtype, array.dtype} != {_INTEGER, _FLOAT}:
            raise Odd
        whole = [each for each in (array, column[: self._rows]) if each.dtype == _INTEGER or _may_be_integers(each)]
        self._check(self._checked, *whole)
        if column.dtype == _INTEGER:
            self._arrays[place] = _with_room(column[: self._rows], len(column), _FLOAT)

    def _check(self, begin: int, *numbers: np.ndarray[Any, Any]) -> None:
        """Check that whole numbers, of the rows from byte `begin` on, are the floats of their text.

        Raises:
            Odd: one is too large for a float, a missing one to pandas, or ``-0``.
        """
        if not all(map(_is_exact, numbers)) or _FIRST_OF_ITS_KIND in bytes(self._text(begin, self._end)):
            raise Odd
        if _MINUS_ZERO.search(self._text(self._checked, self._end)):
            raise Odd
        self._checked = self._end


def _may_be_integers(array: np.ndarray[Any, Any]) -> bool:
    """Return whether floats may be integers for pandas, some of which are missing."""
    if array.dtype != _FLOAT:
        return False
    missing = np.isnan(array)
    return bool(missing.any() and np.all(missing | (np.floor(array) == array)))


def _is_exact(array: np.ndarray[Any, Any]) -> bool:
    """Return whether a float64 holds each of these whole numbers."""
    there = array[~np.isnan(array)] if array.dtype == _FLOAT else array
    return not len(there) or bool(there.min() >= -MAX_EXACT_INTEGER and there.max() <= MAX_EXACT_INTEGER)


def _with_room(values: np.ndarray[Any, Any], size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    column = np.empty(size, dtype)
    column[: len(values)] = values
    return column
