"""A search as commands, with those of a subpipeline inside the command that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, Token, lex

_FILLER = "\0"
# Every rule reads the same few hundred expressions of an app again.
_EXPRESSIONS_KEPT = 4096
_NAME = re.compile(r"\s*([A-Za-z]\w*)(?=\s|$)")
_MASKED = frozenset({Kind.STRING, Kind.COMMENT, Kind.MACRO, Kind.UNCLOSED})
_WORD = re.compile(r"(?<![\w$])([A-Za-z_]\w*)(?![\w$]|\s*\()")
_FILTERED = re.compile(r"\$([\w:.]+)\|s\$")
_TOKEN = re.compile(r"\$[\w:.]+(?:\|s)?\$")
_KEYWORDS = frozenset(("and", "or", "not", "xor", "like", "in", "as", "by", "true", "false", "null"))


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name in lower case, its arguments, and the commands in its brackets."""

    name: str
    arguments: str
    inner: tuple[Command, ...] = ()


@lru_cache(_EXPRESSIONS_KEPT)
def commands(search: str) -> tuple[Command, ...]:
    """Return the commands of `search`; none if its brackets are nested too deeply."""
    # A token of a view with its filter, $name|s$, is a text.
    search = _FILTERED.sub(r'"$\1$"', search)
    try:
        tokens = [token for token in lex(search) if token.kind is not Kind.COMMENT]
    except SearchInvalid:
        return ()
    return tuple(_pipeline(iter(tokens), first=not search.lstrip().startswith("|")))


def _pipeline(tokens: Iterator[Token], *, first: bool) -> Iterator[Command]:
    """Yield the commands up to the closing bracket; without a pipe in front, the first one may be a search."""
    text, inner, begins = "", tuple[Command, ...](), first
    for token in tokens:
        if token.text == "[":
            inner = tuple(_pipeline(tokens, first=True))
            text += " "
        elif token.kind is Kind.PIPE or token.text == "]":
            yield from _command(text, inner, begins=begins)
            text, inner, begins = "", (), False
            if token.text == "]":
                return
        else:
            text += token.text
    yield from _command(text, inner, begins=begins)


def _command(text: str, inner: tuple[Command, ...], *, begins: bool) -> Iterator[Command]:
    if not text.strip():
        return
    named = _NAME.match(text)
    if named is None:
        yield Command("search" if begins else "?", text.strip(), inner)
    else:
        yield Command(named[1].lower(), text[named.end() :].strip(), inner)


def everything_in(pipeline: Iterable[Command]) -> Iterator[Command]:
    """Yield the commands of a pipeline and of its subpipelines."""
    for command in pipeline:
        yield command
        yield from everything_in(command.inner)


@lru_cache(_EXPRESSIONS_KEPT)
def masked(expression: str) -> str:
    """Return the expression with blanks in place of texts, macros and a view's tokens, of the same length.

    A name in quotes, which may have dots, keeps its place with dots as underscores.
    """
    plain = _TOKEN.sub(lambda match: " " * len(match[0]), expression)
    try:
        return "".join(" " * len(token.text) if token.kind in _MASKED else _name(token) for token in lex(plain))
    except SearchInvalid:
        return ""


def _name(token: Token) -> str:
    if token.kind is not Kind.NAME:
        return token.text
    return " " + re.sub(r"\W", "_", token.text[1:-1]) + " "


def names_in(expression: str) -> list[str]:
    """Return the fields that an expression names, in order."""
    plain = masked(expression)
    found = [expression[match.start() : match.end()] for match in _WORD.finditer(plain)]
    return [name for name in found if name.lower() not in _KEYWORDS]


def name_spans(expression: str) -> list[tuple[int, int]]:
    """Return where an expression names fields."""
    found = [match.span() for match in _WORD.finditer(masked(expression))]
    return [span for span in found if expression[slice(*span)].lower() not in _KEYWORDS]


def split_at(text: str, separator: str = ",") -> list[str]:
    """Split at a character outside of quotes and brackets."""
    plain, parts, depth, begin = masked_texts(text), list[str](), 0, 0
    for at, character in enumerate(plain):
        depth += (character in "([") - (character in ")]")
        if character == separator and depth == 0:
            parts.append(text[begin:at].strip())
            begin = at + 1
    return [part for part in [*parts, text[begin:].strip()] if part]


@lru_cache(_EXPRESSIONS_KEPT)
def masked_texts(text: str) -> str:
    """Return `text` with a character that no search has in place of quoted texts and macros, of the same length."""
    try:
        return "".join(_FILLER * len(token.text) if token.kind in _MASKED else token.text for token in lex(text))
    except SearchInvalid:
        return text


def assignments(arguments: str) -> list[tuple[str, str]]:
    """Return the names and expressions of an ``eval``."""
    found = (re.match(r"\s*'?([\w.{}]+)'?\s*=(?!=)\s*(.*)", part, re.DOTALL) for part in split_at(arguments))
    return [(match[1], match[2].strip()) for match in found if match]


def literal(expression: str) -> str | None:
    """Return the value of an expression that is one text or number."""
    text = expression.strip()
    if match := re.fullmatch(r'"((?:\\.|[^"\\])*)"', text):
        return match[1]
    return text if re.fullmatch(r"-?\d+(?:\.\d+)?", text) else None


def options_of(arguments: str) -> dict[str, str]:
    """Return the ``key=value`` pairs of a command, unquoted."""
    found = re.findall(r"""(?<![\w.])(\w+)\s*=\s*("(?:\\.|[^"\\])*"|[^\s,]+)""", arguments)
    return {key: value.strip('"') for key, value in found}


def words_of(arguments: str) -> Sequence[str]:
    """Return the words of a command that are no ``key=value``."""
    plain = re.sub(r"""(?<![\w.])\w+\s*=\s*("(?:\\.|[^"\\])*"|[^\s,]+)""", " ", arguments)
    return [word.strip("\"'") for word in re.split(r"[\s,]+", plain) if word]
