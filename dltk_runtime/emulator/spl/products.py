"""Products of decimals, which Splunk rounds unless they stand in ``exact()``.

``eval x=3*0.5`` is 2 in Splunk: a product has as many significant digits as the decimal with the
fewest, and at least those before its point. Splunk's wiki (Community:BadMath) and people who
measured it say so, the manual only that ``exact()`` has more digits. Whether it holds for a number
that a command has computed nobody says, so a product that would be rounded by the digits of a typed
decimal, or of a text, is refused; ``exact()`` gives the same here and there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from contextvars import ContextVar

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.spl.values import Fields, Value, arithmetic

_DECIMAL = re.compile(r"\s*-?(\d*)\.(\d+)\s*")
_NEARLY = 1e-12  # relative: the noise of doubles
_within_exact = ContextVar("within_exact", default=False)
_multiply = arithmetic(operator.mul)


def digits_of(written: str) -> int | None:
    """Return the significant digits of a decimal as it is written; None for all else."""
    found = _DECIMAL.fullmatch(written)
    return max(1, len((found[1] + found[2]).lstrip("0"))) if found else None


def exactly(evaluate: Callable[[Fields], Value]) -> Callable[[Fields], Value]:
    """Make a function that computes without rounding products."""

    def call(row: Fields) -> Value:
        token = _within_exact.set(True)
        try:
            return evaluate(row)
        finally:
            _within_exact.reset(token)

    return call


def product(left_digits: int | None, right_digits: int | None) -> Callable[[Value, Value], Value]:
    """Make the operator ``*`` for operands that are typed with so many digits; None for those that are not."""

    def compute(left: Value, right: Value) -> Value:
        result = _multiply(left, right)
        if isinstance(result, int | float) and not _within_exact.get():
            known = [_digits(left, left_digits), _digits(right, right_digits)]
            fewest = min((each for each in known if each is not None), default=None)
            if fewest is not None and _rounded(float(result), fewest):
                raise SearchError(
                    f"{left}*{right} is {result}, and Splunk rounds it to the digits of a decimal (3*0.5 is 2 there): "
                    "write exact(a*b), which is not rounded."
                )
        return result

    return compute


def _digits(value: Value, typed: int | None) -> int | None:
    return digits_of(value) if typed is None and isinstance(value, str) else typed


def _rounded(result: float, digits: int) -> bool:
    """Return whether rounding to so many digits, and not before the point, changes the result."""
    before = len(str(int(abs(result)))) if abs(result) >= 1 else 0
    kept = float(f"{result:.{max(digits, before)}g}")
    return abs(kept - result) > _NEARLY * abs(result)
