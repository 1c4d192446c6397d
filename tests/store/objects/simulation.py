"""Races inside one process, in an order that a seed decides: the same seed gives the same race.

Each client is a thread, and one of them runs at a time. Before and after each request to the store the
turn goes to a client that the seed names; answers are lost, requests are done twice or much later, and
clients are killed between two requests: from then on each of their requests ends them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from dltk_runtime.paths import Paths
from dltk_runtime.store.errors import StoreUnreachable
from dltk_runtime.store.objects.bucket import Bucket, Entry, Object, Tag
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.store import ModelName
from tests.store.objects.checker import Call, problems
from tests.store.objects.player import Player

NAME = ModelName("umap", "default")
LOST = GenericError("the answer was lost")
FAULTS = {"before": 0.02, "after": 0.03, "twice": 0.03, "later": 0.01}  # by write


class Killed(BaseException):
    """The client is gone."""


class Turns:
    """Lets one of several threads run at a time; `step` counts the turns."""

    def __init__(self, chance: random.Random, killed: float) -> None:
        self.chance = chance
        self.step = 0
        self.dead: set[int] = set()
        self._killed = killed
        self._turns: dict[int, threading.Semaphore] = {}
        self._mine = threading.local()

    def run(self, works: Iterable[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=self._work, args=(number, work)) for number, work in enumerate(works)]
        self._turns = {number: threading.Semaphore(0) for number in range(len(threads))}
        for thread in threads:
            thread.start()
        self._pass_on()
        for thread in threads:
            thread.join()

    def next(self) -> None:
        """Let another client run first, perhaps; or end this one."""
        number = getattr(self._mine, "number", None)
        if number is None:
            return  # the judge, after the race
        if number in self.dead:
            raise Killed
        self._pass_on()
        self._turns[number].acquire()
        if self.chance.random() < self._killed:
            self.dead.add(number)
            raise Killed

    def _pass_on(self) -> None:
        self.step += 1
        self._turns[self.chance.choice(sorted(self._turns))].release()

    def _work(self, number: int, work: Callable[[], None]) -> None:
        self._mine.number = number
        self._turns[number].acquire()
        try:
            work()
        except Killed:
            pass
        finally:
            del self._turns[number]
            if self._turns:
                self._pass_on()


class Simulated(Bucket):
    """A store in memory whose requests take turns, and whose answers may be lost."""

    def __init__(self, turns: Turns, faults: dict[str, float]) -> None:
        super().__init__(MemoryStore(), "memory://")
        self.turns = turns
        self.faults = faults
        self.later: list[Callable[[], Any]] = []

    def get(self, key: str) -> Object | None:
        self._asked(key)
        return super().get(key)

    def head(self, key: str) -> Entry | None:
        self._asked(key)
        return super().head(key)

    def below(self, prefix: str) -> list[Entry]:
        self._asked(prefix)
        return super().below(prefix)

    def put(self, key: str, data: bytes | IO[bytes]) -> None:
        self.turns.next()
        super().put(key, data)
        self.turns.next()

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self.turns.next()
            super().delete([key])

    def _tried(self, key: str, data: bytes, tag: Tag | None) -> tuple[bool, Exception | None]:
        self.turns.next()
        fault = self.turns.chance.choices([*self.faults, ""], [*self.faults.values(), 1 - sum(self.faults.values())])[0]
        if fault == "later":
            self.later.append(lambda: Bucket._tried(self, key, data, tag))
        if fault in ("before", "later"):
            return False, LOST
        answer = super()._tried(key, data, tag)
        if fault == "twice":
            answer = super()._tried(key, data, tag)
        self.turns.next()
        return (False, LOST) if fault == "after" else answer

    def _asked(self, key: str) -> None:
        self.turns.next()
        if self.later and self.turns.chance.random() < 0.2:
            self.later.pop(0)()
        if self.turns.chance.random() < self.faults.get("before", 0) / 2:
            raise StoreUnreachable(key, "the answer was lost")


def race(
    seed: int,
    folder: Path,
    bucket: type[Simulated] = Simulated,
    *,
    clients: int = 4,
    steps: int = 6,
    faults: dict[str, float] = FAULTS,
    killed: float = 0.003,
) -> list[str]:
    """Return what is wrong after one race."""
    turns = Turns(random.Random(seed), killed)
    shared = bucket(turns, faults)
    calls: dict[tuple[int, int], Call | None] = {}

    def client(number: int) -> Callable[[], None]:
        home = folder / str(number)
        place = ObjectStore(shared, Paths(home, home), trust_seconds=0)

        def tell(mark: int, call: Call | None) -> None:
            calls[number, mark] = call

        player = Player(place, NAME, random.Random(f"{seed}/{number}"), lambda: turns.step, tell)
        return lambda: player.play(steps)

    turns.run(map(client, range(clients)))
    shared.faults = {}
    for write in shared.later:
        write()
    shared.later.clear()
    place = ObjectStore(shared, Paths(folder, folder), trust_seconds=0)
    return problems([each for each in calls.values() if each is not None], place, NAME)
