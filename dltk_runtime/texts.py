"""Small operations on text that several folders share."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Collection, Iterator
from typing import Any

MASK = "[secret]"
MIN_SECRET_CHARACTERS = 4  # a shorter one is part of ordinary text, and is not looked for
MAX_NESTED_TEXTS = 3  # a cell of CSV in a JSON string in a log line
MIN_LINE_CHARACTERS = 8  # of a line of a secret of several lines that is looked for by itself
MIN_ENCODED_CHARACTERS = 8  # of a part of an encoded secret that is looked for
_COLOR = re.compile(r"\x1b\[[0-9;]*+m")
# Controls (C0 but tab and line feed, DEL, C1), marks and overrides of direction, line and paragraph
# separators, invisible and deprecated format characters, halves of surrogate pairs, tags.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
REPLACEMENT = "\ufffd"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 model``, ``1,200 models``; the plural ends in s."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def unquote(value: str) -> str:
    """Remove one pair of single or double quotes around a word or value of a search."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


class Scrubber:
    """Replaces secrets in text by `MASK`, in each form in which programs usually write them.

    These are the text itself, the longer lines of one of several lines, the escaped forms of JSON,
    Python, CSV, HTML and URLs, hexadecimal digits, and base64 also as part of a longer text.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS for form in _forms(secret)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._bytes = [form.encode("utf-8", "surrogatepass") for form in self._forms]
        self._firsts = frozenset(form[0] for form in self._bytes)

    def __bool__(self) -> bool:
        return bool(self._forms)

    @property
    def longest(self) -> int:
        """The length of the longest form in bytes."""
        return max(map(len, self._bytes), default=0)

    def text(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def data(self, data: bytes) -> bytes:
        """Replace secrets in UTF-8 text."""
        for form in self._bytes:
            if form in data:
                data = data.replace(form, MASK.encode())
        return data

    def value(self, value: Any) -> Any:
        """Copy a structure of dicts and lists without its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return type(value)({self.text(str(key)): self.value(item) for key, item in value.items()})
        return value

    def unfinished(self, data: bytes) -> int:
        """Return how many bytes at the end of `data` may be the beginning of a secret."""
        for length in range(min(len(data), self.longest - 1), 0, -1):
            if data[-length] in self._firsts:
                end = data[-length:]
                if any(form.startswith(end) for form in self._bytes):
                    return length
        return 0


def _forms(secret: str) -> Iterator[str]:
    """Yield each form of a secret and of its longer lines, also within further texts."""
    lines = [line for line in secret.splitlines() if len(line) >= MIN_LINE_CHARACTERS] if "\n" in secret else []
    for text in (secret, *lines):
        written = set(_written(text))
        for _ in range(MAX_NESTED_TEXTS):
            written |= {wrapped for form in written for wrapped in _wrapped(form)}
        yield from written


def _written(text: str) -> Iterator[str]:
    """Yield a text as programs write it."""
    data = text.encode("utf-8", "replace")
    yield from (text, ascii(text)[1:-1], repr(data)[2:-1])
    yield from (urllib.parse.quote(text, safe=""), urllib.parse.quote(text), urllib.parse.quote_plus(text))
    yield from (html.escape(text), html.escape(text, quote=False))
    yield from (data.hex(), data.hex().upper(), data.hex(" "), data.hex(":"))
    yield from _in_base64(data)


def _wrapped(text: str) -> Iterator[str]:
    """Yield a text as it is written within JSON, CSV or a Python literal."""
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (text.replace('"', '""'), repr(text)[1:-1])


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the parts of base64 that only `data` decides, wherever it begins in a longer text."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        first = -(-before * 8 // 6)  # characters in which a bit comes from before
        last = len(encoded) if not (before + len(data)) % 3 else -4 + (before + len(data)) % 3
        part = encoded[first:last]
        if len(part) >= MIN_ENCODED_CHARACTERS:
            yield from (part, part.replace("+", "-").replace("/", "_"))


def printable(text: str) -> str:
    """Return foreign text as a terminal may show it.

    Colours are removed, a carriage return ends a line, and what else a terminal would act on or
    hide becomes U+FFFD.
    """
    plain = _COLOR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub(REPLACEMENT, plain)
