"""The secrets that this machine's settings and environment hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dltk_runtime.scrub import MIN_SECRET_CHARACTERS
from dltk_runtime.secret_names import is_secret_variable
from dltk_runtime.settings import VARIABLES

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
