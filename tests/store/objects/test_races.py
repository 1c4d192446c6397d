"""Clients of one store at once, in any order, with lost answers and kills: no promotion is lost, no version is half.

The judge is judged too: each of six faults, planted in the store, is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from dltk_runtime.names import VersionId
from dltk_runtime.store.objects import bucket as bucket_module
from dltk_runtime.store.objects import keys, removal, reservation
from dltk_runtime.store.objects.bucket import Object, Tag
from dltk_runtime.store.objects.pointer import Pointer
from tests.store.objects.checker import Call, Kind, linearizable
from tests.store.objects.simulation import FAULTS, LOST, Simulated, race

RACES = int(os.environ.get("DLTK_SOAK_RACES", "300"))
MAX_RACES = 200  # within which a planted fault is found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_module, "PAUSE_SECONDS", 0.0)


@pytest.mark.heavy
@pytest.mark.timeout(7200)
def test_no_race_loses_a_promotion_or_shows_half_a_version(tmp_path: Path) -> None:
    for seed in range(RACES):
        clients, steps = 3 + seed % 2, 3 + seed % 4
        assert race(seed, tmp_path / str(seed), clients=clients, steps=steps) == [], f"seed {seed}"


# ---------------------------------------------------------------- the judge


def write(value: int | None, start: float, end: float = float("inf")) -> Call:
    return Call(Kind.WRITE, value, start, end)


def read(value: int | None, start: float, end: float) -> Call:
    return Call(Kind.READ, value, start, end)


@pytest.mark.parametrize(
    ("calls", "explained"),
    [
        ([write(1, 0, 2), read(1, 1, 3), read(1, 4, 5)], True),
        ([write(1, 0, 2), read(None, 1, 3), read(1, 4, 5)], True),
        ([write(1, 0, 2), read(None, 3, 4)], False),  # a lost write
        ([write(1, 0, 9), read(1, 1, 2), read(None, 3, 4)], False),  # seen, and then not
        ([write(1, 0), read(None, 1, 2), read(1, 3, 4)], True),  # a killed client's write, done late
        ([write(1, 0), read(None, 1, 2)], True),  # or never
        ([write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)], False),  # a stale read
        ([write(1, 0, 1), write(2, 2, 3), write(None, 4), read(1, 5, 6)], True),  # a rollback without an answer
        ([write(1, 0, 1), write(2, 2, 3), write(3, 2, 3), read(2, 4, 5), read(3, 6, 7), read(2, 8, 9)], False),
    ],
)
def test_the_judge_knows_which_histories_have_an_order(calls: list[Call], explained: bool) -> None:
    assert linearizable(calls) == explained


class PlainPut(Simulated):
    """Writes over what has changed since it was read."""

    def replace(self, key: str, data: bytes, tag: Tag) -> bool:
        self.put(key, data)
        return True


class PlainCreate(Simulated):
    """Writes over what a put may only create."""

    def create(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


class ManifestFirst(Simulated):
    """Holds the files of a version back until its manifest is written."""

    def put(self, key: str, data: bytes | IO[bytes]) -> None:
        if "/files/" not in key:
            return super().put(key, data)
        content = data if isinstance(data, bytes) else data.read()
        self.held = [*getattr(self, "held", []), (key, content)]
        return None

    def create(self, key: str, data: bytes) -> bool:
        done = super().create(key, data)
        if "/manifests/" in key:
            number = keys.number_in(key)
            held = getattr(self, "held", [])
            self.held = [each for each in held if f"/{number:018}/" not in each[0]]
            for each in held:
                if each not in self.held:
                    super().put(*each)
        return done


class LookedUpNever(Simulated):
    """Takes a write without an answer for one that was not done, and does it again whatever is there."""

    def replace(self, key: str, data: bytes, tag: Tag) -> bool:
        refused, error = self._tried(key, data, tag)
        if error is LOST:
            self.put(key, data)
            return True
        return not refused


class Stale(Simulated):
    """Answers with what an earlier request has read, at times."""

    def get(self, key: str) -> Object | None:
        known: dict[str, Object | None] = self.__dict__.setdefault("known", {})
        found = super().get(key)
        if key.endswith("/current") and key in known and self.turns.chance.random() < 0.6:
            return known[key]
        known[key] = found
        return found


def unfenced(pointer: Pointer, number: int) -> bool:
    """Remove a version that was neither current nor current before, when it was looked at."""
    if removal._condemning(pointer, pointer.read(), number) is None:
        return False
    removed = removal._hide(pointer.bucket, VersionId(pointer.name, number))
    reservation.clear(pointer.bucket, VersionId(pointer.name, number))
    return removed


@pytest.mark.parametrize("planted", [PlainPut, PlainCreate, ManifestFirst, LookedUpNever, Stale, unfenced])
def test_a_planted_fault_is_found(
    planted: type[Simulated] | Callable[[Pointer, int], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = planted if isinstance(planted, type) else Simulated
    if planted is unfenced:
        monkeypatch.setattr(removal, "remove", unfenced)
    faults = {"after": 0.2} if planted is LookedUpNever else FAULTS
    found = (race(seed, tmp_path / str(seed), store, faults=faults) for seed in range(MAX_RACES))
    assert any(found), "no race has shown it"
