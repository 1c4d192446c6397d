"""Who runs where: fits in fresh workers, applies in workers that stay, spares that wait for either.

An apply worker serves one version of one model in one code state. It is leased for one request
at a time; when nobody holds it, it stays until the code on disk changes or its place is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable

from dltk_runtime.errors import Busy
from dltk_runtime.names import VersionId
from dltk_runtime.pool import memory
from dltk_runtime.pool.devices import Devices, Places
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.outcome import Death, WorkerDied
from dltk_runtime.pool.process import Sink, Worker, discard
from dltk_runtime.pool.residents import Resident, Residents
from dltk_runtime.pool.spares import Spares
from dltk_runtime.settings import Settings, cores
from dltk_runtime.splunk import access
from dltk_runtime.units import GIB
from dltk_runtime.worker.messages import ErrorReport

WATCH_EVERY = 0.25  # seconds between two looks at the workers' memory
STARTS = 3  # workers that are started, one after another, when they end before they are ready
STOPPED = "was ended because the server stops"


class Pool:
    """All workers of one server. Use from one event loop: `start`, then leases, then `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        places = settings.apply_workers or min(max(memory.limit() // GIB, 2), 16)
        self._residents = Residents(places, settings.api_workers, settings.max_waiting)
        self._workers: set[Worker] = set()
        self.devices = Devices(settings.gpu_names)
        self._fit_places = Places([""] * settings.fit_slots)
        self._fits_waiting: Counter[str] = Counter()
        self._plain_slots = asyncio.Semaphore(cores())
        self._spares = Spares(self._start_worker, settings.spares)
        self._guardian: Guardian | None = None
        self._splunk: int | None = None
        self._watches: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look for GPUs, and begin to watch memory and to make spares."""
        self._guardian = Guardian()
        self._splunk = access.sealed(self._settings)
        await self.devices.find()
        self._watches = [asyncio.create_task(each) for each in (self._watch_memory(), self.devices.watch())]
        self._spares.wish_for(Spec(self._settings.apply_threads))

    async def close(self) -> None:
        """End every worker and what it started; from now on there are no new ones."""
        guardian, self._guardian = self._guardian, None
        self._spares.close()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await asyncio.gather(*(worker.end(STOPPED) for worker in self.workers()))
        if guardian is not None:
            await asyncio.to_thread(guardian.close)
        access.close(self._splunk)
        self._splunk = None

    def workers(self) -> list[Worker]:
        """Every worker there is."""
        self._workers = {each for each in self._workers if not each.ended}
        return list(self._workers)

    # ------------------------------------------------------------ fits

    @contextlib.asynccontextmanager
    async def fit_worker(self, algorithm: str, imports: tuple[str, ...], sink: Sink) -> AsyncIterator[Worker]:
        """A fresh worker, ended afterwards, as soon as a GPU is free or fewer than `DLTK_FIT_WORKERS` fits run.

        Raises:
            Busy: too many fits of this algorithm wait already.
            WorkerDied: it could not start.
        """
        places = self.devices.places if self.devices.wanted_by(imports) else self._fit_places
        if places.all_taken and self._fits_waiting[algorithm] >= self._settings.max_waiting:
            raise Busy(f"a fit of '{algorithm}'", self._fits_waiting[algorithm], "DLTK_MAX_WAITING")
        async with contextlib.AsyncExitStack() as held:
            self._fits_waiting[algorithm] += 1
            try:
                device = await held.enter_async_context(places.taken())
            finally:
                self._fits_waiting[algorithm] -= 1
            async with self._fresh(Spec(self._settings.threads_of_fit, imports), sink) as worker:
                worker.device = device or self.devices.shared(self.workers())
                yield worker

    @contextlib.asynccontextmanager
    async def plain_worker(self) -> AsyncIterator[Worker]:
        """A worker that runs no notebook code, for reading data; ended afterwards. As many at once as there are cores.

        Raises:
            WorkerDied: it could not start.
        """
        async with self._plain_slots, self._fresh(Spec(self._settings.apply_threads), discard) as worker:
            yield worker

    @contextlib.asynccontextmanager
    async def _fresh(self, spec: Spec, sink: Sink) -> AsyncIterator[Worker]:
        worker = await self._worker(spec, sink)
        try:
            yield worker
        finally:
            await worker.end()

    # ------------------------------------------------------------ applies

    @contextlib.asynccontextmanager
    async def lease(
        self,
        key: VersionId,
        imports: Callable[[], tuple[str, ...]],
        sink: Sink,
        deadline: float,
        wanted: Worker | None = None,
    ) -> AsyncIterator[Resident]:
        """The worker that serves `key`, rather the `wanted` one; when `loaded` is None the caller loads and sets it.

        Raises:
            Busy: too many requests for this algorithm wait already, or none was free before `deadline`.
            WorkerDied: a new worker could not start.
        """
        resident = await self._residents.grant(key, deadline, wanted)
        try:
            if resident.worker is None:
                resident.worker = await self._worker(Spec(self._settings.apply_threads, imports()), sink)
                resident.worker.device = self.devices.shared(self.workers())
            resident.worker.print_to(sink)
            yield resident
        except asyncio.CancelledError:
            resident.loaded = None  # it may still be at work: of no use to the next one
            raise
        finally:
            self._residents.give_back(resident)

    @contextlib.asynccontextmanager
    async def idle(self, key: VersionId) -> AsyncIterator[Worker | None]:
        """A worker that serves `key` and has nothing to do; None when there is none."""
        found = self._residents.take_idle(key)
        if found is None:
            yield None
            return
        try:
            yield found.worker
        except asyncio.CancelledError:
            found.loaded = None
            raise
        finally:
            self._residents.give_back(found)

    def reader(self, key: VersionId) -> Worker | None:
        """A worker that serves `key`, has nothing to do, and may read rows ahead; it stays free for others."""
        return self._residents.reader(key)

    def versions_in_use(self, algorithm: str, model: str) -> set[int]:
        """The versions of a model that workers serve."""
        return self._residents.versions_in_use(algorithm, model)

    def retire(self, algorithm: str, model: str, keep: int) -> None:
        """End the workers that serve other versions of a model than `keep`, the busy ones when they have answered."""
        self._residents.retire(algorithm, model, keep)

    # ------------------------------------------------------------ workers

    async def explained(self, error: ErrorReport, worker: Worker) -> ErrorReport:
        """A worker's error; one that its GPU had too little memory says besides who holds it.

        Must be asked while the worker still lives, and holds what it holds.
        """
        return await self.devices.explained(error, worker, self.workers())

    async def _worker(self, spec: Spec, sink: Sink) -> Worker:
        """A spare that fits, or a new worker, ready for its first call.

        Raises:
            WorkerDied: it could not start.
        """
        self._spares.wish_for(spec)
        for _ in range(STARTS - 1):
            with contextlib.suppress(WorkerDied):  # whatever ended it, it was not the notebook: nothing of that has run
                return await self._made_ready(self._spares.take(spec) or self._start_worker(spec), sink)
        return await self._made_ready(self._start_worker(spec), sink)

    async def _made_ready(self, worker: Worker, sink: Sink) -> Worker:
        worker.print_to(sink)
        try:
            await worker.ready()
        except asyncio.CancelledError:
            worker.kill()  # nobody else knows of it
            raise
        return worker

    def _start_worker(self, spec: Spec) -> Worker:
        if self._guardian is None:
            raise WorkerDied(Death("was not started because the server stops", "start"))
        environ = worker_environment(self._settings, spec.threads) | access.variables(self._splunk)
        worker = Worker.start(spec, environ, self._guardian)
        self._workers.add(worker)
        return worker

    async def _watch_memory(self) -> None:
        """End workers that use too much, also idle ones: threads that a request left behind may go on to allocate."""
        limit = self._settings.worker_memory or memory.limit() * 8 // 10
        while True:
            await asyncio.sleep(WATCH_EVERY)
            workers = {each.pid: each for each in self.workers() if each.usable}
            with contextlib.suppress(OSError):  # no descriptor was left to look with: look again
                used = await asyncio.to_thread(memory.over, limit, workers.keys())
                await asyncio.gather(*(workers[pid].end(_too_much(size, limit)) for pid, size in used.items()))


def _too_much(used: int, limit: int) -> str:
    return f"used {used >> 20:,} MiB of memory, more than DLTK_WORKER_MEMORY ({limit >> 20:,} MiB),"
