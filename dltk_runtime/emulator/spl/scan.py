"""The arguments of commands that hold expressions: words at the outermost level, brackets and quotes kept whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dltk_runtime import booleans
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_PIECE = re.compile(
    r"""(?P<quoted>"(?:\\.|[^"\\])*"|'[^']*')|(?P<open>\()|(?P<close>\))|(?P<gap>[\s,]+)|.""", re.DOTALL
)
_OPTION = re.compile(r"(\w+)\s*=\s*(\"[^\"]*\"|[^\s,()]+)[\s,]*")


def words(text: str) -> Iterator[str]:
    """``count(eval(a=1 AND b="x, y")) AS n`` as three words.

    Raises:
        SearchInvalid: a bracket that is not closed or not opened.
    """
    depth, current = 0, ""
    for piece in _PIECE.finditer(text):
        depth += bool(piece["open"]) - bool(piece["close"])
        if depth < 0:
            raise SearchInvalid(f"a bracket closes that no bracket opens, in {shown(text)}")
        if piece["gap"] and depth == 0:
            if current:
                yield current
            current = ""
        else:
            current += piece[0]
    if depth:
        raise SearchInvalid(f"a bracket is not closed, in {shown(text)}")
    if current:
        yield current


def options(text: str, known: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The ``key=value`` at the beginning of `text`, and the rest.

    Raises:
        SearchInvalid: an option that is not in `known`.
    """
    found: dict[str, str] = {}
    rest = text.strip()
    while match := _OPTION.match(rest):
        if match[1] not in known:
            names = ", ".join(f"{name}=" for name in known)
            raise SearchInvalid(f"the option {match[1]}= runs in Splunk only; here run {names or 'none'}")
        found[match[1]] = unquote(match[2])
        rest = rest[match.end() :]
    return found, rest


def flag(value: str) -> bool:
    """A yes or no in Splunk's spellings.

    Raises:
        SearchInvalid: it is neither.
    """
    try:
        return booleans.parse_spl(value)
    except ValueError as error:
        raise SearchInvalid(f"{shown(value)} is neither true nor false") from error
