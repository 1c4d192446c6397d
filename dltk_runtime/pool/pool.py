"""Which worker runs what: fits in fresh workers, applies in workers that stay, spares for either.

An apply worker serves one version of one model in one code state. It is leased for one request
at a time; between two leases it stays until the code on disk changes or its place is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import Buffer
from dltk_runtime.pool import memory
from dltk_runtime.pool.devices import Devices, Usage
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import DEATH_MEMORY, DEATHS, Death, WorkerDied
from dltk_runtime.pool.read_ahead import LocalReadAhead
from dltk_runtime.pool.residents import Resident, Residents
from dltk_runtime.pool.spares import Spares
from dltk_runtime.pool.worker import SILENT, Listener, ReadAhead, Worker
from dltk_runtime.scrub import Scrubber
from dltk_runtime.settings import Settings, cores
from dltk_runtime.splunk import access
from dltk_runtime.units import GIB
from dltk_runtime.worker.memory_file import MemoryFile
from dltk_runtime.worker.messages import ErrorReport

MEMORY_CHECK_SECONDS = 0.25  # between two looks at the workers' memory
MAX_STARTS = 3  # workers that are started, one after another, when they end before they are ready
CAUSE_STOPPED = "was ended because the server stops"


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """Number of workers, number with a call, resident memory with children, calls that wait for one."""

    workers: int
    busy: int
    memory_bytes: int
    waiting_applies: int
    waiting_fits: int


class Pool:
    """All workers of one server. Use from one event loop: `start`, then leases, then `close`.

    `variables` are added to the environment of each worker.
    """

    def __init__(self, settings: Settings, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self._settings = settings
        self._variables = variables
        places = settings.apply_workers or min(max(memory.limit() // GIB, 2), 16)
        self._residents = Residents(places, settings.api_workers, settings.max_waiting)
        self._workers: set[LocalWorker] = set()
        self._devices = Devices(settings.gpu_names)
        self._fit_turns = asyncio.Semaphore(settings.fit_slots)
        self._fits_waiting: Counter[str] = Counter()
        self._joined = 0  # requests that wait behind another, for the same turn of a worker
        self._plain_turns = asyncio.Semaphore(cores())
        self._spares = Spares(self._start_worker, settings.spares, self._residents.quiet)
        self._guardian: Guardian | None = None
        self._splunk: int | None = None  # descriptor of the sealed secrets
        self._scrubber = Scrubber(settings.notebook_secret_texts())
        self._watches: list[asyncio.Task[None]] = []
        self.deaths: Counter[str] = Counter(dict.fromkeys(DEATHS, 0))  # workers that ended unasked, by `outcome.DEATHS`

    async def start(self) -> None:
        """Look for GPUs, start to watch memory and to make spares."""
        self._guardian = Guardian()
        self._splunk = access.sealed(self._settings)
        await self._devices.find()
        self._watches = [asyncio.create_task(each) for each in (self._watch_memory(), self._devices.watch())]
        self._spares.request(Spec(self._settings.apply_threads))

    async def close(self) -> None:
        """End every worker and what it started; from now on no new one is started."""
        guardian, self._guardian = self._guardian, None
        self._spares.close()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await asyncio.gather(*(worker.end(CAUSE_STOPPED) for worker in self.workers()))
        if guardian is not None:
            await asyncio.to_thread(guardian.close)
        access.close(self._splunk)
        self._splunk = None

    def workers(self) -> list[LocalWorker]:
        """Return every worker that has not ended."""
        self._workers = {each for each in self._workers if not each.ended}
        return list(self._workers)

    def usage(self) -> PoolUsage:
        """Return the figures of all workers; reads /proc. May run in a thread: it changes nothing."""
        workers = [each for each in self._workers.copy() if not each.ended]
        busy = sum(each.phase != "idle" for each in workers)
        resident = memory.resident({each.pid for each in workers})
        waiting = self._residents.waiting + self._joined
        return PoolUsage(len(workers), busy, resident, waiting, self._fits_waiting.total())

    def gpus(self) -> list[Usage]:
        """Return each GPU's memory as of the last look."""
        return self._devices.usage()

    # ------------------------------------------------------------ fits

    @property
    def device_names(self) -> tuple[str, ...]:
        """The GPUs for fits, each for one at a time; none before `start`."""
        return self._devices.names

    def waits_for_gpu(self, imports: Collection[str]) -> bool:
        """Return whether a fit with these heavy imports waits for a GPU of its own."""
        return self._devices.wanted_by(imports)

    def has_room(self, imports: Collection[str]) -> bool:
        """Return whether a fit with these heavy imports would begin at once."""
        return self._has_turn(on_gpu=self.waits_for_gpu(imports))

    def _has_turn(self, *, on_gpu: bool) -> bool:
        return not (self._devices.places.all_taken if on_gpu else self._fit_turns.locked())

    @contextlib.asynccontextmanager
    async def fit_worker(
        self,
        algorithm: str,
        imports: tuple[str, ...],
        work: str,
        listener: Listener,
        *,
        background: bool = False,
        gpu: bool | None = None,
    ) -> AsyncIterator[LocalWorker]:
        """Start a fresh worker when it is this fit's turn; end it afterwards.

        The turn comes when a GPU is free or fewer than `DLTK_FIT_WORKERS` fits run.

        Args:
            algorithm: whose waiting fits are counted together.
            imports: heavy imports to have done.
            work: what it will do, for errors about GPU memory.
            listener: receives its events.
            background: whether nobody waits for it.
            gpu: whether it has a GPU of its own; None where its imports say so.

        Raises:
            Busy: too many fits of this algorithm wait already.
            WorkerDied: it could not start.
        """
        on_gpu = self.waits_for_gpu(imports) if gpu is None else gpu and bool(self._devices.names)
        if not self._has_turn(on_gpu=on_gpu) and self._fits_waiting[algorithm] >= self._settings.max_waiting:
            raise Busy(f"a fit of '{algorithm}'", self._fits_waiting[algorithm], "DLTK_MAX_WAITING")
        async with contextlib.AsyncExitStack() as held:
            self._fits_waiting[algorithm] += 1
            try:
                device = await held.enter_async_context(self._fit_turn(on_gpu=on_gpu))
            finally:
                self._fits_waiting[algorithm] -= 1
            async with self._fresh(Spec(self._settings.threads_of_fit, imports), listener) as worker:
                worker.device = device or self._devices.shared(self.workers())
                worker.work = work
                with worker.background.held(background):
                    yield worker

    @contextlib.asynccontextmanager
    async def _fit_turn(self, *, on_gpu: bool) -> AsyncIterator[str]:
        """Wait for a turn; yields the GPU that comes with it, if any."""
        if on_gpu:
            async with self._devices.places.taken() as device:
                yield device
        else:
            async with self._fit_turns:
                yield ""

    @contextlib.asynccontextmanager
    async def plain_worker(self) -> AsyncIterator[Worker]:
        """Start a worker for reading data without notebook code; end it afterwards.

        There is at most one per core at a time.

        Raises:
            WorkerDied: it could not start.
        """
        async with self._plain_turns, self._fresh(Spec(self._settings.apply_threads), SILENT) as worker:
            yield worker

    @contextlib.asynccontextmanager
    async def background_worker(self) -> AsyncIterator[Worker]:
        """Start a worker as `plain_worker` does, at the lowest priority and beside those.

        Raises:
            WorkerDied: it could not start.
        """
        async with self._fresh(Spec(self._settings.apply_threads), SILENT) as worker:
            with worker.background.held(True):
                yield worker

    def pause_background(self) -> None:
        """Stop the workers for whose work nobody waits, those that began since the last call too."""
        for worker in self.workers():
            worker.background.pause()

    def continue_background(self) -> None:
        """Continue them."""
        for worker in self.workers():
            worker.background.go_on()

    @contextlib.asynccontextmanager
    async def _fresh(self, spec: Spec, listener: Listener) -> AsyncIterator[LocalWorker]:
        worker = await self._worker(spec, listener)
        try:
            yield worker
        finally:
            await worker.end()

    # ------------------------------------------------------------ applies

    @contextlib.asynccontextmanager
    async def lease(
        self,
        version: VersionId,
        imports: Callable[[], tuple[str, ...]],
        output: Callable[[bytes], object],
        deadline: float,
        read_ahead: ReadAhead | None = None,
        client: Hashable = None,
        *,
        background: bool = False,
    ) -> AsyncIterator[Resident]:
        """Lease the worker that serves `version`.

        If its `loaded` is None, the caller loads the model and sets it.

        Args:
            version: what it must serve.
            imports: returns the heavy imports of its code, asked only for a new worker.
            output: takes what it prints.
            deadline: time of `time.monotonic` until which the request waits.
            read_ahead: rows that one of the workers has read, which is then preferred.
            client: who sent the request.
            background: whether nobody waits for it.

        Raises:
            Busy: too many requests for this algorithm wait already, or none was free before `deadline`.
            WorkerDied: a new worker could not start.
        """
        preferred = read_ahead.worker if isinstance(read_ahead, LocalReadAhead) else None
        resident = await self._residents.grant(version, deadline, preferred, client)
        try:
            if resident.process is None:
                spec = Spec(self._settings.apply_threads, imports())
                resident.process = await self._worker(spec, Listener(output))
                resident.process.device = self._devices.shared(self.workers())
                resident.process.work = f"version {version.number} of model '{version.model}' of '{version.algorithm}'"
            resident.process.print_to(output)
            with resident.process.background.held(background):
                yield resident
        except asyncio.CancelledError:
            resident.loaded = None  # it may still run the call: not usable for the next one
            raise
        finally:
            self._residents.give_back(resident)

    @contextlib.asynccontextmanager
    async def idle(self, version: VersionId) -> AsyncIterator[Worker | None]:
        """Lease an idle worker that serves `version`; yields None when there is none."""
        found = self._residents.take_idle(version)
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

    def join(self, change: int) -> None:
        """Note that `change` more requests wait behind another one, for the same turn of a worker."""
        self._joined += change

    def buffer(self) -> Buffer:
        """Make a buffer for rows that workers read without a copy."""
        return MemoryFile()

    def read_ahead(self, version: VersionId, rows: Buffer, expected: int) -> ReadAhead | None:
        """Have an idle worker of `version` parse arriving rows, about `expected` bytes.

        Returns None if no worker can.
        """
        worker = self._residents.reader(version)
        return worker.read_ahead(rows, expected) if worker is not None else None

    def versions_in_use(self, name: ModelName) -> set[int]:
        """Return the numbers of a model's versions that workers serve."""
        return self._residents.versions_in_use(name)

    def retire(self, name: ModelName, keep: Collection[int]) -> None:
        """End workers of a model's versions other than those of `keep`; busy ones after their answer."""
        self._residents.retire(name, keep)

    # ------------------------------------------------------------ workers

    async def _worker(self, spec: Spec, listener: Listener) -> LocalWorker:
        """Return a spare that fits, or a new worker, ready for its first call.

        Raises:
            WorkerDied: it could not start.
        """
        self._spares.request(spec)
        for _ in range(MAX_STARTS - 1):
            with contextlib.suppress(WorkerDied):  # not by the notebook, of which nothing has run yet
                return await self._made_ready(self._spares.take(spec) or self._start_worker(spec), listener)
        return await self._made_ready(self._start_worker(spec), listener)

    async def _made_ready(self, worker: LocalWorker, listener: Listener) -> LocalWorker:
        worker.listen(listener)
        try:
            await worker.ready()
        except asyncio.CancelledError:
            worker.kill()  # it has no other owner
            raise
        return worker

    def _start_worker(self, spec: Spec) -> LocalWorker:
        if self._guardian is None:
            raise WorkerDied(Death("was not started because the server stops", "start"))
        environ = worker_environment(self._settings, spec.threads) | access.variables(self._splunk)
        environ |= self._variables
        worker = LocalWorker.start(spec, environ, self._guardian, self._explained, self._scrubber)
        worker.on_death = lambda cause: self.deaths.update([cause])
        self._workers.add(worker)
        return worker

    async def _explained(self, error: ErrorReport, worker: LocalWorker) -> ErrorReport:
        """Name the holders of GPU memory in an out-of-memory error, while `worker` still exists."""
        return await self._devices.explained(error, worker, self.workers())

    async def _watch_memory(self) -> None:
        """End workers that use too much memory.

        Idle ones too: threads left by a request may continue to allocate.
        """
        limit = self._settings.worker_memory or memory.limit() * 8 // 10
        while True:
            await asyncio.sleep(MEMORY_CHECK_SECONDS)
            workers = {each.pid: each for each in self.workers() if each.usable}
            with contextlib.suppress(OSError):  # out of file descriptors: look again later
                used = await asyncio.to_thread(memory.over, limit, workers.keys())
                await asyncio.gather(
                    *(workers[pid].end(_cause_memory(size, limit), DEATH_MEMORY) for pid, size in used.items())
                )


def _cause_memory(used: int, limit: int) -> str:
    return f"used {used >> 20:,} MiB of memory, more than DLTK_WORKER_MEMORY ({limit >> 20:,} MiB),"
