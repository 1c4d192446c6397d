"""Secrets of a run: named in parameters, resolved when it begins, removed from all it writes."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from dltk_runtime import texts
from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.settings import secret

SCHEME = "secret://"
MIN_SECRET_CHARACTERS = 4  # a shorter secret is part of ordinary text
MASK = "[secret]"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")  # 4 characters of a secret are 6 of base64
_STANDARD = str.maketrans("-_", "+/")
_HEX = re.compile("%[0-9A-F]{2}")


def is_secret(text: str) -> bool:
    return text.startswith(SCHEME)


def resolve(parameter: str, text: str) -> str:
    """Return the secret that ``secret://NAME`` names.

    Raises:
        BatchInvalid: there is no such secret, or it is too short to be hidden.
    """
    name = text.removeprefix(SCHEME)
    value = secret(name)
    if value is None:
        raise BatchInvalid(
            f"{parameter}={text}: there is no secret {name!r}. Set the variable {name}, or {name}_file to a path."
        )
    if len(value) < MIN_SECRET_CHARACTERS:
        raise BatchInvalid(
            f"{parameter}={text}: a secret of fewer than {MIN_SECRET_CHARACTERS} characters could not be hidden."
        )
    return value


class Scrubber:
    """Replaces secrets in text, also escaped (JSON, Python, URL, HTML), and what is base64 of a text with one."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        whole = [form for value in secrets.values() for form in (value, *_long_lines(value))]
        self._forms = sorted({form for text in whole for form in _escaped(text)}, key=len, reverse=True)
        self._bytes = [text.encode() for text in whole]
        self._usual = texts.Scrubber(secrets.values())

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return self._usual.text(_BASE64.sub(self._decoded, text) if self._bytes else text)

    def _decoded(self, found: re.Match[str]) -> str:
        """Return the mask for base64 that contains a secret, wherever in the match it begins."""
        standard = found[0].translate(_STANDARD)
        for start in range(4):
            part = standard[start:].rstrip("=")
            content = base64.b64decode(part + "A" * (-len(part) % 4))
            if any(secret in content for secret in self._bytes):
                return MASK
        return found[0]

    def value(self, value: Any) -> Any:
        """Copy a structure of dicts and lists without its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self._usual.data(value)
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return type(value)({self.text(str(key)): self.value(item) for key, item in value.items()})
        return value


def _escaped(text: str) -> Iterator[str]:
    """Yield the forms that JSON, Python, URLs and HTML give a text."""
    yield from (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield from (quoted, _HEX.sub(lambda found: found[0].lower(), quoted))
    marked = html.escape(text, quote=False)
    yield from (marked, html.escape(text), marked.replace('"', "&#34;").replace("'", "&#39;"))


def _long_lines(value: str) -> list[str]:
    """Return the longer lines of a secret of several lines, which programs print one by one."""
    return [line for line in value.splitlines() if len(line) >= 2 * MIN_SECRET_CHARACTERS] if "\n" in value else []
