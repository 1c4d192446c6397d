"""The object ``current`` of a model: what is current, and what may become so, changed in one step.

::

    {"revision": 12, "nonce": "5d3a…", "current": 7, "last": {"version": 7, …}, "condemned": [3]}

A change is a put over exactly the state that was read; its `nonce` makes every state differ from all
others. `last` is the newest promotion. Before the next one takes its place, it is written to an
object of its own below ``promoted/``; so these hold promotions that have happened, and no others.
A number in `condemned` is being removed: it cannot be promoted any more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from dltk_runtime.errors import NotStored, StoreDamaged
from dltk_runtime.files.records import Count, converted, decoded
from dltk_runtime.names import ModelName
from dltk_runtime.store.history import Promotion
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket, Tag

MAX_LOST_RACES = 500  # of one change against those of others
_LAST_SECOND = int(datetime.max.replace(tzinfo=UTC).timestamp())
Micros = Annotated[int, msgspec.Meta(ge=0, lt=_LAST_SECOND * 1_000_000)]  # UTC, epoch: what a datetime can hold
_PROMOTED = re.compile(r"(\d{18})-(\d{1,18})-(\d{1,18})-([01])-([0-9a-f]*)", re.ASCII)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A promotion as the store holds it; `micros` is its time, `id` differs for each."""

    version: Count
    micros: Micros
    revision: Count
    found: bool = False
    id: str = ""

    @property
    def key(self) -> str:
        """The end of its key, which holds all of it."""
        return f"promoted/{self.revision:018}-{self.version}-{self.micros}-{self.found:d}-{self.id}"

    @property
    def promotion(self) -> Promotion:
        """What the rules see of it."""
        return Promotion(self.version, datetime.fromtimestamp(self.micros / 1e6, UTC), self.found)


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the object ``current`` holds; `since` is the revision at which the model was last deleted."""

    revision: Count = 0
    nonce: str = ""
    current: Count | None = None
    last: Entry | None = None
    since: Count = 0
    condemned: list[Count] = []
    code: str = ""  # the choice of the code that applies run

    def promoting(self, number: int, change: str) -> State:
        """Return the next state, in which `number` is current; `change` is the id of this promotion."""
        now = int(datetime.now(UTC).timestamp() * 1e6)
        entry = Entry(number, now, self.revision + 1, id=change)
        return msgspec.structs.replace(self, current=number, last=entry)


@dataclass(frozen=True, slots=True)
class Read:
    """A state and the tag that it was read with; without `tag` there is no object yet."""

    state: State
    tag: Tag | None
    damage: str = ""  # why it cannot be read; `state` is then empty but for its revision


@dataclass(frozen=True, slots=True)
class Pointer:
    """Reads and changes the object ``current`` of one model."""

    bucket: Bucket
    name: ModelName

    @property
    def key(self) -> str:
        """The object's key."""
        return keys.model(self.name, "current")

    def read(self) -> Read:
        """Return the state; `damage` says why there is none.

        Raises:
            StoreUnreachable: the store does not answer.
        """
        found = self.bucket.get(self.key)
        if found is None:
            return Read(self._lost(), None)
        try:
            return Read(decoded(found.data, State), found.tag)
        except msgspec.DecodeError:
            damage = f"{self.bucket.where}/{self.key} is damaged: it holds no version number."
            return Read(self._lost(), found.tag, damage)

    def whole(self) -> State:
        """Return the state.

        Raises:
            StoreDamaged: it cannot be read.
            StoreUnreachable: the store does not answer.
        """
        found = self.read()
        if found.damage:
            raise StoreDamaged(found.damage)
        return found.state

    def entries(self, state: State | None = None) -> list[Entry]:
        """Return every promotion since the model was last deleted, oldest first. Raises as `read`."""
        state = self.read().state if state is None else state
        found = {each.revision: each for each in self._kept()} | (
            {state.last.revision: state.last} if state.last else {}
        )
        return [found[number] for number in sorted(found) if number >= state.since]

    def damaged(self) -> int:
        """Return how many promotions cannot be read."""
        prefix = keys.model(self.name, "promoted")
        return sum(1 for each in self.bucket.below(prefix) if _promoted(keys.end(each.key)) is None)

    def change(self, next_state: Callable[[Read], State | None], change: str = "") -> State | None:
        """Replace the state by what `next_state` makes of it, as often as others were faster.

        Args:
            next_state: returns the state to write; None to leave it. It is asked again for each
                state that is read, and may raise.
            change: the id of the promotion that is made, if one is.

        Returns:
            The state that was written, or one that followed it; None where it was left.

        Raises:
            NotStored: the store does not answer, refuses, or others are faster each time.
        """
        for tried in range(MAX_LOST_RACES):
            found = self.read()
            if change and tried and self._is_made(change, found.state):
                return found.state
            wanted = next_state(found)
            if wanted is None:
                return None
            self.keep(found.state.last)
            wanted = msgspec.structs.replace(wanted, revision=found.state.revision + 1, nonce=secrets.token_hex(8))
            data = msgspec.json.encode(wanted)
            tag = found.tag
            if self.bucket.create(self.key, data) if tag is None else self.bucket.replace(self.key, data, tag):
                return wanted
        raise NotStored(f"{self.bucket.where}/{self.key} was changed by others {MAX_LOST_RACES} times. Try again.")

    def keep(self, entry: Entry | None) -> None:
        """Write a promotion that has happened to an object of its own.

        Raises:
            NotStored: it cannot be written.
        """
        if entry is not None:
            self.bucket.put(keys.model(self.name, entry.key), b"")

    def clear(self) -> None:
        """Remove the promotions from before the model was last deleted.

        Raises:
            NotStored, StoreUnreachable: the store does not answer.
        """
        since = self.read().state.since
        self.bucket.delete(keys.model(self.name, each.key) for each in self._kept() if each.revision < since)

    def _is_made(self, change: str, state: State) -> bool:
        return any(each.id == change for each in self.entries(state))

    def _lost(self) -> State:
        """Return the state after the loss of the object: the revision of one promotion that only it may have known."""
        return State(revision=max((each.revision + 1 for each in self._kept()), default=0))

    def _kept(self) -> list[Entry]:
        listed = self.bucket.below(keys.model(self.name, "promoted"))
        return [found for each in listed if (found := _promoted(keys.end(each.key))) is not None]


def _promoted(key: str) -> Entry | None:
    """Return the promotion that the end of its key holds; None when it holds none."""
    with suppress(msgspec.ValidationError):
        if found := _PROMOTED.fullmatch(key):
            fields = {"version": int(found[2]), "micros": int(found[3]), "revision": int(found[1])}
            return converted(fields | {"found": found[4] == "1", "id": found[5]}, Entry)
    return None
