"""The worker processes of one server: started, handed out ready, watched, and ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping

from dltk_runtime.pool import memory
from dltk_runtime.pool.devices import Devices
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import DEATH_MEMORY, DEATHS, Death, WorkerDied
from dltk_runtime.pool.spares import Spares
from dltk_runtime.pool.worker import Listener
from dltk_runtime.scrub import Scrubber
from dltk_runtime.settings import Settings
from dltk_runtime.splunk import access
from dltk_runtime.worker.messages import ErrorReport

MEMORY_CHECK_SECONDS = 0.25  # between two looks at the workers' memory
MAX_STARTS = 3  # workers that are started, one after another, when they end before they are ready
CAUSE_STOPPED = "was ended because the server stops"


class Workforce:
    """Every worker process, the spares among them. Use from one event loop: `start`, then `close`.

    `variables` are added to the environment of each worker; `quiet(seconds)` says whether nothing
    has asked for a worker so long, so that spares may be made.

    Attributes:
        devices: the GPUs.
        deaths: number of workers that ended unasked, by `outcome.DEATHS`.
    """

    def __init__(self, settings: Settings, variables: Mapping[str, str], quiet: Callable[[float], bool]) -> None:
        self.devices = Devices(settings.gpu_names)
        self.deaths: Counter[str] = Counter(dict.fromkeys(DEATHS, 0))
        self._settings = settings
        self._variables = variables
        self._workers: set[LocalWorker] = set()
        self._spares = Spares(self._start_worker, settings.spares, quiet)
        self._guardian: Guardian | None = None
        self._splunk: int | None = None  # descriptor of the sealed secrets
        self._scrubber = Scrubber(settings.notebook_secret_texts())
        self._watches: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look for GPUs, start to watch memory and to make spares."""
        self._guardian = Guardian()
        self._splunk = access.sealed(self._settings)
        await self.devices.find()
        self._watches = [asyncio.create_task(each) for each in (self._watch_memory(), self.devices.watch())]
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

    def figures(self) -> tuple[int, int, int]:
        """Return the number of workers, of those with a call, and their memory in bytes, with children.

        Reads /proc. May run in a thread: it changes nothing.
        """
        workers = [each for each in self._workers.copy() if not each.ended]
        busy = sum(each.phase != "idle" for each in workers)
        return len(workers), busy, memory.resident({each.pid for each in workers})

    async def worker(self, spec: Spec, listener: Listener) -> LocalWorker:
        """Return a spare that fits, or a new worker, ready for its first call.

        Raises:
            WorkerDied: it could not start.
        """
        self._spares.request(spec)
        for _ in range(MAX_STARTS - 1):
            with contextlib.suppress(WorkerDied):  # not by the notebook, of which nothing has run yet
                return await self._made_ready(self._spares.take(spec) or self._start_worker(spec), listener)
        return await self._made_ready(self._start_worker(spec), listener)

    @contextlib.asynccontextmanager
    async def fresh(self, spec: Spec, listener: Listener) -> AsyncIterator[LocalWorker]:
        """Start a worker as `worker` does; end it afterwards."""
        worker = await self.worker(spec, listener)
        try:
            yield worker
        finally:
            await worker.end()

    def pause_background(self) -> None:
        """Stop the workers for whose work nobody waits, those that began since the last call too."""
        for worker in self.workers():
            worker.background.pause()

    def continue_background(self) -> None:
        """Continue them."""
        for worker in self.workers():
            worker.background.go_on()

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
        return await self.devices.explained(error, worker, self.workers())

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
