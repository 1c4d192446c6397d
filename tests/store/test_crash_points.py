"""Promise 4 at every single step: the process ends just before and just after each change of the disk.

Each write, fsync, rename, mkdir, link and removal of an operation is a point; a write is also cut in its middle. A
child process runs the operation up to there and ends. Then the store must be whole, and the last answer still right.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dltk_runtime.access.actor import Actor
from dltk_runtime.paths import Paths
from dltk_runtime.store import history
from dltk_runtime.store.deeds import What
from dltk_runtime.store.layout import CODE_CHOICE, CURRENT, HISTORY, PROMOTED
from dltk_runtime.store.store import Facts, ModelStore, Reservation, Version
from tests.store.helpers import NAME, commit, entries, promoted
from tests.support import ends

pytestmark = pytest.mark.process

KEEP = 2
CARD = b'{"card": "of a version"}'
SOMEBODY = Actor("analysts", "anna", "better on new rows")


@dataclass(frozen=True)
class Operation:
    """What a child runs over a copy of a prepared home, and which versions may serve when it was cut short."""

    prepare: Callable[[ModelStore], object]
    run: Callable[[ModelStore], object]
    serving: frozenset[int]  # 0 for none
    first: bool = False  # whether it sets the first pointer, which may be missing after its promotion was recorded


def three(store: ModelStore) -> None:
    for number in (1, 2, 3):
        promoted(store, text=f"model {number}")


def four_and_a_candidate(store: ModelStore) -> None:
    three(store)
    commit(store, text="model 4")


def many(store: ModelStore) -> None:
    for number in range(1, 6):
        promoted(store, text=f"model {number}")
    store.rollback(NAME)  # to 4; 5 was current before


def reserve(store: ModelStore) -> Reservation:
    return store.reserve(NAME)


def fit(store: ModelStore) -> Version:
    with store.reserve(NAME) as reserved:
        number = reserved.number
        Path(reserved.location.folder, "umap_default.json").write_text(f"model {number}")
        return reserved.commit(Facts(job="j"), b"[]", b"{}", CARD)


def decided(store: ModelStore) -> None:
    """What `promote` does with who asked for it, and why."""
    store.promote(newest(store))
    store.record(NAME, What.PROMOTED, SOMEBODY, newest(store).number)


def three_decided(store: ModelStore) -> None:
    for _ in range(3):
        commit(store, text=f"model {len(store.versions(NAME)) + 1}")
        decided(store)
    commit(store, text="model 4")


def newest(store: ModelStore) -> Version:
    return store.versions(NAME)[-1]


OPERATIONS = {
    "the first reserve": Operation(lambda _: None, reserve, frozenset({0})),
    "a reserve": Operation(three, reserve, frozenset({3})),
    "the first fit": Operation(lambda _: None, fit, frozenset({0})),
    "a fit": Operation(three, fit, frozenset({3})),
    "the first promotion": Operation(
        lambda store: commit(store, text="model 1"), lambda store: store.promote(newest(store)), frozenset({0, 1}), True
    ),
    "a promotion": Operation(four_and_a_candidate, lambda store: store.promote(newest(store)), frozenset({3, 4})),
    "a first version kept back": Operation(
        lambda store: commit(store, text="model 1"),
        lambda store: store.promote_if_first(newest(store)),
        frozenset({0, 1}),
    ),
    "a version kept back": Operation(
        four_and_a_candidate, lambda store: store.promote_if_first(newest(store)), frozenset({3})
    ),
    "a rollback": Operation(three, lambda store: store.rollback(NAME), frozenset({2, 3})),
    "a notice": Operation(four_and_a_candidate, lambda store: store.note(newest(store), "load failed"), frozenset({3})),
    "a prune": Operation(many, lambda store: store.prune(NAME), frozenset({4})),
    "a decision of somebody": Operation(three_decided, decided, frozenset({3, 4})),
    "a later figure": Operation(
        four_and_a_candidate, lambda store: store.add_score(newest(store), "labels", 9, {"r2": 0.5}), frozenset({3})
    ),
    "a choice of code": Operation(three, lambda store: store.choose_code(NAME, "pinned"), frozenset({3})),
    "a withdrawal": Operation(three, lambda store: store.withdraw(NAME, store.reserve(NAME).number), frozenset({3})),
    "a deletion": Operation(three, lambda store: store.delete(NAME), frozenset({0, 3})),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.timeout(900)
def test_an_end_at_any_change_of_the_disk_leaves_the_store_whole(name: str, tmp_path: Path) -> None:
    operation = OPERATIONS[name]
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    operation.prepare(opened(prepared))
    counted = copied(prepared, tmp_path / "counted")
    points = ends.changes(lambda: operation.run(opened(counted)))
    assert points, "the operation changes the disk"
    for number, change in enumerate(points):
        for when in ends.moments(change):
            home = copied(prepared, tmp_path / "home")
            ends.ended_at(lambda home=home: operation.run(opened(home)), number, when)  # type: ignore[misc]
            try:
                check(home, operation, prepared)
            except BaseException as error:
                raise AssertionError(f"after an end {when} change {number}, {change}, of {points}") from error
            shutil.rmtree(home)


def check(home: Path, operation: Operation, prepared: Path) -> None:
    store, before = opened(home), opened(prepared)
    serving = store.choose(NAME)
    assert serving.version.number in operation.serving
    assert not serving.problem or operation.first, serving.problem
    taken = {version.number for version in before.versions(NAME)}
    for version in store.versions(NAME):
        version.verify(hashes=True)
        assert Path(version.location().folder, "umap_default.json").read_text() == f"model {version.number}"
        assert version.card() == (b"" if version.number in taken else CARD)
    assert store._store.problems(NAME) == [] or "torn" in store._store.problems(NAME)[0]
    if promotions := store._store.promotions(NAME):
        for number in history.before(promotions, serving.version.number)[:1]:
            store.get(NAME, number).verify(hashes=True)
    # And it goes on.
    new = fit(store)
    assert new.number not in taken
    store.promote(new)
    assert store.choose(NAME).version == new
    assert store.choose(NAME).problem == ""
    check_deeds(store, before)
    store.sweep(older_than=-1)
    left = entries(store) - {str(version.number) for version in store.versions(NAME)}
    assert left <= {CURRENT, PROMOTED, HISTORY, CODE_CHOICE, f"reserved-{new.number}"}


def check_deeds(store: ModelStore, before: ModelStore) -> None:
    """No line of the history is lost; at most the one that was being written is torn, and the next one is whole."""
    known, now = before._store.deeds(NAME), store._store.deeds(NAME)
    assert now[: len(known)] == known
    assert len(now) + store._store.damaged_deeds(NAME) <= len(known) + 1
    store.record(NAME, What.PROMOTED, SOMEBODY, 1)
    assert store._store.deeds(NAME)[-1].actor == SOMEBODY
    assert len(store._store.deeds(NAME)) == len(now) + 1


def opened(home: Path) -> ModelStore:
    return ModelStore.open(Paths(home, home), keep=KEEP)


def copied(prepared: Path, home: Path) -> Path:
    shutil.copytree(prepared, home, symlinks=True)
    return home
