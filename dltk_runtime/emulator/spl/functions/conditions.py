"""Functions that choose between values, or answer about them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.functions.function import Function, Lazy
from dltk_runtime.emulator.spl.functions.patterns import check_pattern, pattern
from dltk_runtime.emulator.spl.values import Fields, Multi, Value, comparison, number, text


def _if(condition: Lazy, yes: Lazy, no: Lazy) -> Value:
    return yes() if condition() is True else no()


def _case(*pairs: Lazy) -> Value:
    for condition, value in zip(pairs[::2], pairs[1::2], strict=True):
        if condition() is True:
            return value()
    return None


def _validate(*pairs: Lazy) -> Value:
    for condition, value in zip(pairs[::2], pairs[1::2], strict=True):
        if condition() is not True:
            return value()
    return None


def _coalesce(*values: Lazy) -> Value:
    return next((found for value in values if (found := value()) is not None), None)


def _nullif(value: Value, other: Value) -> Value:
    return None if comparison(lambda left, right: left == right)(value, other) is True else value


def _in(value: Value, *others: Value) -> Value:
    if value is None:
        return None
    same = comparison(lambda left, right: left == right)
    return any(same(value, other) is True for other in others)


@lru_cache
def _like_pattern(written: str) -> re.Pattern[str]:
    parts = (".*" if part == "%" else "." if part == "_" else re.escape(part) for part in re.split("([%_])", written))
    return re.compile("".join(parts), re.DOTALL)


def _like(value: Value, wanted: Value) -> Value:
    return _like_pattern(text(wanted) or "").fullmatch(text(value) or "") is not None


def _match(value: Value, regex: Value) -> Value:
    return pattern(text(regex) or "").search(text(value) or "") is not None


def _cidrmatch(network: Value, address: Value) -> Value:
    try:
        return ipaddress.ip_address(text(address) or "") in _network(text(network) or "")
    except (ValueError, TypeError):
        return False


@lru_cache
def _network(written: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(written, strict=False)


def _typeof(value: Value) -> Value:
    if value is None:
        return "Invalid"
    if isinstance(value, Multi):
        return "Multivalue"
    if isinstance(value, bool):
        return "Bool"
    return "String" if number(value) is None else "Number"


def _bind_type(answers: Callable[[Value], bool]) -> Callable[[Sequence[Any]], Callable[[Fields], Value]]:
    """Bind a question about the type: a quoted text is text, also if it looks like a number."""

    def bind(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
        (argument,) = arguments
        if argument.literal is not None:
            return lambda _: answers("text")
        return lambda row: answers(argument.evaluate(row))

    return bind


def _bind_typeof(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
    (argument,) = arguments
    if argument.literal is not None:
        return lambda _: "String"
    return lambda row: _typeof(argument.evaluate(row))


def _is_integer(value: Value) -> bool:
    amount = number(value)
    return amount is not None and amount == int(amount)


def _bind_searchmatch(arguments: Sequence[Any]) -> Callable[[Fields], Value]:
    from dltk_runtime.emulator.spl.filters import parse_filter

    return parse_filter(arguments[0].literal, fold=True).keeps


def _check_network(arguments: Sequence[Any]) -> None:
    written = arguments[0].literal
    try:
        _network(written or "0.0.0.0/0")
    except ValueError as error:
        raise SearchInvalid(f"cidrmatch() wants a network such as 10.0.0.0/8, got {written!r}") from error


def _nothing(*_: Value) -> Value:
    return None


CONDITIONS: Mapping[str, Function] = {
    "case": Function(_case, 2, None, kinds="bv*", lazy=True, form="case(condition, value, …)"),
    "cidrmatch": Function(
        _cidrmatch, 2, 2, boolean=True, kinds="tt", form="cidrmatch(network, ip)", check=_check_network
    ),
    "coalesce": Function(_coalesce, 1, None, kinds="v", lazy=True, form="coalesce(value, …)"),
    "false": Function(lambda: False, 0, 0, boolean=True, form="false()"),
    "if": Function(_if, 3, 3, kinds="bvv", lazy=True, form="if(condition, value, value)"),
    "in": Function(
        _in, 2, None, boolean=True, kinds="v", nulls=True, form="in(field, value, …) or field IN (value, …)"
    ),
    "isbool": Function(
        lambda value: isinstance(value, bool), 1, 1, boolean=True, nulls=True, several=True, form="isbool(value)"
    ),
    "isint": Function(_nothing, 1, 1, boolean=True, kinds="v", bound=_bind_type(_is_integer), form="isint(value)"),
    "isnotnull": Function(
        lambda value: value is not None, 1, 1, boolean=True, nulls=True, several=True, form="isnotnull(value)"
    ),
    "isnull": Function(lambda value: value is None, 1, 1, boolean=True, nulls=True, several=True, form="isnull(value)"),
    "isnum": Function(
        _nothing,
        1,
        1,
        boolean=True,
        kinds="v",
        bound=_bind_type(lambda value: number(value) is not None),
        form="isnum(value)",
    ),
    "isstr": Function(
        _nothing,
        1,
        1,
        boolean=True,
        kinds="v",
        bound=_bind_type(lambda value: value is not None and number(value) is None),
        form="isstr(value)",
    ),
    "like": Function(_like, 2, 2, boolean=True, kinds="vt", form="like(text, pattern) or text LIKE pattern"),
    "match": Function(
        _match, 2, 2, boolean=True, kinds="vt", form="match(text, regex)", check=lambda given: check_pattern(given[1])
    ),
    "null": Function(lambda: None, 0, 0, form="null()"),
    "nullif": Function(_nullif, 2, 2, kinds="v", nulls=True, form="nullif(value, value)"),
    "searchmatch": Function(
        _nothing, 1, 1, boolean=True, kinds="l", bound=_bind_searchmatch, form='searchmatch("field=value …")'
    ),
    "true": Function(lambda: True, 0, 0, boolean=True, form="true()"),
    "typeof": Function(_typeof, 1, 1, nulls=True, several=True, bound=_bind_typeof, form="typeof(value)"),
    "validate": Function(_validate, 2, None, kinds="bv*", lazy=True, form="validate(condition, value, …)"),
}
