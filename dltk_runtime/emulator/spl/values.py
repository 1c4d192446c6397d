"""Splunk's values: text, number, truth, or null; and what its operators make of them.

Text that looks like a number counts as one, as in eval. None stands for null: arithmetic and comparisons
with it are null again, which is not true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

Value = str | int | float | bool | None
Fields = Mapping[str, Value]  # one row, by field

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
# Whole numbers beyond this are not exact in Splunk's doubles either.
_EXACT = 2**53


def from_cell(cell: Any) -> Value:
    """A frame's cell: missing values are null, and pandas' truth values are text, as they are in a CSV file."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell)):
        return None
    value = cell.item() if hasattr(cell, "item") else cell
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def number(value: Value) -> int | float | None:
    """`value` as a number, or None when it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    return _parse(value) if _NUMBER.fullmatch(value) else None


def text(value: Value) -> str | None:
    """`value` as text; whole numbers without a point."""
    if value is None or isinstance(value, str):
        return value
    return str(value if isinstance(value, bool) else tidy(value))


def tidy(value: float) -> int | float | None:
    """A result as Splunk writes it: whole numbers without a point, no number at all as null."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < _EXACT else value


def arithmetic(operator: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    """`operator` over values: null where either side is no number or there is no result."""

    def compute(left: Value, right: Value) -> Value:
        first, second = number(left), number(right)
        if first is None or second is None:
            return None
        try:
            return tidy(operator(first, second))
        except (ZeroDivisionError, OverflowError, ValueError):
            return None

    return compute


def plus(left: Value, right: Value) -> Value:
    """A sum of numbers; of two texts that are none, their concatenation."""
    if isinstance(left, str) and isinstance(right, str) and (number(left) is None or number(right) is None):
        return left + right
    return arithmetic(lambda first, second: first + second)(left, right)


def concatenate(left: Value, right: Value) -> Value:
    first, second = text(left), text(right)
    return None if first is None or second is None else first + second


def comparison(operator: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool | None]:
    """`operator` over numbers where both sides are some, else over texts; null with a null."""

    def compare(left: Value, right: Value) -> bool | None:
        if left is None or right is None:
            return None
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
