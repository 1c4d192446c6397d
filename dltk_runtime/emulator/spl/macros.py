"""Macros: `` `name` `` and `` `name(a,b)` `` in a search's text, put in before anything else reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.errors import nearest, shown

# Comments are three backquotes; what stands in them is no macro.
_CALL = re.compile(r"(?P<comment>```.*?```)|`(?P<name>[^`(]+?)(?:\((?P<arguments>[^`]*)\))?`", re.DOTALL)
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Macro:
    """A definition; ``$argument$`` in it stands for what a call gives."""

    arguments: tuple[str, ...]
    definition: str


def expand(search: str, macros: Mapping[str, Macro], *, unknown: str = "refuse") -> str:
    """`search` with every macro put in, those inside of macros too. `unknown` ones are refused or, with ``keep``, stay.

    Raises:
        SearchInvalid: no such macro, another number of arguments, or one that leads back to itself.
    """
    for _ in range(_DEEPEST):
        expanded = _CALL.sub(lambda call: _put_in(call, macros, unknown), search)
        if expanded == search:
            return search
        search = expanded
    raise SearchInvalid(f"macros lead back to themselves: after {_DEEPEST} rounds there is still {shown(search[:200])}")


def _put_in(call: re.Match[str], macros: Mapping[str, Macro], unknown: str) -> str:
    if call["comment"]:
        return call[0]
    given = _arguments(call["arguments"])
    name = call["name"].strip() + (f"({len(given)})" if given else "")
    macro = macros.get(name)
    if macro is None:
        if unknown == "keep":
            return call[0]
        raise SearchInvalid(f"the macro {shown(name)} is none of those there are.{nearest(name, macros)}")
    text = macro.definition
    for argument, value in zip(macro.arguments, given, strict=False):
        text = text.replace(f"${argument}$", value)
    return text


def _arguments(text: str | None) -> list[str]:
    """Split at commas outside of quotes; the quotes around an argument are not part of it."""
    if text is None:
        return []
    pieces = re.findall(r'\s*("(?:\\.|[^"\\])*"|[^,]*)\s*(?:,|$)', text)
    pieces = pieces[:-1] if pieces and pieces[-1] == "" and not text.rstrip().endswith(",") else pieces
    return [piece[1:-1] if piece[:1] == piece[-1:] == '"' and len(piece) > 1 else piece.strip() for piece in pieces]
