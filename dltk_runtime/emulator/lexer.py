"""Tokens of SPL: one pass over the text of a search or of a command's arguments.

Every parser of SPL is built on `lex`, and the grammar of eval shares its patterns of quotes. Only
macro calls are read before, because they are expanded in quotes too (`spl.macros`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import groupby

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

# Levels of brackets or operators; the parsers and the functions they compile are recursive.
MAX_NESTING = 100
MAX_KNOWN_CHARACTERS = 4096  # of a text whose tokens are kept

# A backslash escapes the character after it.
STRING = r'"(?:\\.|[^"\\])*"'
# An apostrophe beside a letter, as in "don't", is no quote.
QUOTED_NAME = r"""(?<!\w)'[^'"]+'(?!\w)"""


class Kind(StrEnum):
    """Kinds of tokens."""

    COMMENT = "comment"  # ```…```
    MACRO = "macro"  # `…`
    STRING = "string"  # "…"
    NAME = "name"  # '…', the name of a field
    UNCLOSED = "unclosed"  # an opening ```, ` or " without its end, and the rest of the text
    PIPE = "pipe"
    COMMA = "comma"
    OPENING = "opening"  # ( [
    CLOSING = "closing"  # ) ]
    OPERATOR = "operator"  # == != <= >= = < >; the arithmetic ones are part of words, as in -15m
    SPACE = "space"
    WORD = "word"


GAPS = frozenset({Kind.SPACE, Kind.COMMA})

_TOKEN = re.compile(
    rf"""(?P<comment>```.*?```)
      | (?P<macro>`[^`]+`)
      | (?P<string>{STRING})
      | (?P<name>{QUOTED_NAME})
      | (?P<unclosed>(?:```|[`"]).*)
      | (?P<pipe>\|)
      | (?P<comma>,)
      | (?P<opening>[(\[])
      | (?P<closing>[)\]])
      | (?P<operator>[=!<>]=|[=<>])
      | (?P<space>\s+)
      | (?P<word>(?:[^\s"'`|,()\[\]=<>!]+|(?<=\w)'|!(?!=))+|')""",
    re.VERBOSE | re.DOTALL,
)

_KINDS: Mapping[str | None, Kind] = {str(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Token:
    """One token as typed, and the position of its first character."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.start + len(self.text)

    @property
    def value(self) -> str:
        """The text without the quotes around it."""
        return unquote(self.text) if self.kind in {Kind.STRING, Kind.NAME} else self.text


def lex(text: str) -> Iterator[Token]:
    """Yield the tokens of `text`; joined, they are `text` again.

    Takes linear time. An opening quote without its end is a token `Kind.UNCLOSED`.

    Raises:
        SearchInvalid: brackets are nested more than `MAX_NESTING` levels deep.
    """
    yield from _known(text) if len(text) <= MAX_KNOWN_CHARACTERS else _tokens(text)


@lru_cache(maxsize=2048)
def _known(text: str) -> tuple[Token, ...]:
    """Return the tokens of a text: those of a flow's searches are asked for again and again."""
    return tuple(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = Token(_KINDS[match.lastgroup], match[0], match.start())
        depth = max(0, depth + (token.kind is Kind.OPENING) - (token.kind is Kind.CLOSING))
        if depth > MAX_NESTING:
            raise SearchInvalid(f"brackets are nested more than {MAX_NESTING} levels deep")
        yield token


def runs(text: str, gaps: Collection[Kind] = GAPS) -> Iterator[str]:
    """Split `text` at `gaps` outside quotes."""
    for is_gap, tokens in groupby(lex(text), key=lambda token: token.kind in gaps):
        if not is_gap:
            yield "".join(token.text for token in tokens)


def words(text: str) -> Iterator[str]:
    """Split `text` at blanks and commas outside quotes and parentheses.

    ``count(eval(a=1 AND b="x, y")) AS n`` are three words.

    Raises:
        SearchInvalid: a parenthesis is not closed or not opened.
    """
    depth, current = 0, ""
    for token in lex(text):
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            raise SearchInvalid(f"unmatched closing bracket in {shown(text)}")
        if depth or token.kind not in GAPS:
            current += token.text
        elif current:
            yield current
            current = ""
    if depth:
        raise SearchInvalid(f"unclosed bracket in {shown(text)}")
    if current:
        yield current
