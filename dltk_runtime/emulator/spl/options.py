"""The options of commands, ``key=value``, by a table of accepted names.

A command states its options as a mapping from name to reader; any other is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dltk_runtime.emulator.arguments import parse_count, parse_flag
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import GAPS, Kind, Token, lex
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

Reader = Callable[[str], Any]

_OPTION = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def flag(value: str) -> bool:
    """Read t, true, 1, f, false or 0."""
    return parse_flag(value)


def whole(value: str) -> int:
    """Read a whole number that is not negative."""
    count = parse_count(value)
    if count is None:
        raise SearchInvalid(f"expected an integer, got {shown(value)}")
    return count


def natural(value: str) -> int:
    """Read a whole number of at least 1."""
    count = whole(value)
    if not count:
        raise SearchInvalid("expected a whole number of at least 1, got 0")
    return count


def split(arguments: str, readers: Mapping[str, Reader]) -> tuple[dict[str, Any], list[str]]:
    """Take the options out of `arguments`, wherever they are; return them and the other words.

    Words keep their quotes; parentheses and brackets keep words together; blanks may surround ``=``.

    Raises:
        SearchInvalid: an option is not in `readers`, is given twice, or has a value of another form.
    """
    found: dict[str, Any] = {}
    rest = []
    for word in _words(arguments):
        match = _OPTION.fullmatch(word)
        if match is None:
            rest.append(word)
            continue
        key = match[1].lower()
        if key not in readers:
            raise SearchInvalid(f"the option {key}= runs in Splunk only; here run {_names(readers)}")
        if key in found:
            raise SearchInvalid(f"the option {key}= is given twice")
        found[key] = _read(key, match[2], readers[key])
    return found, rest


def _read(key: str, written: str, reader: Reader) -> Any:
    try:
        return reader(unquote(written).replace('\\"', '"') if written[:1] == '"' else written)
    except SearchInvalid as error:
        raise SearchInvalid(f"{key}=: {error.problem}") from error


def _names(readers: Mapping[str, Reader]) -> str:
    return ", ".join(f"{name}=" for name in readers) or "none"


def _words(arguments: str) -> Iterator[str]:
    """Split at blanks and commas outside of quotes and brackets, and not beside ``=``."""
    current, depth = "", 0
    tokens = list(lex(arguments))
    for place, token in enumerate(tokens):
        depth += (token.kind is Kind.OPENING) - (token.kind is Kind.CLOSING)
        if depth < 0:
            raise SearchInvalid(f"unmatched closing bracket in {shown(arguments)}")
        if token.kind is Kind.UNCLOSED:
            raise SearchInvalid(f"unbalanced quotes, from {shown(token.text)} on")
        if depth or token.kind not in GAPS:
            current += token.text
        elif token.kind is Kind.SPACE and _beside_equals(tokens, place):
            continue
        elif current:
            yield current
            current = ""
    if depth:
        raise SearchInvalid(f"unclosed bracket in {shown(arguments)}")
    if current:
        yield current


def _beside_equals(tokens: list[Token], place: int) -> bool:
    after = tokens[place + 1].text if place + 1 < len(tokens) else ""
    before = tokens[place - 1].text if place else ""
    return "=" in (before, after)
