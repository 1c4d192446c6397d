"""A search's text as stages: where the pipes are that separate commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.errors import shown

_COMMENT = "```"
_PIECE = re.compile(
    r"""(?P<comment>```.*?```)
      | (?P<quoted>"(?:\\.|[^"\\])*" | (?<!\w)'[^'"|]*(?:\|[^'"|]*)*'(?!\w))
      | (?P<pipe>\|)
      | (?P<bracket>[\[\]])
      | (?P<refused>```|[`"])
      | (?P<text>[^"'|\[\]`]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_REFUSED = {
    "[": "subsearches, [ … ], do not run here. Run this search in Splunk, or save the subsearch's rows as a CSV file",
    "]": "a bracket closes that no bracket opens",
    "`": "macros, `…`, are not expanded here. Put the macro's text into the search",
    '"': "unbalanced quotes: a double quote is not closed",
    _COMMENT: "a comment, ```…```, is not closed",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a search as typed: its name in lower case, and what follows it."""

    name: str
    arguments: str


def split(search: str) -> list[Stage]:
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
    for piece in _PIECE.finditer(search):
        if piece["refused"] or (piece["bracket"] and not depth and not _begins_pipeline(current, piece[0])):
            raise SearchInvalid(f"{_REFUSED[piece['refused'] or piece[0]]} (at {shown(search[piece.start() :])})")
        depth += {"[": 1, "]": -1}.get(piece["bracket"], 0)
        if piece["pipe"] and not depth:
            yield current
            current = ""
        else:
            current += " " if piece["comment"] else piece[0]
    if depth:
        raise SearchInvalid("the bracket of an appendpipe is not closed")
    yield current


def _begins_pipeline(text: str, bracket: str) -> bool:
    return bracket == "[" and text.strip().lower() == "appendpipe"


def _stage(text: str, *, piped: bool) -> Stage:
    """A search that begins without a pipe and not with a word, such as ``index=main``, means the command search."""
    match = re.match(r"(\w+)(?=\s|$)\s*(.*)", text, re.DOTALL)
    if match:
        return Stage(match[1].lower(), match[2])
    if piped:
        raise SearchInvalid(f"no command's name begins {shown(text)}")
    return Stage("search", text)
