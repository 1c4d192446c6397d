"""Expand macros, `` `name` `` and `` `name(a,b)` ``, before any other parser reads the search."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import STRING, Kind, lex
from dltk_runtime.errors import nearest, shown

# A comment is enclosed in three backquotes; macros in it are not expanded.
_CALL = re.compile(r"(?P<comment>```.*?```)|`(?P<name>[^`(]+?)(?:\((?P<arguments>[^`]*)\))?`", re.DOTALL)
_MAX_ROUNDS = 50
_MAX_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Macro:
    """A definition, in which ``$argument$`` stands for the argument of a call."""

    arguments: tuple[str, ...]
    definition: str


def expand(search: str, macros: Mapping[str, Macro], *, unknown: str = "refuse") -> str:
    """Replace each macro call in `search` by its definition, also in definitions.

    Calls of unknown macros raise an error or, with `unknown` = ``keep``, stay as they are.

    Raises:
        SearchInvalid: a macro is unknown, has another number of arguments, or calls itself.
    """
    for _ in range(_MAX_ROUNDS):
        expanded = "".join(_expanded_once(search, macros, unknown))
        if expanded == search:
            return search
        search = expanded
    raise SearchInvalid(f"recursive macros: after {_MAX_ROUNDS} rounds the search is still {shown(search[:200])}")


def called(search: str) -> set[str]:
    """Return the names of the macros that `search` itself calls, without arguments and outside comments."""
    return {call["name"].strip() for call in _CALL.finditer(search) if not call["comment"]}


def _expanded_once(search: str, macros: Mapping[str, Macro], unknown: str) -> Iterator[str]:
    """Yield the pieces of `search` with each call replaced, but no calls in definitions."""
    end = length = 0
    for call in _CALL.finditer(search):
        definition = _expand_call(call, macros, unknown)
        length += call.start() - end + len(definition)
        if length > _MAX_CHARACTERS:
            raise SearchInvalid(f"macros expand the search to more than {_MAX_CHARACTERS:,} characters")
        yield search[end : call.start()]
        yield definition
        end = call.end()
    yield search[end:]


def _expand_call(call: re.Match[str], macros: Mapping[str, Macro], unknown: str) -> str:
    if call["comment"]:
        return call[0]
    given = _arguments(call["arguments"])
    name = call["name"].strip() + (f"({len(given)})" if given else "")
    macro = macros.get(name)
    if macro is None:
        if unknown == "keep":
            return call[0]
        raise SearchInvalid(f"unknown macro {shown(name)}.{nearest(name, macros)}")
    text = macro.definition
    for argument, value in zip(macro.arguments, given, strict=False):
        text = text.replace(f"${argument}$", value)
    return text


def _arguments(text: str | None) -> list[str]:
    """Split at commas outside quotes; the quotes around an argument are not part of it."""
    if not text or not text.strip():
        return []
    commas = [token.start for token in lex(text) if token.kind is Kind.COMMA]
    begins, ends = [0, *(comma + 1 for comma in commas)], [*commas, len(text)]
    return [_without_quotes(text[begin:end].strip()) for begin, end in zip(begins, ends, strict=True)]


def _without_quotes(argument: str) -> str:
    return argument[1:-1] if re.fullmatch(STRING, argument, re.DOTALL) else argument
