"""The commands of a search, of those too that only Splunk runs.

The emulator refuses subsearches and unknown macros where it splits a search. Rules and rehearsals
read such searches as well, so the commands of a subsearch or appendpipe follow the command that it
belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile

from dltk_runtime.emulator.arguments import Option, parse_arguments
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, Token, lex
from dltk_runtime.names import STATUS

_GAPS = frozenset({Kind.SPACE, Kind.COMMENT})
_SEARCHES_KEPT = 512


@dataclass(frozen=True, slots=True)
class Stage:
    """One command: its name in lower case, and its arguments without comments.

    `separator` is the pipe or bracket before it, or "" at the beginning of the search. Positions
    are those of the search: `begin` of the separator, `head` after the name, `end` of the next
    separator.
    """

    name: str
    arguments: str
    separator: str
    begin: int
    head: int
    end: int


@lru_cache(_SEARCHES_KEPT)
def stages(search: str) -> tuple[Stage, ...]:
    """Return the commands of `search`; none if its brackets are nested too deeply."""
    try:
        return tuple(_stages(search))
    except SearchInvalid:
        return ()


def has_command(search: str, *names: str) -> bool:
    """Return whether one of the commands is in `search`."""
    return any(stage.name in names for stage in stages(search))


def makes_status(search: str) -> bool:
    """Return whether `search` fits `STATUS`, which trains nothing: it makes Splunk's entry for the status."""
    return any(stage.name == "fit" and option(stage.arguments, "algo") == STATUS for stage in stages(search))


def first_pipe(search: str) -> int:
    """Return the position of the first pipe outside quotes, or the length of `search`."""
    return next((token.start for token in lex(search) if token.kind is Kind.PIPE), len(search))


def option(arguments: str, key: str) -> str:
    """Return the value of ``key=value`` as typed; "" if it is missing or cannot be parsed."""
    try:
        options = [each for each in parse_arguments(arguments) if isinstance(each, Option)]
    except SearchInvalid:
        return ""
    return next((each.value for each in options if each.key == key), "")


def _stages(search: str) -> Iterator[Stage]:
    separator, begin, tokens = "", 0, list[Token]()
    for token in lex(search):
        if token.kind is Kind.PIPE or token.text in ("[", "]"):
            yield from _stage(separator, begin, tokens, token.start)
            separator, begin, tokens = token.text, token.start, []
        else:
            tokens.append(token)
    yield from _stage(separator, begin, tokens, len(search))


def _stage(separator: str, begin: int, tokens: Sequence[Token], end: int) -> Iterator[Stage]:
    """Yield the command of these tokens, unless they are blank; ``index=main`` is search."""
    content = list(dropwhile(lambda token: token.kind in _GAPS, tokens))
    if not content:
        return
    named = re.fullmatch(r"\w+", content[0].text) and (len(content) == 1 or content[1].kind in _GAPS)
    name, rest = (content[0].text, content[1:]) if named else ("search", content)
    arguments = "".join(" " if token.kind is Kind.COMMENT else token.text for token in rest)
    yield Stage(name.lower(), arguments.strip(), separator, begin, content[0].end if named else content[0].start, end)
