"""The model card of a version that is about to be committed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from dltk_runtime import logs
from dltk_runtime.errors import DltkError
from dltk_runtime.names import VersionId
from dltk_runtime.notebook.algorithm import find
from dltk_runtime.notebook.cells import introduction
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.store.card import card_of
from dltk_runtime.store.store import Facts

MakeCard = Callable[[VersionId, Facts, bytes], bytes]


def no_card(*_: object) -> bytes:
    """Make none."""
    return b""


def cards_of(settings: Settings) -> MakeCard:
    """Return what makes cards: of a version, its facts and its code; it reads the notebook."""

    def made(version: VersionId, facts: Facts, code: bytes) -> bytes:
        try:
            purpose = purpose_of(version.algorithm, settings.paths)
            return card_of(version, facts, purpose, code, values=settings.keep_values).encoded()
        except Exception as error:  # noqa: BLE001 - no fit is lost for its card, which is made when it is shown
            known = {"algorithm": version.algorithm, "model": version.model, "version": version.number}
            logs.event("card", logging.ERROR, **known, outcome="not written", error=type(error).__name__)
            return no_card()

    return made


def purpose_of(algorithm: str, paths: Paths) -> str:
    """Return the text of a notebook's first cell; empty without one, and for a Python file."""
    with suppress(DltkError, OSError):
        path = find(algorithm, paths)
        text = introduction(path) if path.suffix == ".ipynb" else ""
        return text.encode("utf-8", "replace").decode()  # a cell may hold half of a surrogate pair
    return ""
