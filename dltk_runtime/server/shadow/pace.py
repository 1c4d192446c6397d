"""Our own work in the shadow stops while a forwarded request is open and cores are short.

Cores are short when as many processes run as this container may use cores, ourselves not counted.
The kernel counts those of the whole machine, so a busy neighbour stops our work too: too much
rather than too little.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from dltk_runtime.settings import cores

LOOK_SECONDS = 0.05  # between two looks while a request is open
REST_SECONDS = 2.0  # that a stop lasts, unless the last open request ends before
GAP_SECONDS = 0.1  # without a forwarded request, after which this process begins work of its own
MOST_GAP_SECONDS = 5.0  # that it waits for such a gap
LOAD = Path("/proc/loadavg")  # proc(5): its fourth field is "processes that run / all"


def running_processes() -> int:
    """Return how many processes of this machine want to run now, without this one."""
    return int(LOAD.read_text().split()[3].partition("/")[0]) - 1


def short_of_cores() -> bool:
    """Return whether one more process would wait for a core."""
    return running_processes() >= cores()


class Pace:
    """Stops and continues our own work.

    Args:
        stop: stops what runs of it; called again while it is to stay stopped, for what began since.
        go_on: continues it.
        is_short: whether cores are short.
    """

    def __init__(
        self, stop: Callable[[], None], go_on: Callable[[], None], is_short: Callable[[], bool] = short_of_cores
    ) -> None:
        self._stop = stop
        self._go_on = go_on
        self._is_short = is_short
        self._open = 0
        self._opened = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._free = asyncio.Event()
        self._free.set()
        self._since = 0.0
        self._closed = 0.0  # when the last open request was answered
        self.stops = 0  # so far

    def opened(self) -> None:
        """Note that a request is forwarded from now on."""
        self._open += 1
        self._opened.set()
        self._quiet.clear()
        self._look()

    def closed(self) -> None:
        """Note that one has been answered."""
        self._open -= 1
        if not self._open:
            self._opened.clear()
            self._quiet.set()
            self._closed = time.monotonic()
            self._continue()

    async def free(self) -> None:
        """Wait until our own work may begin."""
        await self._free.wait()

    async def gap(self) -> None:
        """Wait for `GAP_SECONDS` without a forwarded request, and `MOST_GAP_SECONDS` at most.

        What follows keeps this process itself busy, such as decoding a large body.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MOST_GAP_SECONDS):
                while (left := self._closed + GAP_SECONDS - time.monotonic()) > 0 or not self._quiet.is_set():
                    await self._quiet.wait()
                    await asyncio.sleep(max(left, 0))

    async def quiet(self) -> None:
        """Wait until no forwarded request is open."""
        await self._quiet.wait()

    async def run(self) -> None:
        """Look again and again while a request is open, until cancelled."""
        while True:
            await self._opened.wait()
            await asyncio.sleep(LOOK_SECONDS)
            if self._open:
                self._look()

    def _look(self) -> None:
        stopped = not self._free.is_set()
        if stopped and time.monotonic() - self._since < REST_SECONDS:
            self._stop()
        elif self._is_short():
            self.stops += not stopped
            self._free.clear()
            self._since = time.monotonic()
            self._stop()
        else:
            self._continue()

    def _continue(self) -> None:
        if not self._free.is_set():
            self._free.set()
            self._go_on()
