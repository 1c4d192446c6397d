"""Judges what the clients of a store saw: whether some order of single steps explains all of it.

`current` is a register. A promotion and a rollback write it; one whose end is not known (its client
was killed, or no answer came) may have written it at any moment after its start, or never.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dltk_runtime.errors import StoreError
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.store import ModelName, ModelStore


class Kind(StrEnum):
    RESERVED = "reserved"
    READ = "read"
    WRITE = "write"
    BROKEN = "broken"  # `value` is the number of a version that was not whole, and `text` says how


@dataclass(frozen=True)
class Call:
    """One call of a client; without `end` it is not known whether it was done.

    `value` is the number; None for no current version, and for a rollback whose goal is not known.
    """

    kind: Kind
    value: int | None
    start: float
    end: float = math.inf
    text: str = ""

    @property
    def known(self) -> bool:
        return self.end < math.inf


def problems(calls: Sequence[Call], place: ObjectStore, name: ModelName) -> list[str]:
    """Return what is wrong: in what was seen, and in what is left when all clients have ended."""
    found = [f"version {each.value} is not whole: {each.text}" for each in calls if each.kind is Kind.BROKEN]
    reserved = [each.value for each in calls if each.kind is Kind.RESERVED]
    if len(reserved) != len(set(reserved)):
        found.append(f"a number was given out twice: {sorted(map(str, reserved))}")
    current = place.current(name)
    last = max((each.end if each.known else each.start for each in calls), default=0.0) + 1
    final = Call(Kind.READ, current, last, last + 1)
    register = [
        each for each in calls if each.kind in (Kind.READ, Kind.WRITE) and (each.known or each.kind is Kind.WRITE)
    ]
    if not linearizable([*register, final]):
        found.append(
            f"no order explains what was current: {sorted(register, key=lambda each: each.start)}, now {current}"
        )
    return [*found, *_left(calls, place, name, current)]


def _left(calls: Iterable[Call], place: ObjectStore, name: ModelName, current: int | None) -> list[str]:
    found = []
    promotions = [each.version for each in place.promotions(name)]
    promoted = {each.value for each in calls if each.kind is Kind.WRITE and each.known}
    if lost := promoted - set(promotions):
        found.append(f"promotions were lost: {lost}")
    if (promotions[-1] if promotions else None) != current:
        found.append(f"the promotions {promotions} do not end with the current version, {current}")
    store = ModelStore(place, keep=2)
    store.sweep(older_than=-1)
    committed = place.committed(name)
    for version in store.versions(name):
        try:
            version.verify(hashes=True)
        except StoreError as error:
            found.append(f"half a version: {error.sentence}")
    if current is not None and current not in committed:
        found.append(f"the current version {current} is gone; there are {committed}")
    listed = place.bucket.below(keys.model(name, "versions"))
    strays = {keys.number_in(each.key.partition("/versions/")[2].partition("/")[0]) for each in listed} - {*committed}
    if strays:
        found.append(f"objects are left of {strays}")
    return found


def linearizable(calls: Sequence[Call]) -> bool:
    """Return whether the calls can be put in one order that respects time, in which each read sees the last write."""
    goals = sorted({each.value for each in calls if each.kind is Kind.WRITE and each.value is not None})
    needed = sum(1 << place for place, each in enumerate(calls) if each.known)
    seen: set[tuple[int, int | None]] = set()
    todo: list[tuple[int, int | None]] = [((1 << len(calls)) - 1, None)]
    while todo:
        left, now = todo.pop()
        if not left & needed:
            return True
        if (left, now) in seen:
            continue
        seen.add((left, now))
        open_ = [(place, each) for place, each in enumerate(calls) if left >> place & 1]
        first_end = min(each.end for _, each in open_)
        for place, each in open_:
            if each.start > first_end or (each.kind is Kind.READ and each.value != now):
                continue
            values: list[int | None] = [each.value]
            if each.kind is Kind.WRITE and each.value is None:
                values = [*goals]
            todo += [(left & ~(1 << place), value) for value in values]
    return False
