"""The version used last and its description for ``/summary``.

It is a file that all replicas share, so that each of them answers the same. A replica writes it
soon after it has used another version, and when ``/summary`` finds that an apply has changed the
model's text. ``/summary`` never waits for a busy worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime import logs
from dltk_runtime.errors import DltkError, NameInvalid
from dltk_runtime.files import atomic
from dltk_runtime.files.records import Count, decoded
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.pool import Pool
from dltk_runtime.store.store import ModelStore
from dltk_runtime.worker.messages import Describe, Described

SUMMARY_SECONDS = 30.0  # that a notebook's summary function may take
WRITE_SECONDS = 1.0  # between two writes of the shared file

Description = dict[str, Any]  # ``{"model": str(model), "model_summary": …}``


class _Shared(msgspec.Struct, frozen=True):
    """The content of the file. `description` is empty where only the version's own is known."""

    algorithm: str
    model: str
    version: Count
    description: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def id(self) -> VersionId:
        return VersionId(ModelName(self.algorithm, self.model), self.version)


class LastUsed:
    """The version used last; `file` is shared by all replicas, None for a run without others."""

    def __init__(self, store: ModelStore, pool: Pool, file: Path | None = None) -> None:
        self._store = store
        self._pool = pool
        self._file = file
        self._version: VersionId | None = None
        self._fitted = b""  # the description of `_version`, if it was fitted and not applied since
        self._uses = 0
        self._uses_written = 0
        self._uses_described = 0
        self._failures = logs.RecurringFailures()

    def fitted(self, version: VersionId, description: bytes) -> None:
        """Note a committed fit, with the description of its model as its own apply left it."""
        self._version, self._fitted, self._uses = version, description, self._uses + 1
        self._uses_described = self._uses

    def applied(self, version: VersionId) -> None:
        """Note an apply, which may put pictures into its model."""
        self._version, self._fitted, self._uses = version, b"", self._uses + 1

    async def share(self) -> None:
        """Write the shared file whenever another version was used, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            with self._failures.logged("last used"):
                await self._write()

    async def description(self, shown: Callable[[ModelName], bool]) -> Description:
        """Return the description of the last version; empty if none was used, or it may not be `shown`."""
        with self._failures.logged("last used"):
            await self._write()
            await self._describe()
        return await asyncio.to_thread(self._described, shown)

    async def _write(self) -> None:
        """Write which version this replica used last, unless the file says so."""
        if self._version is not None and self._uses_written != self._uses:
            uses = self._uses
            await asyncio.to_thread(self._write_unless_there, self._version, self._fitted)
            self._uses_written = uses

    def _write_unless_there(self, version: VersionId, description: bytes) -> None:
        shared = self._read()
        if shared is None or shared.id != version:
            self._replace(version, description)

    async def _describe(self) -> None:
        """Write how the last apply on this replica left the model, if that was not done yet."""
        shared = await asyncio.to_thread(self._read)
        if shared is None or shared.id != self._version or self._uses_described == self._uses:
            return
        uses = self._uses
        if found := await self._ask_worker(shared.id):
            self._uses_described = uses
            if found != bytes(shared.description):
                await asyncio.to_thread(self._replace, shared.id, found)

    def _replace(self, version: VersionId, description: bytes) -> None:
        if self._file is not None:
            raw = msgspec.Raw(description or b"null")
            shared = _Shared(version.algorithm, version.model, version.number, raw)
            atomic.write(self._file, msgspec.json.encode(shared), durable=False)

    def _read(self) -> _Shared | None:
        """Return what the file says; None if there is none, or a damaged one."""
        with contextlib.suppress(OSError, ValueError, NameInvalid):
            if self._file is not None:
                shared = decoded(atomic.read(self._file), _Shared)
                ModelName(shared.algorithm, shared.model)  # raises if they are no names
                return shared
        return None

    def _described(self, shown: Callable[[ModelName], bool]) -> Description:
        """Return the description in the file, else the one that the version's fit stored."""
        if (shared := self._read()) is None or not shown(shared.id.name):
            return {}
        with contextlib.suppress(ValueError):
            if found := decoded(shared.description, Description):
                return found
        return self._stored(shared.id)

    async def _ask_worker(self, version: VersionId) -> bytes:
        """Return the description from the worker that has the model, unless it is busy."""
        with contextlib.suppress(WorkerDied):
            async with self._pool.idle(version) as worker:
                if worker is not None:
                    deadline = time.monotonic() + SUMMARY_SECONDS
                    reply, _ = await worker.call(Describe(), deadline=deadline, setting="the limit for summary")
                    return reply.description if isinstance(reply, Described) else b""
        return b""

    def _stored(self, version: VersionId) -> Description:
        with contextlib.suppress(DltkError, OSError, ValueError):
            return decoded(self._store.get(version.name, version.number).description(), Description)
        return {}
