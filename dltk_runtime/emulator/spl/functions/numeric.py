"""Functions of numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.products import exactly
from dltk_runtime.emulator.spl.values import Fields, Value, number, text, tidy

_DIGITS_OF_A_DOUBLE = 15
_LEAST_WITHOUT_HALVES = 2.0**52  # doubles from here on are whole numbers
_RANDOM_NUMBERS = 2**31


def _of_numbers(function: Callable[..., float]) -> Callable[..., Value]:
    """Make a function that is null for what is no number, and where it has no value."""

    def call(*values: Value) -> Value:
        amounts = [number(value) for value in values]
        if None in amounts:
            return None
        try:
            return tidy(function(*amounts))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return call


def _round(value: Value, digits: Value = 0) -> Value:
    """Round halves up, of the number times a power of ten as a double; the result has the decimals asked for.

    So round(-4.5) is -4, and round(16.275,2) is 16.27, as people have seen in Splunk; the manual says neither.
    """
    amount, places = number(value), number(digits)
    if amount is None or places is None:
        return None
    places = min(int(places), _DIGITS_OF_A_DOUBLE)
    scaled = amount * 10**places if places >= 0 else amount / 10**-places
    if not math.isfinite(scaled):
        return None
    whole = math.floor(scaled + 0.5) if abs(scaled) < _LEAST_WITHOUT_HALVES else int(scaled)
    return f"{Decimal(whole).scaleb(-places):f}" if places > 0 else whole * 10**-places


def _bind_exact(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
    evaluate = exactly(arguments[0].evaluate)

    def compute(row: Fields) -> Value:
        value = number(evaluate(row))
        return None if value is None else tidy(value)

    return compute


def _pow(base: float, exponent: float) -> float:
    if base != int(base) or exponent != int(exponent) or exponent < 0:
        raise SearchError(
            "pow() of decimals runs in Splunk only, since Splunk rounds it by the digits of the base: "
            "write exp(y*ln(x)) instead"
        )
    return math.pow(base, exponent)


def _log(value: float, base: float = 10) -> float:
    return math.log10(value) if base == 10 else math.log(value, base)


def _bind_extreme(choose: Callable[..., Any]) -> Callable[[Sequence[Any]], Callable[[Fields], Value]]:
    """Bind min() or max(): numbers are below text, and a quoted text is text."""

    def bind(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
        parts = [(each.evaluate, each.literal is not None) for each in arguments]

        def evaluate(row: Fields) -> Value:
            values = [(value, quoted) for part, quoted in parts if (value := part(row)) is not None]
            return choose(values, key=_rank)[0] if values else None

        return evaluate

    return bind


def _rank(pair: tuple[Value, bool]) -> tuple[int, float, str]:
    value, quoted = pair
    amount = None if quoted else number(value)
    return (1, 0.0, text(value) or "") if amount is None else (0, amount, "")


def _nothing(*_: Value) -> Value:
    return None


def _one(name: str, function: Callable[[float], float]) -> Function:
    return Function(_of_numbers(function), 1, 1, kinds="n", form=f"{name}(number)")


NUMERIC: Mapping[str, Function] = {
    "abs": _one("abs", abs),
    "acos": _one("acos", math.acos),
    "acosh": _one("acosh", math.acosh),
    "asin": _one("asin", math.asin),
    "asinh": _one("asinh", math.asinh),
    "atan": _one("atan", math.atan),
    "atan2": Function(_of_numbers(math.atan2), 2, 2, kinds="n", form="atan2(number, number)"),
    "atanh": _one("atanh", math.atanh),
    "ceil": _one("ceil", math.ceil),
    "ceiling": _one("ceiling", math.ceil),
    "cos": _one("cos", math.cos),
    "cosh": _one("cosh", math.cosh),
    "exact": Function(_nothing, 1, 1, kinds="n", bound=_bind_exact, form="exact(number)"),
    "exp": _one("exp", math.exp),
    "floor": _one("floor", math.floor),
    "hypot": Function(_of_numbers(math.hypot), 2, 2, kinds="n", form="hypot(number, number)"),
    "ln": _one("ln", math.log),
    "log": Function(_of_numbers(_log), 1, 2, kinds="n", form="log(number[, base])"),
    "max": Function(_nothing, 1, None, kinds="v", nulls=True, bound=_bind_extreme(max), form="max(value, …)"),
    "min": Function(_nothing, 1, None, kinds="v", nulls=True, bound=_bind_extreme(min), form="min(value, …)"),
    "pi": Function(lambda: math.pi, 0, 0, form="pi()"),
    "pow": Function(_of_numbers(_pow), 2, 2, kinds="n", form="pow(whole number, whole number)"),
    "random": Function(lambda: random.randrange(_RANDOM_NUMBERS), 0, 0, form="random()"),  # noqa: S311
    "round": Function(_round, 1, 2, kinds="n", form="round(number[, decimals])"),
    "sin": _one("sin", math.sin),
    "sinh": _one("sinh", math.sinh),
    "sqrt": _one("sqrt", math.sqrt),
    "tan": _one("tan", math.tan),
    "tanh": _one("tanh", math.tanh),
}
