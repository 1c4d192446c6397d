"""Which worker serves which version, and which request waits for one.

::

    request ──> grant ──┬─ a resident of its version is idle and serving ──> it is busy
                        ├─ there is room, or an idle one makes room      ──> a new resident
                        ├─ one is busy with a quick request alone        ──> it follows that (`following.py`),
                        │                                                    if no earlier one waits for the place
                        └─ else it waits until one is given back

Each client has its turn: of the requests that wait for one model, the first of every client comes
before the second of any.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.pool.following import Following, Place
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.resident import Resident
from dltk_runtime.pool.worker import discard

_Key = tuple[str, str, int]  # algorithm, model and number: it is compared and hashed for each request


def _key(version: VersionId) -> _Key:
    return version.name.algorithm, version.name.model, version.number


@dataclass(eq=False)
class _Waiting:
    key: _Key  # of `version`
    version: VersionId
    granted: asyncio.Future[Resident]
    preferred: object | None
    client: Hashable
    place: Place
    following: Following | None  # where it may follow another one


class Residents:
    """At most `places` apply workers, and `each` for one version.

    Models wait for one in the order in which requests for them came. Among the requests for one
    model, clients take turns; those of one client keep their order.
    """

    def __init__(self, places: int, each: int, max_waiting: int) -> None:
        self._places = places
        self._each = each
        self._max_waiting = max_waiting
        self._all: list[Resident] = []
        self._waiting: list[_Waiting] = []
        self._turns: dict[
            tuple[str, str], int
        ] = {}  # by algorithm and model: reached by models for which requests wait
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a resident, or follow another one."""
        return len(self._waiting) + sum(each.leases > 1 for each in self._all)

    @property
    def places(self) -> tuple[int, int]:
        """Number of places, and of those with a resident."""
        return self._places, len(self._all)

    @property
    def versions(self) -> list[VersionId]:
        """The versions that residents serve, each once."""
        return list(dict.fromkeys(each.version for each in self._all))

    def quiet(self, seconds: float) -> bool:
        """Return whether no resident answered a request in the last `seconds`, and none does."""
        since = time.monotonic() - seconds
        return not any(each.busy or each.used > since for each in self._all)

    async def grant(
        self,
        version: VersionId,
        deadline: float,
        preferred: object | None = None,
        client: Hashable = None,
        following: Following | None = None,
    ) -> Resident:
        """Return a resident for this request: one that serves `version`, or one without a worker.

        Args:
            version: what it must serve.
            deadline: time of `time.monotonic` until which the request waits.
            preferred: the worker that is taken if it is among several idle ones.
            client: who sent the request.
            following: set where the request makes one call alone, and may follow another one; its `now` says
                whether it does.

        Raises:
            Busy: too many requests for this algorithm wait already, or none was free before `deadline`.
        """
        if following is not None:
            following.now = False
        if not self._waiting and (idle := self.take_idle(version, preferred)) is not None:
            idle.followable = following is not None
            return idle
        moved = following is not None and following.place is not None
        ahead = self._ahead(version.algorithm)
        if ahead >= self._max_waiting and not moved:
            following = None
        exhausted = self._is_awaited(version)  # then there was none at the last look, and nothing has changed since
        waiting = self._queue(version, preferred, client, following)
        if following is not None or not exhausted:  # a request may have begun that can be followed
            self._dispatch()
        if not (waiting.granted.done() or moved) and ahead >= self._max_waiting:
            self._waiting.remove(waiting)
            raise Busy(f"'{version.algorithm}'", ahead, "DLTK_MAX_WAITING")
        late = asyncio.get_running_loop().call_later(max(deadline - time.monotonic(), 0), _give_up, waiting.granted)
        try:
            return await waiting.granted
        except TimeoutError as error:
            self._forget(waiting)
            setting = "DLTK_APPLY_TIMEOUT or DLTK_APPLY_WORKERS"
            raise Busy(f"'{version.algorithm}'", ahead + 1, setting) from error
        except asyncio.CancelledError:
            self._forget(waiting)
            raise
        finally:
            late.cancel()

    def _ahead(self, algorithm: str) -> int:
        """Return the number of requests for an algorithm that wait."""
        follow = sum(each.leases > 1 for each in self._all if each.version.algorithm == algorithm)
        return follow + sum(1 for each in self._waiting if each.version.algorithm == algorithm)

    def _queue(
        self, version: VersionId, preferred: object | None, client: Hashable, following: Following | None
    ) -> _Waiting:
        """Add a request to those that wait, at the place of its client's turn, or at that which it had."""
        key = _key(version)
        same = [each for each in self._waiting if each.key[:2] == key[:2]]
        reached = self._turns.get(key[:2], 0)
        kept = following.place if following is not None else None
        if kept is None:
            turn = 1 + max((each.place.turn for each in same if each.client == client), default=reached)
            place = Place(turn, next(self._numbers))
        else:
            place = kept
        granted = asyncio.get_running_loop().create_future()
        waiting = _Waiting(key, version, granted, preferred, client, place, following)
        later = (at for at, each in enumerate(self._waiting) if each.place.number > place.number)
        self._waiting.insert(next(later, len(self._waiting)), waiting)
        if any(each.place > place for each in same):
            # The model's places in the line stay where they are; its requests are put into them in order.
            ordered = iter(sorted([*same, waiting], key=lambda each: each.place))
            self._waiting = [next(ordered) if each.key[:2] == key[:2] else each for each in self._waiting]
        return waiting

    def take_idle(self, version: VersionId, preferred: object | None = None) -> Resident | None:
        """Return an idle resident that serves `version`; it is the caller's until given back.

        That with the worker `preferred` is taken first, one that reads another request's rows last.
        """
        idle = self._idle(version)
        found = min(idle, key=lambda each: (each.process is not preferred, each.worker.reading), default=None)
        if found is not None:
            found.leases, found.followable = 1, False
        return found

    def reader(self, version: VersionId) -> LocalWorker | None:
        """Return an idle worker of `version` that may read rows ahead; it stays free for others."""
        return next((each.worker for each in self._idle(version) if not each.worker.reading), None)

    def _idle(self, version: VersionId) -> list[Resident]:
        return [each for each in self._all if each.version == version and not each.busy and each.serving]

    def give_back(self, resident: Resident) -> None:
        """End a request's lease; the resident stays, or ends if it can serve no more."""
        resident.leases -= 1
        resident.used = time.monotonic()
        if resident.busy:
            pass  # with the request that follows
        elif resident.retired or not (self._is_awaited(resident.version) or resident.able):
            self._dismiss(resident)  # one that somebody waits for is looked at when it is granted
        elif resident.process is not None:
            resident.process.print_to(discard)
        self._dispatch()

    def versions_in_use(self, name: ModelName) -> set[int]:
        """Return the numbers of a model's versions that workers serve."""
        return {each.version.number for each in self._of(name)}

    def retire(self, name: ModelName, keep: Collection[int]) -> None:
        """End workers of a model's versions other than those of `keep`; busy ones after their answer."""
        for resident in self._of(name):
            if resident.version.number not in keep:
                resident.retired = True
                if not resident.busy:
                    self._dismiss(resident)
        self._dispatch()

    def _of(self, name: ModelName) -> list[Resident]:
        return [each for each in self._all if each.version.name == name]

    def _is_awaited(self, version: VersionId) -> bool:
        key = _key(version)
        return any(each.key == key and not each.granted.done() for each in self._waiting)

    def _forget(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.granted.done() and not waiting.granted.cancelled() and not waiting.granted.exception():
            self.give_back(waiting.granted.result())

    def _dispatch(self) -> None:
        if not self._waiting:
            self._turns.clear()
            return
        exhausted = set[_Key]()  # versions for which there is no resident now
        crowded = False  # whether one that came earlier waits for the place of another version's
        for waiting in list(self._waiting):
            if waiting.granted.done():
                self._waiting.remove(waiting)
            elif waiting.key in exhausted:
                continue
            elif (resident := self._find(waiting, follows=not crowded)) is not None:
                self._waiting.remove(waiting)
                self._turns[waiting.key[:2]] = max(waiting.place.turn, self._turns.get(waiting.key[:2], 0))
                resident.followable = waiting.following is not None
                waiting.granted.set_result(resident)
            else:
                exhausted.add(waiting.key)
                crowded = crowded or self._may_grow(waiting.version)
        waited_for = {each.key[:2] for each in self._waiting}
        self._turns = {name: turn for name, turn in self._turns.items() if name in waited_for}

    def _find(self, waiting: _Waiting, *, follows: bool) -> Resident | None:
        version = waiting.version
        if (resident := self.take_idle(version, waiting.preferred)) is not None:
            return resident
        for resident in self._serving(version):
            if not resident.busy:
                self._dismiss(resident)
        if not self._may_grow(version) or not self._make_room():
            return self._followed(waiting, self._serving(version)) if follows else None
        resident = Resident(version)
        self._all.append(resident)
        return resident

    def _serving(self, version: VersionId) -> list[Resident]:
        return [each for each in self._all if each.version == version]

    def _may_grow(self, version: VersionId) -> bool:
        """Return whether a version may have one more resident, where there is room."""
        return sum(each.busy for each in self._serving(version)) < self._each

    def _followed(self, waiting: _Waiting, same: Sequence[Resident]) -> Resident | None:
        """Return a busy resident that the request follows in, if it may and there is one.

        Where one that came earlier waits for a place, none is asked for: a worker with one request behind
        another would never be idle.
        """
        following = waiting.following
        if following is None or following.place is not None:
            return None
        alone = (each for each in same if each.leases == 1 and each.followable)
        found = next((each for each in alone if each.able and each.worker.quick and each.serving), None)
        if found is not None:
            found.leases += 1
            following.now, following.place = True, waiting.place
        return found

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
        if resident.process is not None:
            resident.process.kill()


def _give_up(granted: asyncio.Future[Resident]) -> None:
    if not granted.done():
        granted.set_exception(TimeoutError())
