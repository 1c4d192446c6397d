"""What ``search`` and ``inputlookup … where`` understand: ``field=value``, AND, OR, NOT, parentheses.

OR binds before AND, as in Splunk's search command; words beside each other mean AND.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.values import Value, number, text
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

Predicate = Callable[[Mapping[str, Value]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<bracket>[()])
      | (?P<word>(?:AND|OR|NOT)(?=[\s(]))
      | (?P<field>'[^']+'|[\w.]+)\s*(?P<sign>!=|<=|>=|=|<|>)\s*(?P<value>"(?:\\.|[^"\\])*"|[^\s()"]+))""",
    re.VERBOSE,
)
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Whether a row is kept, and the value of each ``field=value`` that every kept row fulfils."""

    keeps: Predicate
    fixed: dict[str, str] = field(default_factory=dict)


def parse_filter(words: str, *, fold: bool) -> Filter:
    """Read the words; with `fold` capitals do not matter in values, as in the search command.

    Raises:
        SearchInvalid: words to look for in the raw text, wildcards, brackets that do not match.
    """
    return _Parser(words, fold).parse()


class _Parser:
    def __init__(self, words: str, fold: bool) -> None:
        self._tokens = _tokens(words)
        self._next = 0
        self._fold = fold
        self._depth = 0
        self._fixed: dict[str, str] = {}

    def parse(self) -> Filter:
        keeps = self._conjunction()
        if self._peek():
            raise SearchInvalid("a bracket closes that no bracket opens")
        return Filter(keeps, self._fixed)

    def _conjunction(self) -> Predicate:
        parts = []
        while (token := self._peek()) and token["bracket"] != ")":
            if token["word"] == "AND":
                self._next += 1
                continue
            parts.append(self._disjunction())
        return lambda row: all(part(row) for part in parts)

    def _disjunction(self) -> Predicate:
        fixed = dict(self._fixed)
        parts = [self._inversion()]
        while (token := self._peek()) and token["word"] == "OR":
            self._next += 1
            self._fixed = fixed  # what one side of an OR says holds not for every row
            parts.append(self._inversion())
            self._fixed = fixed
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _inversion(self) -> Predicate:
        token = self._take()
        if token["word"] == "NOT":
            fixed, part = dict(self._fixed), self._inversion()
            self._fixed = fixed
            return lambda row: not part(row)
        if token["bracket"] == "(":
            part = self._conjunction()
            if self._take()["bracket"] != ")":
                raise SearchInvalid("a bracket is not closed")
            return part
        if not token["field"]:
            raise SearchInvalid(f"a comparison is wanted before {shown(token[0].strip())}")
        return self._comparison(unquote(token["field"]), token["sign"], token["value"])

    def _comparison(self, name: str, sign: str, value: str) -> Predicate:
        wanted = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
        if "*" in wanted:
            raise SearchInvalid(
                f"the wildcard in {name}{sign}{value} runs in Splunk only: write the values out with OR"
            )
        if sign == "=":
            self._fixed = self._fixed | {name: wanted}
        compare, fold = _SIGNS[sign], str.lower if self._fold else str
        amount = number(wanted)

        def keeps(row: Mapping[str, Value]) -> bool:
            found = row.get(name)
            if found is None:
                return False
            if amount is not None and (have := number(found)) is not None:
                return compare(have, amount)
            return compare(fold(text(found) or ""), fold(wanted))

        return keeps

    def _peek(self) -> re.Match[str] | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> re.Match[str]:
        token = self._peek()
        if token is None:
            raise SearchInvalid("something is missing at the end: a comparison or a closing bracket")
        self._next += 1
        return token


def _tokens(words: str) -> list[re.Match[str]]:
    found, end = [], 0
    while words[end:].strip():
        token = _TOKEN.match(words, end)
        if token is None:
            raise SearchInvalid(
                f"field=value, AND, OR, NOT and parentheses alone are understood, got {shown(words[end:].strip())}; "
                "words to look for in the raw text run in Splunk only"
            )
        found.append(token)
        end = token.end()
    return found
