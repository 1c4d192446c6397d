"""Split the text of a search at its pipes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, Token, lex
from dltk_runtime.errors import shown

_REFUSED = {
    "[": "subsearches, [ … ], do not run here. Run this search in Splunk, or save the subsearch's rows as a CSV file",
    "]": "a bracket closes that no bracket opens",
    "`": "macros, `…`, are not expanded here. Put the macro's text into the search",
    '"': "unbalanced quotes: a double quote is not closed",
    "```": "a comment, ```…```, is not closed",
}


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One command of a search as typed: its name in lower case, and what follows it."""

    name: str
    arguments: str


def split(search: str) -> list[CommandCall]:
    """The stages of `search`. Pipes in quotes do not separate; comments are dropped; the first pipe may be missing.

    Raises:
        SearchInvalid: subsearch, macro, a quote or comment without end, an empty stage.
    """
    texts = [text.strip() for text in _texts(search)]
    piped = len(texts) > 1 and not texts[0]
    texts = texts[1:] if piped else texts
    if not all(texts):
        raise SearchInvalid("the search is empty" if len(texts) == 1 else "there is no command between two pipes")
    return [_stage(text, piped=piped or number > 0) for number, text in enumerate(texts)]


def _texts(search: str) -> Iterator[str]:
    """The texts between pipes; what stands in the brackets of an appendpipe stays whole."""
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
        raise SearchInvalid("the bracket of an appendpipe is not closed")
    yield current


def _refused(token: Token, before: str, depth: int) -> str | None:
    """The opening in `_REFUSED` for a token that cannot run here, else None."""
    if token.kind in {Kind.MACRO, Kind.UNCLOSED}:
        return "```" if token.text.startswith("```") else token.text[0]
    if depth or token.text not in {"[", "]"}:
        return None
    return None if token.text == "[" and before.strip().lower() == "appendpipe" else token.text


def _stage(text: str, *, piped: bool) -> CommandCall:
    """A search that begins without a pipe and not with a word, such as ``index=main``, means the command search."""
    match = re.match(r"(\w+)(?=\s|$)\s*(.*)", text, re.DOTALL)
    if match:
        return CommandCall(match[1].lower(), match[2])
    if piped:
        raise SearchInvalid(f"no command's name begins {shown(text)}")
    return CommandCall("search", text)
