"""Which worker runs what: fits in fresh workers, applies in workers that stay, spares for either.

An apply worker serves one version of one model in one code state. It is leased for one request
at a time; between two leases it stays until the code on disk changes or its place is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import Buffer
from dltk_runtime.pool import memory
from dltk_runtime.pool.devices import DeviceUsage
from dltk_runtime.pool.following import Following
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.read_ahead import LocalReadAhead
from dltk_runtime.pool.resident import Resident
from dltk_runtime.pool.residents import Residents
from dltk_runtime.pool.worker import SILENT, Listener, ReadAhead, Worker
from dltk_runtime.pool.workforce import Workforce
from dltk_runtime.settings import Settings, cores
from dltk_runtime.units import GIB
from dltk_runtime.worker.memory_file import MemoryFile


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
        places = settings.apply_workers or min(max(memory.limit() // GIB, 2), 16)
        self._residents = Residents(places, settings.api_workers, settings.max_waiting)
        self._workforce = Workforce(settings, variables, self._residents.quiet)
        self._devices = self._workforce.devices
        self._fit_turns = asyncio.Semaphore(settings.fit_slots)
        self._fits_waiting: Counter[str] = Counter()
        self._joined = 0  # requests that wait behind another, for the same turn of a worker
        self._plain_turns = asyncio.Semaphore(cores())

    async def start(self) -> None:
        """Look for GPUs, start to watch memory and to make spares."""
        await self._workforce.start()

    async def close(self) -> None:
        """End every worker and what it started; from now on no new one is started."""
        await self._workforce.close()

    def workers(self) -> list[LocalWorker]:
        """Return every worker that has not ended."""
        return self._workforce.workers()

    @property
    def deaths(self) -> Mapping[str, int]:
        """The number of workers that ended unasked, by `outcome.DEATHS`."""
        return self._workforce.deaths

    def usage(self) -> PoolUsage:
        """Return the figures of all workers; reads /proc. May run in a thread: it changes nothing."""
        waiting = self._residents.waiting + self._joined
        return PoolUsage(*self._workforce.figures(), waiting, self._fits_waiting.total())

    def gpus(self) -> list[DeviceUsage]:
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

    def has_place(self, *, gpu: bool) -> bool:
        """Return whether a fit that needs a GPU of its own, or none, would begin at once."""
        return self._has_turn(on_gpu=gpu and bool(self._devices.names))

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
            async with self._workforce.fresh(Spec(self._settings.threads_of_fit, imports), listener) as worker:
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
        async with self._plain_turns, self._workforce.fresh(Spec(self._settings.apply_threads), SILENT) as worker:
            yield worker

    @contextlib.asynccontextmanager
    async def background_worker(self) -> AsyncIterator[Worker]:
        """Start a worker as `plain_worker` does, at the lowest priority and beside those.

        Raises:
            WorkerDied: it could not start.
        """
        async with self._workforce.fresh(Spec(self._settings.apply_threads), SILENT) as worker:
            with worker.background.held(True):
                yield worker

    def pause_background(self) -> None:
        """Stop the workers for whose work nobody waits, those that began since the last call too."""
        self._workforce.pause_background()

    def continue_background(self) -> None:
        """Continue them."""
        self._workforce.continue_background()

    # ------------------------------------------------------------ applies

    @contextlib.asynccontextmanager
    async def lease(
        self,
        version: VersionId,
        imports: Callable[[], Awaitable[tuple[str, ...]]],
        output: Callable[[bytes], object],
        deadline: float,
        read_ahead: ReadAhead | None = None,
        client: Hashable = None,
        *,
        background: bool = False,
        following: Following | None = None,
    ) -> AsyncIterator[Resident]:
        """Lease the worker that serves `version`.

        If its `loaded` is None, the caller loads the model and sets it. If the request follows another
        one (`following.now`), its one call is made through a `Follower`.

        Args:
            version: what it must serve.
            imports: returns the heavy imports of its code, asked only for a new worker.
            output: takes what it prints.
            deadline: time of `time.monotonic` until which the request waits.
            read_ahead: rows that one of the workers has read, which is then preferred.
            client: who sent the request.
            background: whether nobody waits for it.
            following: set where the request makes one call, which may follow another one or be followed.

        Raises:
            Busy: too many requests for this algorithm wait already, or none was free before `deadline`.
            WorkerDied: a new worker could not start.
        """
        preferred = read_ahead.worker if isinstance(read_ahead, LocalReadAhead) else None
        resident = await self._residents.grant(version, deadline, preferred, client, following)
        follows = following is not None and following.now
        try:
            if resident.process is None:
                resident.process = await self._started(version, await imports(), output)
            if not follows:
                resident.process.print_to(output)
            with resident.process.background.held(background):
                yield resident
        finally:
            self._residents.give_back(resident)

    async def _started(
        self, version: VersionId, imports: tuple[str, ...], output: Callable[[bytes], object]
    ) -> LocalWorker:
        """Start the worker of a resident, or take a spare one."""
        worker = await self._workforce.worker(Spec(self._settings.apply_threads, imports), Listener(output))
        worker.device = self._devices.shared(self.workers())
        worker.work = f"version {version.number} of model '{version.model}' of '{version.algorithm}'"
        return worker

    @contextlib.asynccontextmanager
    async def idle(self, version: VersionId) -> AsyncIterator[Worker | None]:
        """Lease an idle worker that serves `version`; yields None when there is none."""
        found = self._residents.take_idle(version)
        if found is None:
            yield None
            return
        try:
            yield found.worker
        finally:
            self._residents.give_back(found)

    @property
    def apply_places(self) -> tuple[int, int]:
        """Number of places for apply workers, and of those with one."""
        return self._residents.places

    @property
    def versions_served(self) -> list[VersionId]:
        """The versions that apply workers have."""
        return self._residents.versions

    def join(self, change: int) -> None:
        """Note that `change` more requests wait behind another one, for the same turn of a worker."""
        self._joined += change

    def buffer(self) -> Buffer:
        """Make a buffer for rows that workers read without a copy."""
        return MemoryFile()

    def read_ahead(self, version: VersionId, rows: Buffer, expected: int) -> ReadAhead | None:
        """Have an idle worker of `version` parse arriving rows, about `expected` bytes; None if no worker can."""
        worker = self._residents.reader(version)
        return worker.read_ahead(rows, expected) if worker is not None else None

    def versions_in_use(self, name: ModelName) -> set[int]:
        """Return the numbers of a model's versions that workers serve."""
        return self._residents.versions_in_use(name)

    def retire(self, name: ModelName, keep: Collection[int]) -> None:
        """End workers of a model's versions other than those of `keep`; busy ones after their answer."""
        self._residents.retire(name, keep)
