"""Products of decimals, which Splunk rounds unless they stand in ``exact()``.

``eval x=3*0.5`` is 2 in Splunk: a product has as many significant digits as the decimal with the
fewest, and at least those before its point. Splunk's wiki (Community:BadMath) and people who
measured it say so, of typed decimals and of fields that an ``eval`` made from one; the manual says
only that ``exact()`` has more digits. Whether it holds for a number that a command has computed
nobody says, so a product that would be rounded by the digits of a typed decimal, or of a text, is
refused; ``exact()`` gives the same here and there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from contextvars import ContextVar

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.spl.values import Fields, Value, arithmetic, number

_DECIMAL = re.compile(r"\s*-?(\d*)\.(\d+)\s*")
_NEARLY = 1e-12  # relative: the noise of doubles
_within_exact = ContextVar("within_exact", default=False)
_multiply = arithmetic(operator.mul)
_subtract = arithmetic(operator.sub)


class TypedFloat(float):
    """A decimal, with the number of digits that it was typed with."""

    digits: int


class TypedInt(int):
    """A decimal such as 2.0, with the number of digits that it was typed with."""

    digits: int


def typed(written: str) -> Value:
    """Return the number that is written; a decimal keeps its digits, also in a field that it is put into."""
    return _with_digits(number(written), _digits(written))


def negative(value: Value) -> Value:
    """Return 0 minus `value`, which has as many digits."""
    return _with_digits(_subtract(0, value), _digits(value))


def _with_digits(value: Value, digits: int | None) -> Value:
    if digits is None or not isinstance(value, int | float):
        return value
    made = TypedInt(value) if isinstance(value, int) else TypedFloat(value)
    made.digits = digits
    return made


def exactly(evaluate: Callable[[Fields], Value]) -> Callable[[Fields], Value]:
    """Make a function that computes without rounding products."""

    def call(row: Fields) -> Value:
        token = _within_exact.set(True)
        try:
            return evaluate(row)
        finally:
            _within_exact.reset(token)

    return call


def product(left: Value, right: Value) -> Value:
    """Multiply.

    Raises:
        SearchError: Splunk would round the product.
    """
    result = _multiply(left, right)
    if isinstance(result, int | float) and not _within_exact.get():
        fewest = min((each for each in (_digits(left), _digits(right)) if each is not None), default=None)
        if fewest is not None and _rounded(float(result), fewest):
            raise SearchError(
                f"{left}*{right} is {result}, and Splunk rounds it to the digits of a decimal (3*0.5 is 2 there): "
                "write exact(a*b), which is not rounded."
            )
    return result


def _digits(value: Value) -> int | None:
    """Return the significant digits of a decimal as it is written; None for all else."""
    if isinstance(value, TypedFloat | TypedInt):
        return value.digits
    found = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    return max(1, len((found[1] + found[2]).lstrip("0"))) if found else None


def _rounded(result: float, digits: int) -> bool:
    """Return whether rounding to so many digits, and not before the point, changes the result."""
    before = len(str(int(abs(result)))) if abs(result) >= 1 else 0
    kept = float(f"{result:.{max(digits, before)}g}")
    return abs(kept - result) > _NEARLY * abs(result)
