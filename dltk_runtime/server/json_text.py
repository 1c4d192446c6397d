"""Unescape a long JSON string while it arrives.

The input is the bytes after the opening quote, piece by piece, up to the closing quote; the output
is UTF-8. Compiled code unescapes a plain piece, if there is any. Else msgspec does, as a string of its
own, so that a piece never ends within an escape or a character.
"""

from __future__ import annotations

import json
import re

import msgspec

from dltk_runtime.errors import BodyInvalid, DataInvalid
from dltk_runtime.tables.native.code import unescaper

MAX_ESCAPE_BYTES = 12  # the longest escape that must not be cut: a surrogate pair, \ud83d\ude00
_FIRST_HALF = re.compile(rb"\\u[dD][89abAB]")
_string = msgspec.json.Decoder(str)


class JsonText:
    """Unescapes one string. `rest` holds what came after its end."""

    def __init__(self) -> None:
        self.ended = False
        self.rest = bytearray()
        self._held = b""

    def feed(self, piece: bytes) -> bytes | bytearray:
        """Return the text of a piece up to a safe cut; after the end all goes to `rest`.

        Raises:
            BodyInvalid: a raw line end, which JSON strings must not hold.
            DataInvalid: an invalid escape, half a surrogate pair, or invalid UTF-8.
        """
        if self.ended:
            self.rest += piece
            return b""
        text = self._held + piece
        if (compiled := unescaper()) is not None and (done := compiled.unescape(text)) is not None:
            return self._taken(text, *done)
        end = _closing_quote(text)
        if end >= 0:
            self.ended, self._held, self.rest = True, b"", bytearray(text[end + 1 :])
            return _unescaped(text[:end])
        cut = _safe_cut(text)
        self._held = text[cut:]
        return _unescaped(text[:cut])

    def _taken(self, text: bytes, unescaped: bytearray, used: int) -> bytearray:
        """Keep what comes after the `used` bytes of `text`: half an escape, or the rest behind the end."""
        if text[used : used + 1] == b'"':
            self.ended, self._held, self.rest = True, b"", bytearray(text[used + 1 :])
        else:
            self._held = text[used:]
        return unescaped


def _closing_quote(text: bytes) -> int:
    """Return the end of the string; -1 when it goes on. `text` begins outside of an escape."""
    if b'"' not in text:
        return -1
    # Replaced by the same length, so that positions stay valid.
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__").find(b'"')


def _safe_cut(text: bytes) -> int:
    """Return how much of `text` can be unescaped without cutting an escape or a character."""
    first = text.find(b"\\", max(len(text) - MAX_ESCAPE_BYTES, 0))
    if first < 0:
        return _end_of_character(text)
    first -= _backslashes_before(text, first)
    # What comes right before may be the first half of a surrogate pair.
    half = first - 6
    return half if half >= 0 and _FIRST_HALF.match(text, half) and _backslashes_before(text, half) % 2 == 0 else first


def _end_of_character(text: bytes) -> int:
    """Return the end of the last whole UTF-8 character."""
    begin = len(text) - 1
    while begin > len(text) - 4 and begin >= 0 and text[begin] & 0xC0 == 0x80:
        begin -= 1
    lead = text[begin] if begin >= 0 else 0
    length = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    return begin if begin >= 0 and begin + length > len(text) else len(text)


def _backslashes_before(text: bytes, end: int) -> int:
    return end - len(text[:end].rstrip(b"\\")) if text[end - 1 : end] == b"\\" else 0


def _unescaped(text: bytes) -> bytes:
    try:
        return _string.decode(b'"%b"' % text).encode()
    except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError):
        return _by_json(text)


def _by_json(text: bytes) -> bytes:
    """Unescape with Python's json, which accepts more, and explains what it does not."""
    if b"\n" in text:
        raise BodyInvalid("The body is no JSON: the string 'data' holds a raw line end; it must be written as \\n.")
    try:
        return str(json.loads(b'"' + text + b'"')).encode()
    except UnicodeEncodeError as error:
        raise DataInvalid(
            "The field 'data' holds a lone surrogate, which is not valid Unicode. "
            "Remove the broken characters from the events, for example with eval and replace()."
        ) from error
    except UnicodeDecodeError as error:
        raise DataInvalid("The field 'data' is not UTF-8. Send the request's JSON in UTF-8.") from error
    except ValueError as error:
        raise DataInvalid(f"The field 'data' is not a JSON string: {error}.") from error
