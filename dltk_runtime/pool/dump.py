"""The stack of a worker, which faulthandler writes into a memory file.

It is written at a crash, or when the front process requests it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable

from dltk_runtime.worker.options import DUMP_SIGNAL

DUMP_SECONDS = 0.3  # that a worker has to write its stack before it is ended
MAX_DUMP_BYTES = 64 * 1024  # that are read of a dump


class StackDump:
    """The memory file that a worker's faulthandler writes to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def clear(self) -> None:
        """Discard what was written before."""
        os.ftruncate(self._descriptor, 0)

    def text(self) -> str:
        """Return what was written."""
        return os.pread(self._descriptor, MAX_DUMP_BYTES, 0).decode(errors="replace")

    async def request(self, pid: int, ended: Callable[[], bool]) -> None:
        """Have the process write its stack; wait until that is complete or it has `ended`."""
        self.clear()  # of what a child of the worker wrote earlier
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, DUMP_SIGNAL)
        deadline, size = time.monotonic() + DUMP_SECONDS, 0
        while time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            if ended():
                return
            size, last = os.fstat(self._descriptor).st_size, size
            if size and size == last:
                return

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
