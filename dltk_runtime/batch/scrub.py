"""Secrets of a run: named in parameters, resolved when it begins, removed from all it writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.settings import secret

SCHEME = "secret://"
MIN_SECRET_CHARACTERS = 4  # a shorter secret is part of ordinary text
MASK = "[secret]"


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
    """Replaces secrets in text, also in JSON's and Python's escaped forms."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        whole = [form for value in secrets.values() for form in (value, *_long_lines(value))]
        forms = {form for text in whole for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1])}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Copy a structure of dicts and lists without its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return type(value)({self.text(str(key)): self.value(item) for key, item in value.items()})
        return value


def _long_lines(value: str) -> list[str]:
    """Return the longer lines of a secret of several lines, which programs print one by one."""
    return [line for line in value.splitlines() if len(line) >= 2 * MIN_SECRET_CHARACTERS] if "\n" in value else []
