"""Damaged files of models: noticed when a worker loads them, and reported in the answer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from dltk_runtime.apply import loading
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.names import ModelName
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.store import ModelStore, Serving, Version
from dltk_runtime.worker import messages

MAX_DAMAGED = 3  # versions that are found damaged when they are loaded, before the one that must answer


class DamagedWhenLoaded(StoreDamaged):
    """The files of a version were damaged, or removed, after it was chosen and before a worker loaded it."""


def check(version: Version) -> None:
    """Compare the sizes of a version's files with its manifest.

    Raises:
        DamagedWhenLoaded: they differ, or the version was removed.
        StoreUnreachable: they cannot be compared.
    """
    try:
        version.verify()
    except (StoreDamaged, VersionUnknown) as error:
        raise DamagedWhenLoaded(error.sentence) from error


def serving(store: ModelStore, name: ModelName, *, hashes: bool) -> Serving:
    """Return the version that serves, with its files on this machine; another where they are found damaged then.

    With `hashes` they are compared with their hashes too: for a caller that cannot try again once its load fails.

    Raises:
        NoneWhole: every version that was promoted is damaged.
        NotStored, StoreUnreachable: the files cannot be fetched.
    """
    for _ in range(MAX_DAMAGED):
        chosen = store.choose(name)
        try:
            chosen.version.location()
            if not (hashes and store.examine(chosen.version, time.monotonic())):
                return chosen
        except VersionUnknown:  # removed since it was chosen
            continue
        except StoreDamaged as error:
            store.note_damage(chosen.version, error.sentence)
    return store.choose(name)


def load_message(store: ModelStore, version: Version, device: str) -> messages.Load:
    """Return what a worker is told to load; across a network its files are fetched, and compared with their hashes.

    Raises:
        DamagedWhenLoaded: they have changed since the fit, and the version serves no more for a while; or it
            was removed.
        NotStored, StoreUnreachable: they cannot be fetched.
    """
    with noted(store, version):
        return loading.load_message(version, device)


@contextlib.contextmanager
def noted(store: ModelStore, version: Version) -> Iterator[None]:
    """Turn what is raised of a version's files into `DamagedWhenLoaded`, as `load_message` does."""
    try:
        yield
    except VersionUnknown as error:
        raise DamagedWhenLoaded(error.sentence) from error
    except StoreDamaged as error:
        if store.remote:
            store.note_damage(version, error.sentence)
        raise DamagedWhenLoaded(error.sentence) from error


def examine(store: ModelStore, version: Version, since: float) -> None:
    """Compare the files of a version that does not load with their hashes; `since` is when a worker began with it.

    Raises:
        DamagedWhenLoaded: they have changed since the fit, or since they were copied to this machine.
    """
    if problem := store.examine(version, since):
        raise DamagedWhenLoaded(problem)


def warning(serving: Serving) -> str:
    """Return the warning of an answer whose model is damaged; empty without damage."""
    if not serving.problem:
        return ""
    return f"version {serving.version.number} was used, and something is damaged: {serving.problem.rstrip('.')}"
