"""Regular expressions that PCRE and Python's re read alike."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.errors import shown

# Constructs of PCRE that Python's re lacks or reads differently.
_PCRE_ONLY = re.compile(r"\\[KRXhHNQEGgkp]|\(\?[|R&+\d]|\(\*|\[\[:")
_NAMED = re.compile(r"\(\?<(?![=!])")


@lru_cache
def pattern(written: str) -> re.Pattern[str]:
    """Compile a regular expression; named groups may be ``(?<name>…)``.

    Raises:
        SearchInvalid: it uses constructs of PCRE only, or is not a regular expression.
    """
    if found := _PCRE_ONLY.search(written):
        raise SearchInvalid(f"the regular expression {shown(written)} uses {found[0]}, which runs in Splunk only")
    try:
        return re.compile(_NAMED.sub("(?P<", written))
    except re.error as error:
        raise SearchInvalid(f"the regular expression {shown(written)} cannot be read: {error}") from error


def check_pattern(argument: Any) -> None:
    """Compile a pattern that is written in the search, before any row is read.

    Raises:
        SearchInvalid: as `pattern`.
    """
    if argument.literal is not None:
        pattern(argument.literal)


def replaced(regex: re.Pattern[str], new: str, written: str, most: int = 0) -> str:
    """Replace matches in `written`; ``\\1`` in `new` is the first group. `most` = 0 is all of them."""
    parts = re.split(r"\\(\d)", new)  # text, number of a group, text, …

    def expand(found: re.Match[str]) -> str:
        return "".join((found[int(part)] or "") if turn % 2 else part for turn, part in enumerate(parts))

    try:
        return regex.sub(expand, written, count=most)
    except IndexError as error:
        raise SearchInvalid(f"{shown(new)} names a group that {shown(regex.pattern)} does not have") from error
