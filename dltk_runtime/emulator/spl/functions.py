"""The functions of eval and where, in a table that `expressions` takes as an argument."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.values import Value, number, text, tidy
from dltk_runtime.errors import shown

# Constructs of PCRE that Python's re lacks or reads differently.
_PCRE_ONLY = re.compile(r"\\[KRXhHNQEGgkp]|\(\?[|R&+\d]|\(\*|\[\[:")

# An argument that is evaluated on demand, since if() and case() evaluate one branch only.
Lazy = Callable[[], Value]


@dataclass(frozen=True, slots=True)
class Function:
    """One function with `least` to `most` arguments; None is any number."""

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
    """Round halves away from zero; Python rounds them to the even number."""
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


def pattern(written: str) -> re.Pattern[str]:
    """Compile a regular expression that PCRE and Python's re read alike.

    Raises:
        SearchInvalid: it uses constructs of PCRE only, or is not a regular expression.
    """
    if found := _PCRE_ONLY.search(written):
        raise SearchInvalid(f"the regular expression {shown(written)} uses {found[0]}, which runs in Splunk only")
    try:
        return re.compile(written)
    except re.error as error:
        raise SearchInvalid(f"the regular expression {shown(written)} cannot be read: {error}") from error


def _match(value: Lazy, regex: Lazy) -> Value:
    written, wanted = text(value()), text(regex())
    return None if written is None or wanted is None else pattern(wanted).search(written) is not None


def _replace(value: Lazy, regex: Lazy, replacement: Lazy) -> Value:
    written, wanted, new = text(value()), text(regex()), text(replacement())
    if written is None or wanted is None or new is None:
        return None
    parts = re.split(r"\\(\d)", new)  # text, number of a group, text, …
    return pattern(wanted).sub(
        lambda found: "".join((found[int(part)] or "") if turn % 2 else part for turn, part in enumerate(parts)),
        written,
    )


def _substr(value: Lazy, start: Lazy, length: Lazy | None = None) -> Value:
    """Return a substring; the first character is number 1, a negative start counts from the end."""
    written, first = text(value()), number(start())
    if written is None or first is None:
        return None
    begin = max(len(written) + int(first), 0) if first < 0 else max(int(first) - 1, 0)
    if length is None:
        return written[begin:]
    count = number(length())
    return None if count is None else written[begin : begin + max(int(count), 0)]


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
    "match": Function(_match, 2, 2, boolean=True),
    "lower": Function(_of_text(str.lower), 1, 1),
    "null": Function(lambda: None, 0, 0),
    "replace": Function(_replace, 3, 3),
    "round": Function(_round, 1, 2),
    "sha256": Function(_of_text(lambda written: hashlib.sha256(written.encode()).hexdigest()), 1, 1),
    "substr": Function(_substr, 2, 3),
    "tonumber": Function(_tonumber, 1, 2),
    "tostring": Function(_tostring, 1, 1),
    "true": Function(lambda: True, 0, 0, boolean=True),
    "upper": Function(_of_text(str.upper), 1, 1),
}
