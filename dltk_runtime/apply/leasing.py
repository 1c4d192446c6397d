"""Lease the worker that serves a version, here or on a node, with the model loaded."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from dltk_runtime import errors
from dltk_runtime.apply import damage, loading, mismatch
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.joining import SETTING, Joining
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.notebook.errors import NeverFitted, place_of
from dltk_runtime.pool.follower import Follower
from dltk_runtime.pool.following import Following
from dltk_runtime.pool.outcome import expect, failed
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.resident import Resident
from dltk_runtime.pool.worker import Listener, Worker
from dltk_runtime.settings import Settings
from dltk_runtime.store.asking import ask
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.worker import messages

if TYPE_CHECKING:
    from dltk_runtime.cluster.apply_places import ApplyPlaces, Leased

Output = Callable[[bytes], object]


@dataclass(eq=False, kw_only=True)
class Leasing:
    """Leases workers of `pool`, or of the machines of `places`.

    `drift` takes the counts of rows; `joining`, once it is set, is told what each worker has loaded.
    """

    settings: Settings
    store: ModelStore
    jobs: JobRecords
    pool: Pool
    drift: Drift
    places: ApplyPlaces | None = None
    joining: Joining | None = None

    @contextlib.asynccontextmanager
    async def loaded(
        self,
        version: Version,
        output: Output,
        deadline: float,
        call: Call | None = None,
        upload: Upload | None = None,
        starts: Callable[[], object] = lambda: None,
        *,
        here: bool = False,
        following: Following | None = None,
    ) -> AsyncIterator[tuple[Worker, messages.Loaded]]:
        """Lease the worker that serves `version`, with the model loaded; `starts` is called if one starts for it.

        With `here` it is one of this machine, also where the version's applies run on another one.

        Raises:
            DamagedWhenLoaded: its files have changed since the fit, or it was removed.
            AlgorithmFailed: it cannot be loaded; `NeverFitted` where nothing was ever committed; or its node
                is lost.
            Busy: no worker was free before `deadline`.
            WorkerDied: it ended while it loaded.
        """
        began = time.monotonic()

        async def imports() -> tuple[str, ...]:
            starts()
            return await asyncio.to_thread(loading.imports, version, self.settings.paths)

        async with self._lease(version, imports, output, deadline, call, upload, here, following) as leased:
            if call is not None:
                call.spent({"queue": time.monotonic() - began})
            if following is not None and following.now and isinstance(leased, Resident) and leased.loaded is not None:
                yield Follower(leased.worker, following), leased.loaded
                return
            if call is not None and isinstance(leased, Resident):  # on a node it may still wait for a worker
                call.runs()
            if leased.loaded is None:
                counts = await ask(self.store, self._counting, version)
                leased.loaded = await self._load(leased, version, deadline)
                if self.joining is not None:
                    self.joining.learn(version.id, leased.loaded)
                if call is not None:
                    call.spent(leased.worker.phases)
                leased.worker.listen(Listener(output, counts=counts))
            try:
                yield leased.worker, leased.loaded
            finally:
                if call is not None:
                    call.runs()

    def _lease(
        self,
        version: Version,
        imports: Callable[[], Awaitable[tuple[str, ...]]],
        output: Output,
        deadline: float,
        call: Call | None,
        upload: Upload | None,
        here: bool,
        following: Following | None,
    ) -> contextlib.AbstractAsyncContextManager[Leased]:
        read_ahead = upload.read_ahead if upload is not None else None
        client, background = (call.client, call.background) if call is not None else (None, False)
        if self.places is None or here:
            return self.pool.lease(
                version.id, imports, output, deadline, read_ahead, client, background=background, following=following
            )
        lease = self.places.lease(
            version, imports, output, deadline, read_ahead, client, background=background, following=following
        )
        return self._noting(version, lease)

    @contextlib.asynccontextmanager
    async def _noting(
        self, version: Version, lease: contextlib.AbstractAsyncContextManager[Leased]
    ) -> AsyncIterator[Leased]:
        """Yield a lease for which the files of a version are read, and fetched; note what is damaged of them."""
        async with contextlib.AsyncExitStack() as ends:
            with damage.noted(self.store, version):
                leased = await ends.enter_async_context(lease)
            yield leased

    def _counting(self, version: Version) -> Callable[[messages.Counts], None]:
        """Return the callback for the counts of the worker that serves `version`."""
        features = version.manifest().features if version.number else []
        return lambda counts: self.drift.take(version.id, features, counts)

    async def _load(self, leased: Leased, version: Version, deadline: float) -> messages.Loaded:
        if version.number:
            await asyncio.to_thread(damage.check, version)
        # First: a change meanwhile is found.
        choice = await ask(self.store, self.store.choice_state, version.name)
        default = self.settings.pins_code
        pinned = bool(version.number) and await ask(self.store, self.store.pins_code, version.name, default)
        message = await ask(self.store, damage.load_message, self.store, version, leased.worker.device)
        began = time.monotonic()
        message = msgspec.structs.replace(message, pinned=pinned)
        reply, _ = await leased.worker.call(message, deadline=deadline, setting=SETTING)
        if isinstance(reply, messages.Failed):
            error = reply.error
            await asyncio.to_thread(damage.examine, self.store, version, began)
            if version.number or error.phase != "load":
                raise failed(error)
            text = await asyncio.to_thread(
                mismatch.never_fitted, version.name, error, self.store, self.jobs, self.settings.paths
            )
            raise NeverFitted(errors.NOT_APPLIED, text, error.traceback, kind=place_of(error.kind, error.coordinates))
        loaded = expect(reply, messages.Loaded)
        return msgspec.structs.replace(loaded, states=(*loaded.states, choice))
