"""Split the text of a search at its pipes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, Token, lex
from dltk_runtime.emulator.spl.refused import REFUSED
from dltk_runtime.errors import shown

_REFUSED = {
    "[": "subsearches, [ … ], run here after append, appendcols, appendpipe and foreach alone. "
    "Run this search in Splunk, or save the subsearch's rows as a CSV file",
    "]": "unmatched closing bracket",
    "`": "macros, `…`, are not expanded here. Put the macro's text into the search",
    '"': "unbalanced quotes: a double quote is not closed",
    "```": "unclosed comment, ```…```",
}


# Commands with a pipeline in brackets; those of `REFUSED` have a reason of their own.
_WITH_BRACKETS = frozenset({"append", "appendcols", "appendpipe", "foreach"})


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One command of a search: its name in lower case and its arguments as typed."""

    name: str
    arguments: str


def split(search: str) -> list[CommandCall]:
    """Split `search` at its pipes into commands.

    Pipes in quotes do not separate; comments are removed; the first pipe may be missing.

    Raises:
        SearchInvalid: a subsearch, a macro, an unclosed quote or comment, a missing command.
    """
    texts = [text.strip() for text in _texts(search)]
    piped = len(texts) > 1 and not texts[0]
    texts = texts[1:] if piped else texts
    if not all(texts):
        raise SearchInvalid("the search is empty" if len(texts) == 1 else "there is no command between two pipes")
    return [_stage(text, piped=piped or number > 0) for number, text in enumerate(texts)]


def _texts(search: str) -> Iterator[str]:
    """Yield the texts between pipes; a pipeline in brackets stays whole."""
    current, depth = "", 0
    for token in lex(search):
        if refused := _refused(token, current, depth):
            raise SearchInvalid(f"{_REFUSED[refused]} (at {shown(search[token.start :])})")
        depth += (token.text == "[") - (token.text == "]")
        if token.kind is Kind.PIPE and not depth:
            yield current
            current = ""
        else:
            current += " " if token.kind is Kind.COMMENT else token.text
    if depth:
        raise SearchInvalid("unclosed bracket of a pipeline in brackets")
    yield current


def _refused(token: Token, before: str, depth: int) -> str | None:
    """Return the key in `_REFUSED` of a token that cannot run here, else None."""
    if token.kind in {Kind.MACRO, Kind.UNCLOSED}:
        return "```" if token.text.startswith("```") else token.text[0]
    if depth or token.text not in {"[", "]"}:
        return None
    command = re.match(r"\s*(\w*)", before)
    name = command[1].lower() if command else ""
    brackets = name in _WITH_BRACKETS or name in REFUSED
    return None if token.text == "[" and brackets else token.text


def _stage(text: str, *, piped: bool) -> CommandCall:
    """Read the name of a command; without one, as in ``index=main``, it is search."""
    match = re.match(r"(\w+)(?=\s|$)\s*(.*)", text, re.DOTALL)
    if match:
        return CommandCall(match[1].lower(), match[2])
    if piped:
        raise SearchInvalid(f"expected the name of a command, got {shown(text)}")
    return CommandCall("search", text)
