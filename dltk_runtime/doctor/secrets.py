"""The secrets that this machine's settings and environment hold, and their removal from text."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dltk_runtime.secret_names import is_secret_variable
from dltk_runtime.settings import HIDDEN, VARIABLES

MIN_SECRET_CHARACTERS = 4  # a shorter secret is part of ordinary text
MIN_PART_CHARACTERS = 8  # of a secret that is a document or a list: a token in JSON or in headers
MAX_FILE_BYTES = 64 * 1024
FILE_ENDING = "_file"
_BETWEEN_PARTS = re.compile(r"[\s,;=&\"'{}\[\]:@/]+")


def known_secrets(environ: Mapping[str, str]) -> set[str]:
    """Return every secret in the environment, and in the files that it names."""
    found: set[str] = set()
    for text in _values(environ):
        found.add(text.strip())
        found |= {part for part in _BETWEEN_PARTS.split(text) if len(part) >= MIN_PART_CHARACTERS}
        found |= {line.strip() for line in text.splitlines() if len(line.strip()) >= MIN_PART_CHARACTERS}
    return {text for text in found if len(text) >= MIN_SECRET_CHARACTERS}


def _values(environ: Mapping[str, str]) -> Iterator[str]:
    secrets = {each.name for each in VARIABLES.values() if each.secret}
    for name, value in environ.items():
        setting = name.removesuffix(FILE_ENDING)
        if not is_secret_variable(setting, value) and setting not in secrets:
            continue
        if name.lower().endswith(FILE_ENDING):
            with suppress(OSError, ValueError), open(Path(value), "rb") as file:
                yield file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
        else:
            yield value


class Scrubber:
    """Replaces secrets in text: plain, escaped as in JSON, Python and URLs, and in base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return `text` without the secrets."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    yield from (urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret))
    data = secret.encode("utf-8", "surrogatepass")
    yield from (base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("="))
    yield data.hex()
