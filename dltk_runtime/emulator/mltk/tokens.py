"""The arguments of a search command as tokens: words and ``key=value``, quotes kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

# A quoted piece may hold anything. Single quotes count only around a whole word, or "don't" would open one.
_QUOTED = r""""(?:\\.|[^"\\])*"|(?<![^\s,=])'[^']*'(?=[\s,=]|$)"""
_GAP = re.compile(r"[\s,]*")
_WORD = re.compile(rf"(?:{_QUOTED}|[^\s,=\"])+", re.DOTALL)
_EQUALS = re.compile(r"\s*=\s*")
_VALUE = re.compile(rf"(?:{_QUOTED}|[^\s,\"])+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One bare word, as typed."""

    text: str

    @property
    def name(self) -> str:
        """The word without one pair of quotes around it."""
        return unquote(self.text)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``key=value``; the value keeps its quotes, as the container gets it."""

    key: str
    value: str


Token = Word | Parameter


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of `text`; blanks and commas separate, and blanks may surround ``=``.

    Raises:
        SearchInvalid: a quote that is not closed, ``=`` without a name before or a value after it.
    """
    end = _skip_gap(text, 0)
    while end < len(text):
        word = _match(_WORD, text, end)
        end = word.end()
        if equals := _EQUALS.match(text, end):
            value = _match(_VALUE, text, equals.end())
            end = value.end()
            yield Parameter(unquote(word[0]), value[0])
        else:
            yield Word(word[0])
        end = _skip_gap(text, end)


def _skip_gap(text: str, start: int) -> int:
    gap = _GAP.match(text, start)
    return gap.end() if gap else start


def _match(pattern: re.Pattern[str], text: str, start: int) -> re.Match[str]:
    if match := pattern.match(text, start):
        return match
    rest = text[start:]
    if rest.startswith('"'):
        raise SearchInvalid(f"Syntax error: unbalanced quotes, from {shown(rest)} on")
    if rest.startswith("="):
        raise SearchInvalid(f"Syntax error: a name is missing before {shown(rest)}")
    raise SearchInvalid(f"Syntax error: a value is missing after {shown(text[:start][-60:])}")
