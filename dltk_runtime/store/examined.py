"""Versions whose files were compared with their hashes because a worker could not load them.

Sizes are compared before each load; a file of the right size with other bytes shows by its hash alone, and hashing
takes as long as reading it all. So it is done when a load fails, and what was found counts for a while.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.names import VersionId
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.handles import Version

EXAMINED_SECONDS = 60.0  # a repaired file is noticed after this time


class Examined:
    """What was found lately, by version. Any thread may use it."""

    def __init__(self) -> None:
        self._found: dict[VersionId, tuple[float, str]] = {}
        self._lock = threading.Lock()  # one at a time: the second to ask finds the first one's answer

    def examine(self, version: Version) -> str:
        """Return which file has changed since it was stored, as a sentence; empty for none. Reads all of them."""
        with self._lock:
            if (known := self._recent(version.id)) is not None:
                return known
            self._found = {each: found for each in self._found if (found := self._found[each])[0] > _oldest()}
            self._found[version.id] = time.monotonic(), (problem := _problem(version))
            return problem

    def note(self, version_id: VersionId, problem: str) -> None:
        """Remember what was found when a version's files were fetched."""
        with self._lock:
            self._found[version_id] = time.monotonic(), problem

    def problem(self, version_id: VersionId) -> str:
        """Return what was found; empty for nothing. Reads nothing."""
        return self._recent(version_id) or ""

    def _recent(self, version_id: VersionId) -> str | None:
        known = self._found.get(version_id)
        return known[1] if known is not None and known[0] > _oldest() else None


class ExaminedCopies:
    """Copies of versions that were compared because a worker could not load them. Any thread may use it."""

    def __init__(self) -> None:
        self._found: dict[VersionId, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.damaged = 0

    def examine(self, version_id: VersionId, find: Callable[[], str]) -> str:
        """Return what `find` says of a copy; one that was found whole lately is not looked at again."""
        with self._lock:
            at, problem = self._found.get(version_id, (-math.inf, ""))
            if at > _oldest() and not problem:
                return ""
            if problem := find():
                self.damaged += 1
            self._found = {each: found for each, found in self._found.items() if found[0] > _oldest()}
            self._found[version_id] = time.monotonic(), problem
            return problem


def _oldest() -> float:
    return time.monotonic() - EXAMINED_SECONDS


def _problem(version: Version) -> str:
    try:
        version.verify(hashes=True)
    except (StoreDamaged, VersionUnknown) as error:
        return error.sentence
    return ""
