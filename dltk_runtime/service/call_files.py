"""The calls answered last on the volume, so that a restart loses none but the newest.

Each server appends to a file of its own, ``calls/<random>.jsonl``, in batches and off the way of
any request, so replicas that share the volume never write to the same file. Each start reads those
of all, and removes what is old. Notebooks can write there too: a record that no server can have made
counts no more than a torn line.
"""

from __future__ import annotations

import heapq
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import DltkError, NameInvalid, StoreDamaged
from dltk_runtime.files import lines, ring
from dltk_runtime.names import ModelName
from dltk_runtime.service.calls import MAX_CALLS, RecentCall
from dltk_runtime.store.reader import ModelReader

MAX_BYTES = 512 * 1024  # of one file: some 1,000 calls after a cut
MAX_READ_BYTES = 16 * MAX_BYTES  # of a file before its cut; one that is larger is none of ours
MAX_FILES = 8  # that are read and stay: of as many replicas, or starts of one
MAX_AGE_SECONDS = 7 * 86400.0  # of a file since its last call
UNKEPT = "why is not kept: DLTK_KEEP_VALUES is false"


class CallFiles:
    """The files below `folder`, of models of `store`.

    Without `values` the sentence of a failure, which may quote one, is left out.
    """

    def __init__(self, folder: Path, store: ModelReader, *, values: bool) -> None:
        self._folder = folder
        self._store = store
        self._values = values
        self._own = folder / f"{secrets.token_hex(8)}.jsonl"

    def read(self) -> list[RecentCall]:
        """Return the newest `MAX_CALLS` of all servers, oldest first; remove files that nobody needs."""
        found: list[RecentCall] = []
        for path in self._newest():
            with suppress(StoreDamaged):
                found += filter(_can_be, lines.read(path, RecentCall, MAX_READ_BYTES))
        return heapq.nlargest(MAX_CALLS, found, key=lambda each: each.time)[::-1]

    def write(self, calls: Sequence[RecentCall], *, ending: bool = False) -> None:
        """Append calls; those that cannot be written are not known after a restart.

        Failures of a model that was forgotten since go at once: their sentences may quote its rows. An
        `ending` server does not ask that across a network, which may not answer.
        """
        kept = calls if self._values else [_without_sentence(each) for each in calls]
        with suppress(OSError):
            ring.add(self._own, kept, MAX_BYTES)
            if ending and self._store.remote:
                return
            oldest = {(each.algorithm, each.model): each.time for each in reversed(kept) if each.failed}
            for (algorithm, model), time_of_call in oldest.items():
                if self._is_forgotten(algorithm, model, time_of_call):
                    forget(self._folder, algorithm, model)

    def _is_forgotten(self, algorithm: str, model: str, since: datetime) -> bool:
        with suppress(DltkError):  # no model can have this name, or its history cannot be read
            return self._store.forgotten_since(ModelName(algorithm, model), since)
        return False

    def _newest(self) -> list[Path]:
        times: dict[Path, float] = {}
        for path in files_of(self._folder):
            with suppress(OSError):
                times[path] = path.stat().st_mtime
        known = sorted(times, key=lambda path: -times[path])
        oldest = time.time() - MAX_AGE_SECONDS
        for path in (each for place, each in enumerate(known) if place >= MAX_FILES or times[each] < oldest):
            with suppress(OSError):
                path.unlink()
        return [path for path in known[:MAX_FILES] if times[path] >= oldest]


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of all servers."""
    return tuple(sorted(folder.glob("*.jsonl")))


def has(path: Path, algorithm: str, model: str) -> bool:
    """Return whether a file has a call of this model."""
    with suppress(StoreDamaged):
        found = lines.read(path, RecentCall, MAX_READ_BYTES)
        return any((each.algorithm, each.model) == (algorithm, model) for each in found)
    return False


def forget(folder: Path, algorithm: str, model: str) -> None:
    """Blank the calls of a model, in place; servers go on to append.

    Raises:
        OSError: a file cannot be written.
    """
    for path in (each for each in files_of(folder) if has(each, algorithm, model)):  # also no link, and no pipe
        lines.blank(path, RecentCall, lambda each: (each.algorithm, each.model) == (algorithm, model))


def _can_be(call: RecentCall) -> bool:
    """Return whether a server can have made it: a version is that of a model."""
    with suppress(NameInvalid):
        return call.version is None or bool(ModelName(call.algorithm, call.model))
    return False


def _without_sentence(call: RecentCall) -> RecentCall:
    return msgspec.structs.replace(call, outcome=UNKEPT) if call.failed else call
