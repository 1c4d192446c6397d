"""A list of many models reads no manifest again that has not changed, and misses no change of another replica."""

from __future__ import annotations

import gc
import os
from typing import Any

import msgspec
import pytest

from dltk_runtime.jobs.index import SeenRecord
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.paths import Paths
from dltk_runtime.store import version
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.store.manifest import Brief, Facts, Manifest, parse
from dltk_runtime.store.store import ModelName, ModelStore
from dltk_runtime.store.view import ModelView, VersionView
from tests.store.helpers import NAME, commit, promoted

MODELS = 520  # more than the whole manifests that are kept in memory


def test_a_manifest_is_read_once_for_all_lists_of_hundreds_of_models(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore.open(paths, keep=2)
    manifest = (commit(store).folder / "version.json").read_bytes()
    for number in range(1, MODELS):
        folder = paths.versions / "umap" / f"m{number}" / "1"
        folder.mkdir(parents=True)
        (folder / "version.json").write_bytes(manifest)
    read: list[str] = []

    def counted(text: bytes, where: str) -> Manifest:
        read.append(where)
        return parse(text, where)

    monkeypatch.setattr(version, "parse", counted)
    first = LocalModels(store).list()
    assert len(first) == MODELS
    assert read
    read.clear()
    assert LocalModels(store).list() == first
    assert read == []


def test_a_list_asks_for_each_manifest_twice(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for its facts, once for the files that it lists: each system call counts two thousand times."""
    store = ModelStore.open(paths, keep=2)
    promoted(store, text="1")
    commit(store, facts=Facts(rows=7))
    with store.reserve(NAME):
        LocalModels(store).list()
        stat, asked = os.stat, list[str]()

        def counted(path: Any, **how: Any) -> os.stat_result:
            asked.append(str(path))
            return stat(path, **how)

        monkeypatch.setattr(os, "stat", counted)
        (view,) = LocalModels(store).list()
    assert [each.number for each in view.versions] == [1, 2]
    manifests = [path for path in asked if path.endswith("/version.json")]
    assert sorted(path.split("/")[-2] for path in manifests) == ["1", "1", "2", "3"]  # 1 serves, 3 is a fit


def test_a_list_shows_at_once_what_another_replica_did(paths: Paths) -> None:
    ours, theirs = LocalModels(ModelStore.open(paths, keep=2)), ModelStore.open(paths, keep=2)

    def listed() -> ModelView:
        (view,) = ours.list()
        return view

    first = promoted(theirs, text="1")
    assert (listed().current, [each.number for each in listed().versions]) == (1, [1])
    second = commit(theirs, facts=Facts(rows=7))
    assert (listed().current, listed().versions[-1].rows) == (1, 7)
    theirs.promote(second)
    assert listed().current == 2
    theirs.note(second, "It was slow.")
    theirs.add_score(second, "later.csv", 3, {"r2": 0.5})
    assert (listed().versions[-1].notices, listed().versions[-1].later[0].rows) == (["It was slow."], 3)
    theirs.rollback(NAME)
    assert listed().current == 1
    (first.folder / "umap_default.json").write_text("of another size")
    assert "umap_default.json" in listed().damage
    (second.folder / "version.json").write_bytes(b"{")
    assert "is damaged" in listed().versions[-1].damage
    theirs.delete(NAME)
    assert ours.list() == []


def test_files_of_an_old_volume_and_folders_without_a_version_are_no_models_of_a_list(paths: Paths) -> None:
    store = ModelStore.open(paths, keep=2)
    paths.models.mkdir(parents=True, exist_ok=True)
    (paths.models / "umap_default.json").write_text("{}")
    for name in (NAME, ModelName("umap", "begun")):
        (paths.versions / name.folder / name.model).mkdir(parents=True)
    assert LocalModels(store).list() == []
    assert LocalModels(store).get(NAME).current == 0


@pytest.mark.parametrize("kind", [JobRecord, SeenRecord, Brief, VersionView, ModelView])
def test_records_kept_by_the_thousand_cost_the_garbage_collector_nothing(kind: type[msgspec.Struct]) -> None:
    """Its walk stops all threads of the front, the one that answers ``/livez`` too."""
    fields = dict.fromkeys(kind.__struct_fields__)
    assert not gc.is_tracked(kind(**fields))
