"""Which worker serves which model, and who waits for one.

::

    request ──> grant ──┬─ a resident of its key is idle and serving ──> it is busy
                        ├─ there is room, or an idle one makes room  ──> a new resident
                        └─ else it waits until one is given back
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from dltk_runtime.errors import Busy
from dltk_runtime.files.state import unchanged
from dltk_runtime.names import Key
from dltk_runtime.pool.process import Worker, discard
from dltk_runtime.worker.messages import Loaded


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
    def able(self) -> bool:
        """Whether it can answer for the code that it has loaded."""
        return self.worker is not None and self.worker.usable and not self.retired and self.loaded is not None

    @property
    def serving(self) -> bool:
        """Whether it can answer for the code that is on disk now."""
        return self.able and self.loaded is not None and unchanged(self.loaded.states)


@dataclass(eq=False)
class _Waiting:
    key: Key
    granted: asyncio.Future[Resident]
    wanted: Worker | None


class Residents:
    """At most `places` apply workers, and `each` for one key; a request waits for one in the order it came."""

    def __init__(self, places: int, each: int, max_waiting: int) -> None:
        self._places = places
        self._each = each
        self._max_waiting = max_waiting
        self._all: list[Resident] = []
        self._waiting: deque[_Waiting] = deque()

    async def grant(self, key: Key, deadline: float, wanted: Worker | None = None) -> Resident:
        """A resident that serves `key`, or a new one without a worker, for this request alone until it gives it back.

        The one with the worker `wanted` goes before others that have nothing to do either.

        Raises:
            Busy: too many requests for this algorithm wait already, or none was free before `deadline`.
        """
        if not self._waiting and (idle := self.take_idle(key, wanted)) is not None:
            return idle
        ahead = sum(1 for each in self._waiting if each.key.algorithm == key.algorithm)
        waiting = _Waiting(key, asyncio.get_running_loop().create_future(), wanted)
        self._waiting.append(waiting)
        self._dispatch()
        if not waiting.granted.done() and ahead >= self._max_waiting:
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

    def take_idle(self, key: Key, wanted: Worker | None = None) -> Resident | None:
        """A resident that serves `key` and has nothing to do, for the caller alone until it gives it back.

        The one with the worker `wanted`, if it is among them, else rather one that reads no other request's rows.
        """
        idle = self._idle(key)
        found = min(idle, key=lambda each: (each.worker is not wanted, each.the_worker.reading), default=None)
        if found is not None:
            found.busy = True
        return found

    def reader(self, key: Key) -> Worker | None:
        """A worker that serves `key`, has nothing to do, and may read rows ahead; it stays free for others."""
        return next((each.the_worker for each in self._idle(key) if not each.the_worker.reading), None)

    def _idle(self, key: Key) -> list[Resident]:
        return [each for each in self._all if each.key == key and not each.busy and each.serving]

    def give_back(self, resident: Resident) -> None:
        """The request is answered: the resident stays for the next one, or ends when it cannot serve it."""
        resident.busy, resident.used = False, time.monotonic()
        if not resident.able:
            self._dismiss(resident)
        elif resident.worker is not None:
            resident.worker.print_to(discard)
        self._dispatch()

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
        return [each for each in self._all if (each.key.algorithm, each.key.model) == (algorithm, model)]

    def _forget(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.granted.done() and not waiting.granted.cancelled():
            self.give_back(waiting.granted.result())

    def _dispatch(self) -> None:
        without = set[Key]()  # keys for which there is nothing now
        for waiting in list(self._waiting):
            if waiting.granted.done():
                self._waiting.remove(waiting)
            elif waiting.key in without:
                continue
            elif (resident := self._find(waiting)) is not None:
                self._waiting.remove(waiting)
                waiting.granted.set_result(resident)
            else:
                without.add(waiting.key)

    def _find(self, waiting: _Waiting) -> Resident | None:
        key = waiting.key
        if (resident := self.take_idle(key, waiting.wanted)) is not None:
            return resident
        same = [each for each in self._all if each.key == key]
        for resident in same:
            if not resident.busy:
                self._dismiss(resident)
        if sum(each.busy for each in same) >= self._each or not self._make_room():
            return None
        resident = Resident(key)
        self._all.append(resident)
        return resident

    def _make_room(self) -> bool:
        if len(self._all) < self._places:
            return True
        idle = [each for each in self._all if not each.busy]
        if not idle:
            return False
        self._dismiss(min(idle, key=lambda each: each.used))
        return True

    def _dismiss(self, resident: Resident) -> None:
        self._all.remove(resident)
        if resident.worker is not None:
            resident.worker.kill()
