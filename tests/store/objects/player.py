"""What one client of a race does: fits, promotions, rollbacks, prunes and reads of one model, at random."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.errors import NotStored, StoreDamaged, StoreError
from dltk_runtime.names import VersionId
from dltk_runtime.store.errors import StoreUnreachable, VersionUnknown
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from tests.store.objects.checker import Call, Kind

FILE = "weights"


@dataclass
class Player:
    """Plays on `name`; `tell` gets each call when it begins (without end) and when it has ended."""

    place: ObjectStore
    name: ModelName
    chance: random.Random
    clock: Callable[[], float]
    tell: Callable[[int, Call | None], None]
    _calls: int = field(default=0)

    def play(self, steps: int) -> None:
        store = ModelStore(self.place, keep=1)
        acts = (self._fit, self._fit, self._fit, self._abandon, self._rollback, self._prune, self._prune, self._read)
        for act in self.chance.choices(acts, k=steps):
            try:
                act(store)
            except StoreError:
                continue  # refused, or no answer; what that leaves behind is what is judged

    def _fit(self, store: ModelStore) -> None:
        with store.reserve(self.name) as reserved:
            self._record(Call(Kind.RESERVED, reserved.number, self.clock(), self.clock()))
            Path(reserved.location.folder, FILE).write_text(str(reserved.number))
            version = reserved.commit(Facts(), b"[]", b"{}")
        if self.chance.random() < 0.15:
            self._record(Call(Kind.WRITE, version.number, self.clock()))  # which happens, or does not
            store.promote_if_first(version)
            return
        with self._write(version.number):
            store.promote(version)

    def _abandon(self, store: ModelStore) -> None:
        with store.reserve(self.name) as reserved:
            self._record(Call(Kind.RESERVED, reserved.number, self.clock(), self.clock()))

    def _rollback(self, store: ModelStore) -> None:
        with self._write(None) as done:
            done.append(store.rollback(self.name).number)

    def _prune(self, store: ModelStore) -> None:
        store.prune(self.name)

    def _read(self, store: ModelStore) -> None:
        start = self.clock()
        number = self.place.current(self.name)
        self._record(Call(Kind.READ, number, start, self.clock()))
        for each in self.place.committed(self.name):
            version = self.place.version(VersionId(self.name, each))
            try:
                version.verify(hashes=True)
                text = version._file(FILE).decode()
                wrong = "" if text == str(each) else f"it holds what version {text} has saved"
            except (VersionUnknown, StoreDamaged) as error:
                wrong = error.sentence
            gone = wrong and (each not in self.place.committed(self.name))
            if wrong and not (gone and self.place.current(self.name) != each):
                self._record(Call(Kind.BROKEN, each, start, self.clock(), wrong))

    @contextmanager
    def _write(self, number: int | None) -> Iterator[list[int]]:
        """Tell of a promotion: at its start, as one that may never be done, and how it ended."""
        mark, start, goal = self._calls, self.clock(), list[int]()
        self._calls += 1
        self.tell(mark, Call(Kind.WRITE, number, start, math.inf))
        try:
            yield goal
        except (NotStored, StoreUnreachable):
            raise  # not known
        except StoreError:
            self.tell(mark, None)  # refused: nothing was done
            raise
        self.tell(mark, Call(Kind.WRITE, goal[0] if goal else number, start, self.clock()))

    def _record(self, call: Call) -> None:
        self.tell(self._calls, call)
        self._calls += 1
