"""Conditions of ``search`` and ``inputlookup … where``: ``field=value``, AND, OR, NOT, parentheses.

OR binds before AND, as in Splunk's search command; conditions beside each other are joined by AND.
A value may have wildcards or be a network, ``field IN (…)`` is one of several values. Of a field
with several values one must match.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, Token, lex, runs
from dltk_runtime.emulator.spl.values import Fields, Value, number, text, values_of
from dltk_runtime.errors import shown

Predicate = Callable[[Fields], bool]

_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Parts of a value without quotes; one with a blank or a parenthesis in it is not a value.
_VALUE = frozenset(Kind) - {Kind.SPACE, Kind.STRING, Kind.UNCLOSED}


@dataclass(frozen=True, slots=True)
class Filter:
    """A predicate over rows, and the ``field=value`` that hold for every row that it keeps."""

    keeps: Predicate
    fixed: dict[str, str] = field(default_factory=dict)


def parse_filter(words: str, *, fold: bool) -> Filter:
    """Parse conditions; with `fold` values are compared without regard to case, as search does.

    Raises:
        SearchInvalid: words to look for in the raw text, wildcards, unbalanced parentheses.
    """
    return _Parser(words, fold).parse()


@dataclass(frozen=True, slots=True)
class _Comparison:
    name: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class _Membership:
    name: str
    values: tuple[str, ...]


# A parenthesis, AND, OR, NOT, a comparison, or an IN.
_Item = str | _Comparison | _Membership


class _Parser:
    def __init__(self, words: str, fold: bool) -> None:
        self._items = _items(words)
        self._next = 0
        self._fold_case: Callable[[str], str] = str.lower if fold else str

    def parse(self) -> Filter:
        found = self._conjunction()
        if self._peek() is not None:
            raise SearchInvalid("unmatched closing bracket")
        return found

    def _conjunction(self) -> Filter:
        parts = []
        while self._peek() not in {None, ")"}:
            if not self._skip("AND"):
                parts.append(self._disjunction())
        fixed = {name: value for part in parts for name, value in part.fixed.items()}
        return Filter(lambda row: all(part.keeps(row) for part in parts), fixed)

    def _disjunction(self) -> Filter:
        parts = [self._inversion()]
        while self._skip("OR"):
            parts.append(self._inversion())
        # A comparison on one side of an OR does not hold for every row.
        return parts[0] if len(parts) == 1 else Filter(lambda row: any(part.keeps(row) for part in parts))

    def _inversion(self) -> Filter:
        inversions = 0
        while self._skip("NOT"):
            inversions += 1
        part = self._condition()
        if not inversions:
            return part
        return Filter(part.keeps if inversions % 2 == 0 else lambda row: not part.keeps(row))

    def _condition(self) -> Filter:
        item = self._take()
        if isinstance(item, _Comparison):
            return _compile(item, self._fold_case)
        if isinstance(item, _Membership):
            parts = [_compile(_Comparison(item.name, "=", value), self._fold_case) for value in item.values]
            return Filter(lambda row: any(part.keeps(row) for part in parts))
        if item == "*":
            return Filter(lambda _: True)
        if item != "(":
            raise SearchInvalid(f"expected a comparison before {shown(item)}")
        part = self._conjunction()
        if self._take() != ")":
            raise SearchInvalid("unclosed bracket")
        return part

    def _peek(self) -> _Item | None:
        return self._items[self._next] if self._next < len(self._items) else None

    def _skip(self, item: str) -> bool:
        found = self._peek() == item
        self._next += found
        return found

    def _take(self) -> _Item:
        item = self._peek()
        if item is None:
            raise SearchInvalid("expected a comparison or a closing bracket at the end")
        self._next += 1
        return item


def _compile(comparison: _Comparison, fold: Callable[[str], str]) -> Filter:
    name, sign = comparison.name, comparison.sign
    wanted = re.sub(r"\\(.)", r"\1", comparison.value[1:-1]) if comparison.value[:1] == '"' else comparison.value
    test = _test(sign, wanted, fold)

    def keeps(row: Fields) -> bool:
        return any(test(value) for value in values_of(row.get(name)))

    return Filter(keeps, {name: wanted} if sign == "=" and "*" not in wanted else {})


def _test(sign: str, wanted: str, fold: Callable[[str], str]) -> Callable[[Value], bool]:
    """Return the test of one value."""
    compare, amount = _SIGNS[sign], number(wanted)
    if "*" in wanted:
        if sign not in {"=", "!="}:
            raise SearchInvalid(f"the wildcard in {shown(wanted)} is for = and != alone")
        pattern = re.compile(".*".join(map(re.escape, fold(wanted).split("*"))), re.DOTALL)
        return lambda found: (pattern.fullmatch(fold(text(found) or "")) is not None) is (sign == "=")
    network = _network(wanted) if sign in {"=", "!="} else None
    if network is not None:
        return lambda found: _inside(network, text(found) or "") is (sign == "=")

    def test(found: Value) -> bool:
        if amount is not None and (have := number(found)) is not None:
            return compare(have, amount)
        return compare(fold(text(found) or ""), fold(wanted))

    return test


def _network(wanted: str) -> ipaddress.IPv4Network | None:
    if not re.fullmatch(r"\d+(?:\.\d+){3}/\d+", wanted):
        return None
    try:
        return ipaddress.IPv4Network(wanted, strict=False)
    except ValueError:
        return None


def _inside(network: ipaddress.IPv4Network, found: str) -> bool:
    try:
        return ipaddress.IPv4Address(found) in network
    except ValueError:
        return found == str(network)


def _items(words: str) -> list[_Item]:
    tokens, found, place = list(lex(words)), list[_Item](), 0
    while (place := _without_space(tokens, place)) < len(tokens):
        item, after = _item(tokens, place)
        if item is None:
            raise SearchInvalid(
                "field=value, field IN (…), AND, OR, NOT and parentheses alone are understood, "
                f"got {shown(words[tokens[place].start :].strip())}; "
                "words to look for in the raw text run in Splunk only"
            )
        found.append(item)
        place = after
    return found


def _item(tokens: Sequence[Token], place: int) -> tuple[_Item | None, int]:
    """Return the item that starts at index `place`, None for other text, and the index after it."""
    first = tokens[place].text
    if first in {"(", ")", "*"}:
        return first, place + 1
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    if first in {"AND", "OR", "NOT"} and after and (after.kind is Kind.SPACE or after.text == "("):
        return first, place + 1
    return _membership(tokens, place) or _comparison(tokens, place)


def _membership(tokens: Sequence[Token], place: int) -> tuple[_Membership, int] | None:
    """Return ``field IN (a, b)`` and the index after it, or None for other text."""
    name, word = tokens[place], _without_space(tokens, place + 1)
    opening = _without_space(tokens, word + 1)
    if opening >= len(tokens) or tokens[word].text.upper() != "IN" or tokens[opening].text != "(":
        return None
    closing = next((at for at in range(opening, len(tokens)) if tokens[at].text == ")"), None)
    if closing is None:
        raise SearchInvalid("unclosed bracket")
    values = tuple(runs("".join(token.text for token in tokens[opening + 1 : closing])))
    if not values or any(re.search(r"[\s()=<>]", value) and value[:1] != '"' for value in values):
        raise SearchInvalid(f"expected values after {name.value} IN, as in {name.value} IN (a, b)")
    return _Membership(name.value, values), closing + 1


def _comparison(tokens: Sequence[Token], place: int) -> tuple[_Comparison | None, int]:
    name, sign = tokens[place], _without_space(tokens, place + 1)
    is_name = name.kind is Kind.NAME or re.fullmatch(r"[\w.]+", name.text)
    if not is_name or sign == len(tokens) or tokens[sign].kind is not Kind.OPERATOR:
        return None, place
    # A second equals sign belongs to the value.
    operator_ = "=" if tokens[sign].text == "==" else tokens[sign].text
    value = tokens[sign].text[len(operator_) :]
    place = sign + 1 if value else _without_space(tokens, sign + 1)
    if not value and place < len(tokens) and tokens[place].kind is Kind.STRING:
        return _Comparison(name.value, operator_, tokens[place].text), place + 1
    while place < len(tokens) and tokens[place].kind in _VALUE and tokens[place].text not in {"(", ")"}:
        value += tokens[place].text
        place += 1
    return (None if not value or re.search(r"[\s()]", value) else _Comparison(name.value, operator_, value)), place


def _without_space(tokens: Sequence[Token], place: int) -> int:
    """Return the index of the first token from `place` on that is not blank."""
    while place < len(tokens) and tokens[place].kind is Kind.SPACE:
        place += 1
    return place
