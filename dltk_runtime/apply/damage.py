"""Damaged files of models: noticed when a worker loads them, and reported in the answer."""

from __future__ import annotations

from dltk_runtime.errors import StoreDamaged, StoreError
from dltk_runtime.store.store import ModelStore, Serving, Version


class DamagedWhenLoaded(StoreDamaged):
    """The files of a version were damaged after it was chosen and before a worker loaded it."""


def check(version: Version) -> None:
    """Compare the sizes of a version's files with its manifest.

    Raises:
        DamagedWhenLoaded: they differ.
    """
    try:
        version.verify()
    except StoreError as error:
        raise DamagedWhenLoaded(error.sentence) from error


def examine(store: ModelStore, version: Version) -> None:
    """Compare the files of a version that does not load with their hashes.

    Raises:
        DamagedWhenLoaded: they have changed since the fit.
    """
    if problem := store.examine(version):
        raise DamagedWhenLoaded(problem)


def warning(serving: Serving) -> str:
    """Return the warning of an answer whose model is damaged; empty without damage."""
    if not serving.problem:
        return ""
    return f"version {serving.version.number} was used, and something is damaged: {serving.problem.rstrip('.')}"
