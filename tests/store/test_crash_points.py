"""Promise 4 at every single step: the process ends just before and just after each change of the disk.

Each write, fsync, rename, mkdir, link and removal of an operation is a point; a write is also cut in its middle. A
child process runs the operation up to there and ends. Then the store must be whole, and the last answer still right.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store import history
from dltk_runtime.store.store import Facts, ModelStore, Reservation, Version
from tests.store.helpers import NAME, commit, entries, promoted

pytestmark = pytest.mark.process

KEEP = 2
CHANGES = ("write", "fsync", "mkdir", "rename", "replace", "link", "unlink", "rmdir", "open")
BEFORE, MIDDLE, AFTER = "before", "in the middle of", "after"
ENDED = 9  # exit status of a child that ended at its point
ORIGINAL_WRITE = os.write


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
        return reserved.commit(Facts(job="j"), b"[]", b"{}")


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
    "a deletion": Operation(three, lambda store: store.delete(NAME), frozenset({0, 3})),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.timeout(300)
def test_an_end_at_any_change_of_the_disk_leaves_the_store_whole(name: str, tmp_path: Path) -> None:
    operation = OPERATIONS[name]
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    operation.prepare(opened(prepared))
    points = changes(operation, copied(prepared, tmp_path / "counted"))
    assert points, "the operation changes the disk"
    for number, change in enumerate(points):
        for when in (BEFORE, MIDDLE, AFTER) if change == "write" else (BEFORE, AFTER):
            home = copied(prepared, tmp_path / "home")
            ended_at(operation, home, number, when)
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
    for version in store.versions(NAME):
        version.verify(hashes=True)
        assert Path(version.location().folder, "umap_default.json").read_text() == f"model {version.number}"
    assert store._store.problems(NAME) == [] or "torn" in store._store.problems(NAME)[0]
    if promotions := store._store.promotions(NAME):
        for number in history.before(promotions, serving.version.number)[:1]:
            store.get(NAME, number).verify(hashes=True)
    # And it goes on.
    taken = {version.number for version in before.versions(NAME)}
    new = fit(store)
    assert new.number not in taken
    store.promote(new)
    assert store.choose(NAME).version == new
    assert store.choose(NAME).problem == ""
    store.sweep(older_than=-1)
    left = entries(store) - {str(version.number) for version in store.versions(NAME)}
    assert left <= {"current", "promoted", f"reserved-{new.number}"}


# ------------------------------------------------------------ ends


def opened(home: Path) -> ModelStore:
    return ModelStore.open(Paths(home, home), keep=KEEP)


def copied(prepared: Path, home: Path) -> Path:
    shutil.copytree(prepared, home, symlinks=True)
    return home


def changes(operation: Operation, home: Path) -> list[str]:
    """The names of the changes that a whole operation makes, in their order."""
    readable, writable = os.pipe()
    if not (child := os.fork()):
        _run(operation, home, Watched(tell=writable))
    os.close(writable)
    with open(readable) as lines:
        found = lines.read().split()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return found


def ended_at(operation: Operation, home: Path, point: int, when: str) -> None:
    """Run the operation in a child that ends at the point."""
    if not (child := os.fork()):
        _run(operation, home, Watched(point, when))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ENDED


def _run(operation: Operation, home: Path, watched: Watched) -> None:
    """Run the operation with all changes watched, and end the process."""
    try:
        watched.install()
        operation.run(opened(home))
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
        os._exit(1)


@dataclass
class Watched:
    """Counts the changes of the disk that this process makes; ends it at `point`, or tells each to a descriptor."""

    point: int = -1
    when: str = ""
    tell: int = -1
    count: int = 0

    def install(self) -> None:
        for name in CHANGES:
            setattr(os, name, self.watched(name, getattr(os, name)))

    def watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            if name == "open" and not given[1] & os.O_CREAT:
                return original(*given, **options)
            here, self.count = self.count, self.count + 1
            if self.tell >= 0:
                ORIGINAL_WRITE(self.tell, f"{name}\n".encode())
            if here == self.point and self.when == MIDDLE:
                original(given[0], bytes(given[1])[: len(given[1]) // 2])
            if here == self.point and self.when != AFTER:
                os._exit(ENDED)
            try:
                return original(*given, **options)
            finally:
                if here == self.point:
                    os._exit(ENDED)

        return call
