"""What a lease hands out where the worker is busy: the one call that follows another."""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.pool.following import Following
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.worker import Answer, Listener, ReadAhead
from dltk_runtime.worker.messages import Answered


class Follower:
    """A busy worker, for one call behind the one that runs. Implements `worker.Worker`."""

    def __init__(self, worker: LocalWorker, following: Following) -> None:
        self._worker = worker
        self._following = following

    @property
    def device(self) -> str:
        """The GPU that the worker sees."""
        return self._worker.device

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase of the call that ended last."""
        return self._worker.phases

    def listen(self, listener: Listener) -> None:
        """Send events to `listener` from now on."""
        self._worker.listen(listener)

    async def call(self, message: Answered, rows: Payload = NO_ROWS, *, deadline: float, setting: str) -> Answer:
        """Send a request behind the one that runs, and wait for its answer.

        Raises:
            Moved: it was taken back, and has not run.
            WorkerDied: the worker ended, or was ended at its deadline, while this request ran.
        """
        return await self._worker.call(message, rows, deadline=deadline, setting=setting, following=self._following)

    def read_ahead(self, rows: Buffer, expected: int) -> ReadAhead | None:
        """Start to parse arriving rows."""
        return self._worker.read_ahead(rows, expected)

    async def end(self, cause: str = "") -> None:
        """End the process."""
        await self._worker.end(cause)
