"""The forms in which programs write a secret: the one list of them.

| form | as |
|---|---|
| the text itself, and each longer line of a text of several lines | |
| JSON, CSV, Python literals | also within each other: a cell of CSV in a JSON string in a log line |
| JSON of other programs | with ``\\/``, and ``<``, ``>``, ``&``, ``'`` and ``=`` by number |
| shells, SQL, YAML, quoted-printable | |
| URLs and forms, HTML, XML | with capital and small hexadecimal digits; quotes by name and by number; also of JSON |
| hexadecimal digits | alone, or with a blank or a colon between bytes |
| base64, also for URLs and in a URL | wherever it begins in a longer text (Basic), also of JSON, also twice |
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import quopri
import re
import urllib.parse
from collections.abc import Iterator

MAX_NESTED_TEXTS = 3  # a cell of CSV in a JSON string in a log line
MIN_LINE_CHARACTERS = 8  # of a line of a secret of several lines that is looked for by itself
MIN_ENCODED_CHARACTERS = 6  # of base64 that a secret alone decides; of less, each possible neighbour is listed
_HEX = re.compile("%[0-9A-F]{2}")
_ESCAPE = re.compile(r"(\\[xuU])([0-9a-f]{2,8})")
_BOTH_QUOTES = "\"'"  # a literal of Python with both has the single ones escaped
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def forms_of(secret: str) -> set[str]:
    """Return each form of a secret and of its longer lines, also within further texts."""
    lines = [line for line in secret.splitlines() if len(line) >= MIN_LINE_CHARACTERS] if "\n" in secret else []
    found: set[str] = set()
    for text in (secret, *lines):
        found |= _nested(set(_written(text)) | set(_encoded(text)))
    return found


def _nested(written: set[str]) -> set[str]:
    """Return forms, and what becomes of them within JSON, CSV and Python literals, several times."""
    new = written
    for _ in range(MAX_NESTED_TEXTS):
        new = {wrapped for form in new for wrapped in _wrapped(form)} - written
        written = written | new
    return written


def _written(text: str) -> Iterator[str]:
    """Yield a text as programs write it."""
    data = text.encode("utf-8", "replace")
    yield from (text, repr(data)[2:-1], repr(_BOTH_QUOTES.encode() + data)[len(repr(_BOTH_QUOTES)) :][:-1])
    yield from (text.encode("ascii", each).decode() for each in ("backslashreplace", "xmlcharrefreplace"))
    yield text.encode("unicode_escape").decode()
    yield quopri.encodestring(data, header=False).decode().replace("=\n", "")
    yield text.replace("'", "'\"'\"'")  # as a shell has it
    in_json = json.dumps(text)[1:-1]
    for each in (text, in_json, json.dumps(text, ensure_ascii=False)[1:-1]):
        yield from _in_urls(each)
        yield from _in_html(each)
    yield from _of_other_json(in_json)
    for separator in ("", " ", ":"):
        digits = data.hex(separator) if separator else data.hex()
        yield from (digits, digits.upper())


def _in_urls(text: str) -> Iterator[str]:
    """Yield a text in a URL, also in a URL that stands in another one."""
    for quoted in (urllib.parse.quote(text, safe=""), urllib.parse.quote(text), urllib.parse.quote_plus(text)):
        yield from _in_url(quoted)
        yield from _in_url(urllib.parse.quote(quoted, safe=""))


def _in_html(text: str) -> Iterator[str]:
    """Yield a text in HTML or XML: quotes as they are, by name or by number, and letters by number, too."""
    escaped = html.escape(text, quote=False)
    for each in (escaped, html.escape(text), escaped.replace('"', "&#34;").replace("'", "&#39;")):
        yield from (each, each.encode("ascii", "xmlcharrefreplace").decode())
    yield escaped.replace('"', "&quot;").encode("ascii", "xmlcharrefreplace").decode()


def _of_other_json(text: str) -> Iterator[str]:
    """Yield what is text in JSON by Python, as other programs write JSON."""
    for marks in ("<>&", "<>&'="):
        changed = text
        for mark in marks:
            changed = changed.replace(mark, f"\\u{ord(mark):04x}")
        yield from (changed, changed.replace("/", "\\/"))
    yield text.replace("/", "\\/")


def _encoded(text: str) -> Iterator[str]:
    """Yield the parts of base64 by which a text is found, and those of base64 of these."""
    escaped = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    once = {part for each in escaped for part in _in_base64(each.encode("utf-8", "replace"))}
    twice = {part for each in once if len(each) >= MIN_ENCODED_CHARACTERS for part in _in_base64(each.encode())}
    for part in once | twice:
        yield from (part, part.replace("+", "-").replace("/", "_"))
        yield from _in_url(urllib.parse.quote(part, safe=""))
        yield part.replace("/", "\\/")  # as some writers of JSON do


def _wrapped(text: str) -> Iterator[str]:
    """Yield a text as it is written within JSON, CSV or a Python literal."""
    in_json = json.dumps(text, ensure_ascii=False)[1:-1]
    escaped = (json.dumps(text)[1:-1], ascii(text)[1:-1], in_json.encode("ascii", "backslashreplace").decode())
    yield from (*escaped, *(_ESCAPE.sub(lambda found: found[1] + found[2].upper(), each) for each in escaped))
    yield from (in_json, repr(text)[1:-1])
    yield repr(_BOTH_QUOTES + text)[len(repr(_BOTH_QUOTES)) - 1 : -1]  # where the whole has both
    yield from (text.replace('"', '""'), text.replace("'", "''"))


def _in_url(quoted: str) -> Iterator[str]:
    yield from (quoted, _HEX.sub(lambda found: found[0].lower(), quoted))


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the parts of base64 that `data` decides, wherever it begins in a longer text.

    Of a character at an end `data` may decide some bits alone. These are left out, but for short
    data: there each character that they may be is listed.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data + b"\0" * 2).decode()
        first, first_bits = divmod(before * 8, 6)
        last, last_bits = divmod((before + len(data)) * 8, 6)
        part = encoded[first + bool(first_bits) : last]
        if len(part) >= MIN_ENCODED_CHARACTERS:
            yield part
            continue
        heads = _sharing(encoded[first], 6 - first_bits, low=True) if first_bits else [""]
        tails = _sharing(encoded[last], last_bits, low=False) if last_bits else [""]
        yield from (head + part + tail for head, tail in itertools.product(heads, tails))


def _sharing(character: str, bits: int, *, low: bool) -> list[str]:
    """Return the characters of base64 that have the same low or high bits."""
    mask = (1 << bits) - 1 if low else ((1 << bits) - 1) << (6 - bits)
    value = _BASE64.index(character)
    return [each for at, each in enumerate(_BASE64) if at & mask == value & mask]
