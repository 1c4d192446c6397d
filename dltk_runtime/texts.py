"""Small operations on text that several folders share."""

from __future__ import annotations


def unquote(value: str) -> str:
    """Remove one pair of single or double quotes around a word or value of a search."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
