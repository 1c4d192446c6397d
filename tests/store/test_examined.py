"""A file of the right size with other bytes: found when a load fails, and remembered for a while."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dltk_runtime.apply import damage
from dltk_runtime.names import VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import examined
from dltk_runtime.store.examined import ExaminedCopies
from dltk_runtime.store.store import ModelStore
from dltk_runtime.store.version import FileVersion
from tests.store.helpers import NAME, in_memory, promoted


def test_a_version_with_other_bytes_serves_no_more_until_it_is_repaired(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore.open(paths, keep=5)
    first, second = (promoted(store, text=text) for text in ("model 1", "model 2"))
    file = second.folder / "umap_default.json"
    file.write_text("model X")
    assert store.choose(NAME).version == second  # nobody has noticed, as it loads
    assert "umap_default.json" in store.examine(second, 0.0)
    assert (store.choose(NAME).version, "has changed" in store.choose(NAME).problem) == (first, True)
    assert [each.number for each in store.promoted(NAME)] == [1]
    assert store.choose(NAME, {2}).version == second  # a worker has it from before
    file.write_text("model 2")
    assert store.choose(NAME).version == first
    monkeypatch.setattr(examined, "EXAMINED_SECONDS", 0.0)  # the time is over
    assert store.choose(NAME).version == second


def test_who_cannot_try_again_is_given_a_version_whose_bytes_are_those_of_the_fit(paths: Paths) -> None:
    store = ModelStore.open(paths, keep=5)
    first, second = (promoted(store, text=text) for text in ("model 1", "model 2"))
    (second.folder / "umap_default.json").write_text("model X")
    assert damage.serving(store, NAME, hashes=False).version == second
    found = damage.serving(store, NAME, hashes=True)
    assert (found.version, "umap_default.json" in damage.warning(found)) == (first, True)


def test_who_cannot_try_again_is_given_a_copy_whose_bytes_are_those_of_the_fit(paths: Paths) -> None:
    store = ModelStore(in_memory(paths), keep=5)
    version = promoted(store, text="model 1")
    file = Path(version.location().folder, "umap_default.json")
    file.write_text("model X")
    found = damage.serving(store, NAME, hashes=True)
    assert (found.version.id, found.problem, file.read_text()) == (version.id, "", "model 1")


def test_files_are_hashed_once_for_many_loads_that_fail(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore.open(paths, keep=5)
    version, read = promoted(store, text="model 1"), list[bool]()
    monkeypatch.setattr(FileVersion, "verify", lambda _, *, hashes=False: read.append(hashes))
    assert [store.examine(version, 0.0) for _ in range(5)] == [""] * 5
    assert read == [True]


def test_a_copy_is_compared_also_on_a_machine_that_has_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    assert ExaminedCopies().examine(VersionId(NAME, 1), lambda: "changed") == "changed"
