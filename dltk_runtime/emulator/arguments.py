"""The arguments of a search command: words and ``key=value``, with their quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dltk_runtime import booleans
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import GAPS, Kind, Token, lex
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_SPACE, _EQUALS = frozenset({Kind.SPACE}), frozenset({Kind.OPERATOR})
_PARTS = frozenset(Kind) - GAPS - _EQUALS - {Kind.UNCLOSED}


@dataclass(frozen=True, slots=True)
class Word:
    """One word as typed; `end` is the position after it."""

    text: str
    end: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """The word without one pair of quotes around it."""
        return unquote(self.text)


@dataclass(frozen=True, slots=True)
class Option:
    """One ``key=value``; the value keeps its quotes, as the container receives it."""

    key: str
    value: str
    end: int = field(default=0, compare=False)

    @property
    def text(self) -> str:
        """Key and value with an equals sign between them."""
        return f"{self.key}={self.value}"


Argument = Word | Option


def parse_arguments(text: str) -> Iterator[Argument]:
    """Yield the arguments in `text`, separated by blanks and commas; blanks may surround ``=``.

    Raises:
        SearchInvalid: a quote is not closed, or ``=`` has no name before it or no value after it.
    """
    return _Reader(text).read()


def plain_words(text: str) -> list[str]:
    """Return the words in `text` without their quotes; none when it has a ``key=value``.

    Raises:
        SearchInvalid: as `parse_arguments`.
    """
    arguments = list(parse_arguments(text))
    words = [argument.name for argument in arguments if isinstance(argument, Word)]
    return words if len(words) == len(arguments) else []


def split_options(text: str, known: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """Return the ``key=value`` at the beginning of `text`, unquoted, and the rest of it.

    Raises:
        SearchInvalid: an option is not in `known`.
    """
    found: dict[str, str] = {}
    end = 0
    for argument in parse_arguments(text):
        if not isinstance(argument, Option) or not re.fullmatch(r"\w+", argument.key):
            break
        if argument.key not in known:
            names = ", ".join(f"{name}=" for name in known)
            raise SearchInvalid(f"the option {argument.key}= runs in Splunk only; here run {names or 'none'}")
        found[argument.key] = unquote(argument.value)
        end = argument.end
    rest = re.sub(r"^[\s,]+", "", text[end:]) if found else text
    return found, rest.strip()


def parse_flag(value: str) -> bool:
    """Read a yes or no in Splunk's spellings: t, true, 1, f, false, 0.

    Raises:
        SearchInvalid: it is neither.
    """
    try:
        return booleans.parse_spl(value)
    except ValueError as error:
        raise SearchInvalid(f"{shown(value)} is neither true nor false") from error


def parse_count(value: str) -> int | None:
    """Read a whole number of up to 18 digits; None for any other text."""
    return int(value) if re.fullmatch(r"[0-9]{1,18}", value) else None


class _Reader:
    """Reads arguments from the tokens of a text; of operators only the equals sign separates."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [each for token in lex(text) for each in _single(token)]
        self._next = 0

    def read(self) -> Iterator[Argument]:
        self._take(GAPS)
        while self._next < len(self._tokens):
            word, end = self._require(_PARTS), self._position
            self._take(_SPACE)
            if self._take(_EQUALS, most=1):
                self._take(_SPACE)
                yield Option(unquote(word), self._require(_PARTS | _EQUALS), self._position)
            else:
                yield Word(word, end)
            self._take(GAPS)

    @property
    def _position(self) -> int:
        return self._tokens[self._next].start if self._next < len(self._tokens) else len(self._text)

    def _take(self, kinds: frozenset[Kind], most: int | None = None) -> str:
        """Consume the next tokens of these kinds, at most `most` of them, and return their text."""
        start = self._next
        stop = len(self._tokens) if most is None else min(start + most, len(self._tokens))
        while self._next < stop and self._tokens[self._next].kind in kinds:
            self._next += 1
        return "".join(token.text for token in self._tokens[start : self._next])

    def _require(self, kinds: frozenset[Kind]) -> str:
        if text := self._take(kinds):
            return text
        before, rest = self._text[: self._position], self._text[self._position :]
        if rest.startswith('"'):
            raise SearchInvalid(f"Syntax error: unbalanced quotes, from {shown(rest)} on")
        if rest.startswith("="):
            raise SearchInvalid(f"Syntax error: a name is missing before {shown(rest)}")
        raise SearchInvalid(f"Syntax error: a value is missing after {shown(before[-60:])}")


def _single(token: Token) -> Iterator[Token]:
    """Yield ``<=`` as ``<``, part of a word, and ``=``."""
    if token.kind is not Kind.OPERATOR:
        yield token
        return
    for place, sign in enumerate(token.text, token.start):
        yield Token(Kind.OPERATOR if sign == "=" else Kind.WORD, sign, place)
