"""Who runs where: fits in fresh workers, applies in workers that stay, spares that wait for either.

An apply worker serves one version of one model in one code state. It is leased for one request
at a time; when nobody holds it, it stays until the code on disk changes or its place is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.errors import Busy
from dltk_runtime.notebook import unchanged
from dltk_runtime.settings import GIB, Settings, worker_environment
from dltk_runtime.worker import memory
from dltk_runtime.worker.messages import Loaded
from dltk_runtime.worker.process import Sink, Spec, Worker, WorkerDied

WATCH_EVERY = 0.25  # seconds between two looks at the workers' memory
REFILL_AFTER = 0.2  # seconds a lease has the processor to itself before a spare is started


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
            and not self.worker.ended
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
        self._fitting: set[Worker] = set()
        self._fit_slots = asyncio.Semaphore(settings.fit_slots)
        self._fits_waiting: Counter[str] = Counter()
        self._spares: list[Worker] = []
        self._recent: OrderedDict[Spec, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = settings.apply_workers or min(max(memory.limit() // GIB, 2), 16)
        self._refilling = asyncio.Lock()
        self._closing = False

    async def start(self) -> None:
        """Begin to watch memory and to make spares."""
        self._background(self._watch_memory())
        self._wish_for(Spec(self._settings.apply_threads))

    async def close(self) -> None:
        """End every worker."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end("was ended because the server stops") for worker in self.workers()))

    def workers(self) -> list[Worker]:
        """Every worker there is."""
        serving = [each.worker for each in self._residents if each.worker is not None]
        return [each for each in (*serving, *self._fitting, *self._spares) if not each.ended]

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
        """A worker that runs no notebook code, for reading data; ended afterwards."""
        async with self._fresh(Spec(self._settings.apply_threads), discard) as worker:
            yield worker

    @contextlib.asynccontextmanager
    async def _fresh(self, spec: Spec, sink: Sink) -> AsyncIterator[Worker]:
        worker = await self._worker(spec, sink)
        self._fitting.add(worker)
        try:
            yield worker
        finally:
            self._fitting.discard(worker)
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
            resident.worker.sink = sink
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
        """End the idle workers that serve other versions of a model than `keep`."""
        for resident in self._of(algorithm, model):
            if resident.key.version != keep and not resident.busy:
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
            resident.worker.sink = discard
        self._dispatch()

    def _dismiss(self, resident: Resident) -> None:
        self._residents.remove(resident)
        if resident.worker is not None:
            resident.worker.kill()

    # ------------------------------------------------------------ spares

    async def _worker(self, spec: Spec, sink: Sink) -> Worker:
        """A spare that fits, or a new worker; either way another spare is made later."""
        worker = self._spare(spec)
        self._wish_for(spec)
        if worker is not None:
            worker.sink = sink
            with contextlib.suppress(WorkerDied):
                await worker.ready()
                return worker
        return await Worker.start(spec, worker_environment(self._settings, spec.threads), sink)

    def _spare(self, spec: Spec) -> Worker | None:
        """The best spare for `spec`: the same imports, or a part of them."""
        fitting = [
            each
            for each in self._spares
            if not each.ended and each.spec.threads == spec.threads and set(each.spec.imports) <= set(spec.imports)
        ]
        best = max(fitting, key=lambda each: len(each.spec.imports), default=None)
        if best is not None:
            self._spares.remove(best)
        return best

    def _wish_for(self, spec: Spec) -> None:
        self._recent[spec] = None
        self._recent.move_to_end(spec)
        while len(self._recent) > max(self._settings.spares, 1):
            self._recent.popitem(last=False)
        if not self._closing:
            self._background(self._refill())

    async def _refill(self) -> None:
        """Bring the spares to what the most recent requests needed, one at a time."""
        await asyncio.sleep(REFILL_AFTER)
        async with self._refilling:
            await self._bring_spares_to_wish()

    async def _bring_spares_to_wish(self) -> None:
        wanted = list(itertools.islice(itertools.cycle(reversed(self._recent)), self._settings.spares))
        alive = [each for each in self._spares if not each.ended]
        self._spares = []
        for worker in alive:
            if worker.spec in wanted:
                wanted.remove(worker.spec)
                self._spares.append(worker)
            else:
                worker.kill()
        for spec in wanted:
            if not memory.enough():
                return
            environ = worker_environment(self._settings, spec.threads)
            self._spares.append(await Worker.start(spec, environ, discard, wait=False))

    # ------------------------------------------------------------ watching

    async def _watch_memory(self) -> None:
        limit = self._settings.worker_memory or memory.limit() * 8 // 10
        while True:
            await asyncio.sleep(WATCH_EVERY)
            for worker in self.workers():
                if worker.calling and (used := memory.used_by(worker.pid)) > limit:
                    cause = f"used {used >> 20:,} MiB of memory, more than DLTK_WORKER_MEMORY ({limit >> 20:,} MiB),"
                    self._background(worker.end(cause))

    def _background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def discard(text: bytes) -> None:
    """The sink of a worker that nobody holds: what threads left behind print belongs to no job."""
