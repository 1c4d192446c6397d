"""The functions of eval and where, as a table: `expressions` and whoever extends it take the table as an argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dltk_runtime.spl.values import Value, number, text, tidy

# An argument not yet computed: if() and case() compute only what they need.
Lazy = Callable[[], Value]


@dataclass(frozen=True, slots=True)
class Function:
    """One function: how many arguments it takes (`most` None: any number), and whether it gives true or false."""

    call: Callable[..., Value]
    least: int
    most: int | None
    boolean: bool = False


def _if(condition: Lazy, yes: Lazy, no: Lazy) -> Value:
    return yes() if condition() is True else no()


def _case(*pairs: Lazy) -> Value:
    for condition, value in zip(pairs[::2], pairs[1::2], strict=False):
        if condition() is True:
            return value()
    return None


def _coalesce(*values: Lazy) -> Value:
    return next((found for value in values if (found := value()) is not None), None)


def _round(value: Lazy, digits: Lazy = lambda: 0) -> Value:
    """Halves away from zero, not to the even number as Python rounds."""
    amount, places = number(value()), number(digits())
    if amount is None or places is None:
        return None
    factor = 10.0 ** min(int(places), 15)
    rounded = math.copysign(math.floor(abs(amount) * factor + 0.5) / factor, amount)
    return tidy(rounded)


def _tonumber(value: Lazy, base: Lazy = lambda: 10) -> Value:
    written, radix = text(value()), number(base())
    if written is None or radix is None:
        return None
    if radix == 10:
        return number(written)
    try:
        return int(written, int(radix))
    except ValueError:
        return None


def _tostring(value: Lazy) -> Value:
    computed = value()
    return str(computed) if isinstance(computed, bool) else text(computed)


def _of_number(function: Callable[[float], float]) -> Callable[[Lazy], Value]:
    def call(value: Lazy) -> Value:
        amount = number(value())
        return None if amount is None else tidy(function(amount))

    return call


def _of_text(function: Callable[[str], Value]) -> Callable[[Lazy], Value]:
    def call(value: Lazy) -> Value:
        written = text(value())
        return None if written is None else function(written)

    return call


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(_of_number(abs), 1, 1),
    "case": Function(_case, 2, None),
    "coalesce": Function(_coalesce, 1, None),
    "false": Function(lambda: False, 0, 0, boolean=True),
    "floor": Function(_of_number(math.floor), 1, 1),
    "if": Function(_if, 3, 3),
    "isnotnull": Function(lambda value: value() is not None, 1, 1, boolean=True),
    "isnull": Function(lambda value: value() is None, 1, 1, boolean=True),
    "len": Function(_of_text(len), 1, 1),
    "lower": Function(_of_text(str.lower), 1, 1),
    "null": Function(lambda: None, 0, 0),
    "round": Function(_round, 1, 2),
    "tonumber": Function(_tonumber, 1, 2),
    "tostring": Function(_tostring, 1, 1),
    "true": Function(lambda: True, 0, 0, boolean=True),
    "upper": Function(_of_text(str.upper), 1, 1),
}
