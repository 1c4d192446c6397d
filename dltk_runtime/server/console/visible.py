"""Foreign text as a page may show it."""

from __future__ import annotations

import re

# Control characters and those that turn the direction of a text, which names and logs may hold.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def seen(value: object) -> str:
    """Replace characters that cannot be seen, or that reorder others, by question marks."""
    return _UNSEEN.sub("?", str(value))
