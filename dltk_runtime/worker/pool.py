"""Who runs where: fits in fresh workers, applies in workers that stay, spares that wait for either.

An apply worker serves one version of one model in one code state. It is leased for one request
at a time; when nobody holds it, it stays until the code on disk changes or its place is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from dltk_runtime.errors import Busy
from dltk_runtime.notebook import unchanged
from dltk_runtime.settings import GIB, Settings, cores, worker_environment
from dltk_runtime.worker import memory
from dltk_runtime.worker.death import Death, WorkerDied
from dltk_runtime.worker.guardian import Guardian
from dltk_runtime.worker.messages import Loaded
from dltk_runtime.worker.process import Sink, Spec, Worker, discard
from dltk_runtime.worker.spares import Spares

WATCH_EVERY = 0.25  # seconds between two looks at the workers' memory
STOPPED = "was ended because the server stops"


@dataclass(frozen=True, slots=True)
class Key:
    """What an apply worker serves."""

    algorithm: str
    model: str
    version: int


@dataclass(eq=False)
class Resident:
    """An apply worker and what it has loaded."""

    key: Key
    worker: Worker | None = None
    loaded: Loaded | None = None
    busy: bool = True
    retired: bool = False  # its version is no longer current: it ends when it is given back
    used: float = field(default_factory=time.monotonic)

    @property
    def the_worker(self) -> Worker:
        """The worker of a leased resident.

        Raises:
            RuntimeError: it is not leased.
        """
        if self.worker is None:
            raise RuntimeError("a resident has its worker while it is leased")
        return self.worker

    @property
    def serving(self) -> bool:
        """Whether it can answer for the code that is on disk now."""
        return (
            self.worker is not None
            and self.worker.usable
            and not self.retired
            and self.loaded is not None
            and unchanged(self.loaded.states)
        )


@dataclass(eq=False)
class _Waiting:
    key: Key
    granted: asyncio.Future[Resident]


class Pool:
    """All workers of one server. Use from one event loop: `start`, then leases, then `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._residents: list[Resident] = []
        self._waiting: deque[_Waiting] = deque()
        self._workers: set[Worker] = set()
        self._fit_slots = asyncio.Semaphore(settings.fit_slots)
        self._fits_waiting: Counter[str] = Counter()
        self._plain_slots = asyncio.Semaphore(cores())
        self._spares = Spares(self._start_worker, settings.spares)
        self._places = settings.apply_workers or min(max(memory.limit() // GIB, 2), 16)
        self._guardian: Guardian | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch memory and to make spares."""
        self._guardian = Guardian()
        self._watch = asyncio.create_task(self._watch_memory())
        self._spares.wish_for(Spec(self._settings.apply_threads))

    async def close(self) -> None:
        """End every worker and what it started; from now on there are no new ones."""
        guardian, self._guardian = self._guardian, None
        self._spares.close()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await asyncio.gather(*(worker.end(STOPPED) for worker in self.workers()))
        if guardian is not None:
            await asyncio.to_thread(guardian.close)

    def workers(self) -> list[Worker]:
        """Every worker there is."""
        self._workers = {each for each in self._workers if not each.ended}
        return list(self._workers)

    # ------------------------------------------------------------ fits

    @contextlib.asynccontextmanager
    async def fit_worker(self, algorithm: str, imports: tuple[str, ...], sink: Sink) -> AsyncIterator[Worker]:
        """A fresh worker, ended afterwards, as soon as fewer than `DLTK_FIT_WORKERS` fits run.

        Raises:
            Busy: too many fits of this algorithm wait already.
            WorkerDied: it could not start.
        """
        if self._fit_slots.locked() and self._fits_waiting[algorithm] >= self._settings.max_waiting:
            raise Busy(f"a fit of '{algorithm}'", self._fits_waiting[algorithm], "DLTK_MAX_WAITING")
        self._fits_waiting[algorithm] += 1
        try:
            await self._fit_slots.acquire()
        finally:
            self._fits_waiting[algorithm] -= 1
        try:
            async with self._fresh(Spec(self._settings.threads_of_fit, imports), sink) as worker:
                yield worker
        finally:
            self._fit_slots.release()

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
        self, key: Key, imports: Callable[[], tuple[str, ...]], sink: Sink, deadline: float
    ) -> AsyncIterator[Resident]:
        """The worker that serves `key`; when `loaded` is None the caller loads the model and sets it.

        Raises:
            Busy: too many requests for this algorithm wait already, or none was free before `deadline`.
            WorkerDied: a new worker could not start.
        """
        resident = await self._grant(key, deadline)
        try:
            if resident.worker is None:
                resident.worker = await self._worker(Spec(self._settings.apply_threads, imports()), sink)
            resident.worker.print_to(sink)
            yield resident
        except asyncio.CancelledError:
            resident.loaded = None  # it may still be at work: of no use to the next one
            raise
        finally:
            self._give_back(resident)

    @contextlib.asynccontextmanager
    async def idle(self, key: Key) -> AsyncIterator[Worker | None]:
        """A worker that serves `key` and has nothing to do; None when there is none."""
        found = next((each for each in self._residents if each.key == key and not each.busy and each.serving), None)
        if found is None:
            yield None
            return
        found.busy = True
        try:
            yield found.worker
        except asyncio.CancelledError:
            found.loaded = None
            raise
        finally:
            self._give_back(found)

    def versions_in_use(self, algorithm: str, model: str) -> set[int]:
        """The versions of a model that workers serve."""
        return {each.key.version for each in self._of(algorithm, model)}

    def retire(self, algorithm: str, model: str, keep: int) -> None:
        """End the workers that serve other versions of a model than `keep`, the busy ones when they have answered."""
        for resident in self._of(algorithm, model):
            if resident.key.version != keep:
                resident.retired = True
                if not resident.busy:
                    self._dismiss(resident)
        self._dispatch()

    def _of(self, algorithm: str, model: str) -> list[Resident]:
        return [each for each in self._residents if (each.key.algorithm, each.key.model) == (algorithm, model)]

    async def _grant(self, key: Key, deadline: float) -> Resident:
        ahead = sum(1 for each in self._waiting if each.key.algorithm == key.algorithm)
        waiting = _Waiting(key, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._dispatch()
        if not waiting.granted.done() and ahead >= self._settings.max_waiting:
            self._waiting.remove(waiting)
            raise Busy(f"'{key.algorithm}'", ahead, "DLTK_MAX_WAITING")
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                return await waiting.granted
        except TimeoutError as error:
            self._forget(waiting)
            raise Busy(f"'{key.algorithm}'", ahead + 1, "DLTK_APPLY_TIMEOUT or DLTK_APPLY_WORKERS") from error
        except asyncio.CancelledError:
            self._forget(waiting)
            raise

    def _forget(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.granted.done() and not waiting.granted.cancelled():
            self._give_back(waiting.granted.result())

    def _dispatch(self) -> None:
        for waiting in list(self._waiting):
            if waiting.granted.done():
                self._waiting.remove(waiting)
            elif (resident := self._find(waiting.key)) is not None:
                self._waiting.remove(waiting)
                waiting.granted.set_result(resident)

    def _find(self, key: Key) -> Resident | None:
        same = [each for each in self._residents if each.key == key]
        for resident in same:
            if not resident.busy and resident.serving:
                resident.busy = True
                return resident
        for resident in same:
            if not resident.busy:
                self._dismiss(resident)
        if sum(each.busy for each in same) >= self._settings.api_workers or not self._make_room():
            return None
        resident = Resident(key)
        self._residents.append(resident)
        return resident

    def _make_room(self) -> bool:
        if len(self._residents) < self._places:
            return True
        idle = [each for each in self._residents if not each.busy]
        if not idle:
            return False
        self._dismiss(min(idle, key=lambda each: each.used))
        return True

    def _give_back(self, resident: Resident) -> None:
        resident.busy, resident.used = False, time.monotonic()
        if not resident.serving:
            self._dismiss(resident)
        elif resident.worker is not None:
            resident.worker.print_to(discard)
        self._dispatch()

    def _dismiss(self, resident: Resident) -> None:
        self._residents.remove(resident)
        if resident.worker is not None:
            resident.worker.kill()

    # ------------------------------------------------------------ workers

    async def _worker(self, spec: Spec, sink: Sink) -> Worker:
        """A spare that fits, or a new worker, ready for its first call.

        Raises:
            WorkerDied: it could not start.
        """
        spare = self._spares.take(spec)
        self._spares.wish_for(spec)
        if spare is not None:
            with contextlib.suppress(WorkerDied):  # its start failed: that of a new one will say why
                return await self._made_ready(spare, sink)
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
        worker = Worker.start(spec, worker_environment(self._settings, spec.threads), self._guardian)
        self._workers.add(worker)
        return worker

    async def _watch_memory(self) -> None:
        """End workers that use too much, also idle ones: threads that a request left behind may go on to allocate."""
        limit = self._settings.worker_memory or memory.limit() * 8 // 10
        while True:
            await asyncio.sleep(WATCH_EVERY)
            workers = {each.pid: each for each in self.workers() if each.usable}
            used = await asyncio.to_thread(memory.over, limit, workers.keys())
            await asyncio.gather(*(workers[pid].end(_too_much(size, limit)) for pid, size in used.items()))


def _too_much(used: int, limit: int) -> str:
    return f"used {used >> 20:,} MiB of memory, more than DLTK_WORKER_MEMORY ({limit >> 20:,} MiB),"
