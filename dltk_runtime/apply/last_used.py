"""Which model was used last, and how ``/summary`` describes it without waiting for a busy worker."""

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

TIMEOUT = 30.0  # seconds that a notebook's summary function may take


class LastUsed:
    """The model used last. Descriptions are JSON: ``{"model": str(model), "model_summary": …}``."""

    def __init__(self, store: ModelStore, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._key: VersionId | None = None
        self._known = b""
        self._uses = 0  # tells whether what a worker said is still the last word

    def fitted(self, key: VersionId, description: bytes) -> None:
        """A fit came to its end and described its model, as its own apply had left it."""
        self._key, self._known, self._uses = key, description, self._uses + 1

    def applied(self, key: VersionId) -> None:
        """An apply has a model now, and may put pictures into it."""
        self._key, self._known, self._uses = key, b"", self._uses + 1

    async def description(self) -> dict[str, Any]:
        """The last model's description; empty when no model was used."""
        key, uses = self._key, self._uses
        if key is None:
            return {}
        known = self._known or await self._ask_worker(key)
        if uses == self._uses:
            self._known = known
        known = known or await asyncio.to_thread(self._stored, key)  # not kept: the worker will know more
        return msgspec.json.decode(known) if known else {}

    async def _ask_worker(self, key: VersionId) -> bytes:
        """The description from the worker that has the model, unless it is at work."""
        with contextlib.suppress(WorkerDied):
            async with self._pool.idle(key) as worker:
                if worker is not None:
                    deadline = time.monotonic() + TIMEOUT
                    reply, _ = await worker.call(Describe(), deadline=deadline, setting="the limit for summary")
                    return reply.description if isinstance(reply, Described) else b""
        return b""

    def _stored(self, key: VersionId) -> bytes:
        with contextlib.suppress(DltkError, OSError):
            return self._store.get(key.name, key.number).description()
        return b""
