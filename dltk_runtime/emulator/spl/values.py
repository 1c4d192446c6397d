"""Splunk's values, which are text, number, boolean or null, and the operators on them.

Text that looks like a number is used as one, as in eval. None stands for null: arithmetic and
comparisons with it yield null, which is not true. A field with several values is a `Multi`, which
as text has one line per value, as Splunk writes it to files and to `fit`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import pandas as pd

from dltk_runtime.emulator.errors import SearchError

Value = str | int | float | bool | None
Fields = Mapping[str, Value]  # one row, by field

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
# Larger integers are not exact in Splunk's doubles either.
_EXACT = 2**53


class SeveralValues(SearchError):
    """An operation on a field with several values whose result is not documented."""

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"{operation} of a field with several values runs in Splunk only: "
            "use mvindex, mvjoin, mvmap or mvexpand first."
        )


class Multi(str):
    """Two or more values of one field; as text, one line per value."""

    __slots__ = ("values",)
    values: tuple[Value, ...]

    def __new__(cls, values: Iterable[Value]) -> Self:
        kept = tuple(values)
        made = super().__new__(cls, "\n".join(text(value) or "" for value in kept))
        made.values = kept
        return made


def multi(values: Iterable[Value]) -> Value:
    """Make a field of `values` without nulls: null if none is left, and a single one as it is."""
    kept = tuple(value for value in values if value is not None)
    return (kept[0] if kept else None) if len(kept) < 2 else Multi(kept)


def values_of(value: Value) -> tuple[Value, ...]:
    """Return the values of a field; none for null."""
    if value is None:
        return ()
    return value.values if isinstance(value, Multi) else (value,)


def single(operation: str, *values: Value) -> None:
    """Refuse fields with several values.

    Raises:
        SeveralValues: one of `values` is such a field.
    """
    if any(isinstance(value, Multi) for value in values):
        raise SeveralValues(operation)


def from_cell(cell: Any) -> Value:
    """Convert a cell of a frame: missing values to null, booleans to text, as in a CSV file."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, str):
        return cell  # also a Multi
    value = cell.item() if hasattr(cell, "item") else cell
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def number(value: Value) -> int | float | None:
    """Convert `value` to a number, or to None if it is not one."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    return _parse(value) if _NUMBER.fullmatch(value) else None


def text(value: Value) -> str | None:
    """Convert `value` to text; integers have no decimal point."""
    if value is None or isinstance(value, str):
        return value
    return str(value if isinstance(value, bool) else tidy(value))


def tidy(value: float) -> int | float | None:
    """Convert integral floats to int, and NaN and infinity to null, as Splunk writes them."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < _EXACT else value


def arithmetic(operator: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    """Make an arithmetic operator: null if a side is not a number or there is no result."""

    def compute(left: Value, right: Value) -> Value:
        single("arithmetic", left, right)
        first, second = number(left), number(right)
        if first is None or second is None:
            return None
        try:
            return tidy(operator(first, second))
        except (ZeroDivisionError, OverflowError, ValueError):
            return None

    return compute


def plus(left: Value, right: Value) -> Value:
    """Add two numbers, or concatenate two texts that are not both numbers."""
    if isinstance(left, str) and isinstance(right, str) and (number(left) is None or number(right) is None):
        return left + right
    return arithmetic(lambda first, second: first + second)(left, right)


def concatenate(left: Value, right: Value) -> Value:
    """Join two values as text; null with a null."""
    single("concatenation", left, right)
    first, second = text(left), text(right)
    return None if first is None or second is None else first + second


def comparison(operator: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool | None]:
    """Make a comparison: of numbers if both sides are numbers, else of texts; null with a null."""

    def compare(left: Value, right: Value) -> bool | None:
        if left is None or right is None:
            return None
        single("the comparison", left, right)
        first, second = number(left), number(right)
        if first is None or second is None:
            return operator(text(left), text(right))
        return operator(first, second)

    return compare


def _parse(digits: str) -> int | float | None:
    try:
        return int(digits)
    except ValueError:
        return tidy(float(digits))
