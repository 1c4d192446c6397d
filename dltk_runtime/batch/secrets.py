"""Secrets of a run: named in parameters, and resolved when it begins."""

from __future__ import annotations

from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.scrub import MIN_SECRET_CHARACTERS
from dltk_runtime.settings import secret

SCHEME = "secret://"


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
