"""Compare two answers in a process of its own, which stays while there is work."""

from __future__ import annotations

import contextlib
import time

from dltk_runtime.payload import Payload
from dltk_runtime.pool.outcome import WorkerDied, expect
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Worker
from dltk_runtime.tables.figures import TableFigures
from dltk_runtime.worker.messages import Compare, Compared

COMPARE_SECONDS = 600.0  # that one comparison may take
SETTING = "DLTK_SHADOW_ROWS"  # that makes it shorter


class TableComparer:
    """Compares tables in a worker at the lowest priority; use from one task."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held = contextlib.AsyncExitStack()
        self._worker: Worker | None = None

    async def compare(self, first: bytes, second: bytes) -> TableFigures:
        """Compare two tables, each a JSON string literal that holds CSV.

        Raises:
            WorkerDied: the comparison took too much memory or time.
            AlgorithmFailed: one of them is no CSV.
        """
        if self._worker is None:
            self._worker = await self._held.enter_async_context(self._pool.background_worker())
        rows, deadline = Payload(first + second, escaped=True), time.monotonic() + COMPARE_SECONDS
        try:
            reply, _ = await self._worker.call(Compare(len(first)), rows, deadline=deadline, setting=SETTING)
        except WorkerDied:
            await self.rest()
            raise
        return expect(reply, Compared).figures

    async def rest(self) -> None:
        """End the worker; the next comparison starts one."""
        self._worker = None
        await self._held.aclose()
