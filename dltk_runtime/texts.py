"""Small operations on text that several folders share."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LISTED = 4  # names in one line
_COLOR = re.compile(r"\x1b\[[0-9;]*+m")
# Controls (C0 but tab and line feed, DEL, C1), marks and overrides of direction, line and paragraph
# separators, invisible and deprecated format characters, halves of surrogate pairs, tags.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
REPLACEMENT = "\ufffd"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would compute


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 model``, ``1,200 models``; the plural ends in s."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(names: Iterable[str], most: int = MAX_LISTED) -> str:
    """Return the first names, sorted, and how many more there are: ``a, b and 3 more``."""
    known = sorted(names)
    rest = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + rest


def ended(sentence: str) -> str:
    """Return a sentence with its full stop, where it has no mark of its own at its end."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def unquote(value: str) -> str:
    """Remove one pair of single or double quotes around a word or value of a search."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def is_number(text: str) -> bool:
    """Return whether Python reads a float in a text, ``nan`` and ``inf`` among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def harmless_cell(text: str) -> str:
    """Return foreign text as a cell of CSV that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def printable(text: str) -> str:
    """Return foreign text as a terminal may show it.

    Colours are removed, a carriage return ends a line, and what else a terminal would act on or
    hide becomes U+FFFD.
    """
    plain = _COLOR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub(REPLACEMENT, plain)
