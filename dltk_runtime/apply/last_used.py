"""The version used last and its description for ``/summary``.

``/summary`` never waits for a busy worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import msgspec

from dltk_runtime.errors import DltkError
from dltk_runtime.names import VersionId
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.pool import Pool
from dltk_runtime.store.store import ModelStore
from dltk_runtime.worker.messages import Describe, Described

SUMMARY_SECONDS = 30.0  # that a notebook's summary function may take


class LastUsed:
    """The version used last.

    Descriptions are JSON: ``{"model": str(model), "model_summary": …}``.
    """

    def __init__(self, store: ModelStore, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._version: VersionId | None = None
        self._known = b""
        self._uses = 0  # shows whether a worker's answer is still up to date

    def fitted(self, version: VersionId, description: bytes) -> None:
        """Note a committed fit, with the description of its model as its own apply left it."""
        self._version, self._known, self._uses = version, description, self._uses + 1

    def applied(self, version: VersionId) -> None:
        """Note an apply, which may put pictures into its model."""
        self._version, self._known, self._uses = version, b"", self._uses + 1

    async def description(self) -> dict[str, Any]:
        """Return the description of the last version; empty if none was used."""
        version, uses = self._version, self._uses
        if version is None:
            return {}
        known = self._known or await self._ask_worker(version)
        if uses == self._uses:
            self._known = known
        known = known or await asyncio.to_thread(self._stored, version)  # not remembered: the worker will know more
        return msgspec.json.decode(known) if known else {}

    async def _ask_worker(self, version: VersionId) -> bytes:
        """Return the description from the worker that has the model, unless it is busy."""
        with contextlib.suppress(WorkerDied):
            async with self._pool.idle(version) as worker:
                if worker is not None:
                    deadline = time.monotonic() + SUMMARY_SECONDS
                    reply, _ = await worker.call(Describe(), deadline=deadline, setting="the limit for summary")
                    return reply.description if isinstance(reply, Described) else b""
        return b""

    def _stored(self, version: VersionId) -> bytes:
        with contextlib.suppress(DltkError, OSError):
            return self._store.get(version.name, version.number).description()
        return b""
