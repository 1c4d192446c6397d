"""Promise 4, never half a model: processes are killed at any moment, and what serves is whole.

The processes run `HAMMER`: fits of one model, some abandoned, some promoted, with prunes in between. Each line they
print is a fact that must hold afterwards.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore

pytestmark = pytest.mark.process

NAME = ModelName("umap", "default")
HAMMER = """
import random, sys
from pathlib import Path
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, ModelName, ModelStore

home, fits = Path(sys.argv[1]), int(sys.argv[2])
store, name = ModelStore.open(Paths(home, home), keep=2), ModelName("umap", "default")

for _ in range(fits):
    with store.reserve(name) as reservation:
        print("reserved", reservation.number, flush=True)
        (reservation.folder / "umap_default.json").write_text(f"{reservation.number} " * 5000)
        (reservation.folder / "umap_default").mkdir()
        (reservation.folder / "umap_default" / "w.bin").write_bytes(bytes(100_000))
        if random.random() < 0.2:
            continue
        version = reservation.commit(Facts(job="j"), b"[]", b"{}")
    if random.random() < 0.8:
        store.promote(version)
        print("promoted", version.number, flush=True)
    store.prune(name)
"""


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


def hammer(home: Path, fits: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HAMMER, home, str(fits)], stdout=subprocess.PIPE, text=True)


def facts(lines: Iterator[str], word: str) -> list[int]:
    """The numbers of the whole lines that begin with `word`; a kill can cut the last one."""
    return [int(line.split()[1]) for line in lines if line.startswith(word + " ") and line.endswith("\n")]


def check(store: ModelStore) -> int:
    """Check that every version holds what its fit saved; return the current number, or 0."""
    for version in store.versions(NAME):
        version.verify(hashes=True)
        assert (version.folder / "umap_default.json").read_text() == f"{version.number} " * 5000
    current = store.current(NAME)
    return current.number if current else 0


@pytest.mark.timeout(900)
def test_a_kill_at_any_moment_leaves_the_last_good_version_serving(paths: Paths, store: ModelStore) -> None:
    reserved: list[int] = []
    last = 0  # the last promotion that was reported
    for _ in range(60):
        process = hammer(paths.home, 1000)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(random.randint(1, 8))]
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=random.uniform(0, 0.01))
        process.kill()
        lines += process.stdout
        process.stdout.close()
        process.wait()
        reserved += facts(iter(lines), "reserved")
        last = max([last, *facts(iter(lines), "promoted")])
        assert check(store) >= last
    # The last kill may have come between a reservation and its line; one more fit removes that mark.
    lines = hammer(paths.home, 1).communicate()[0].splitlines(keepends=True)
    reserved += facts(iter(lines), "reserved")
    assert len(reserved) == len(set(reserved))
    store.sweep(older_than=-1)
    names = {path.name for path in (paths.versions / "umap" / "default").iterdir()}
    assert names == {str(each.number) for each in store.versions(NAME)} | {
        "current",
        "promoted",
        f"reserved-{max(reserved)}",
    }


def test_processes_that_fit_the_same_model_at_once_never_share_a_number(paths: Paths, store: ModelStore) -> None:
    processes = [hammer(paths.home, 15) for _ in range(4)]
    printed = [process.communicate()[0].splitlines(keepends=True) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    reserved = [number for lines in printed for number in facts(iter(lines), "reserved")]
    assert len(reserved) == 60
    assert len(set(reserved)) == 60
    assert check(store) in {number for lines in printed for number in facts(iter(lines), "promoted")}
