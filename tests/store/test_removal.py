"""How versions leave the store: pruned, swept away, copied out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.paths import Paths
from dltk_runtime.store import lifecycle
from dltk_runtime.store.errors import NotExported
from dltk_runtime.store.export import export
from dltk_runtime.store.store import Facts, ModelStore
from tests.store.helpers import NAME, commit, entries, promoted


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


def test_prune_keeps_the_current_the_newest_and_those_in_use(store: ModelStore) -> None:
    taken = [promoted(store) for _ in range(6)]
    store.promote(taken[0])
    assert store.prune(NAME, in_use=[3]) == [2, 4]
    assert [version.number for version in store.versions(NAME)] == [1, 3, 5, 6]
    assert store.prune(NAME) == [3]
    assert entries(store) == {"1", "5", "6", "current", "promoted", "reserved-6"}


def test_prune_leaves_a_version_that_its_fit_has_yet_to_promote(store: ModelStore) -> None:
    """Before its promotion a model is loaded on trial, while other fits commit and prune."""
    waiting, declined = commit(store), commit(store)
    store.promote(waiting)
    assert not store.promote_if_first(declined)
    waiting = commit(store)
    for _ in range(3):
        promoted(store)
    assert store.prune(NAME) == [1, declined.number, 4]
    os.utime(waiting.folder / "undecided", (0, 0))
    assert store.prune(NAME) == [waiting.number]


def test_prune_leaves_a_fit_that_runs(store: ModelStore) -> None:
    with store.reserve(NAME) as running:
        for _ in range(4):
            promoted(store)
        store.prune(NAME)
        store.sweep()
        assert running.folder.is_dir()


def test_a_version_promoted_while_it_is_pruned_stays(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = (promoted(store) for _ in range(4))
    hide = lifecycle.hide

    def promoted_before(folder: Path) -> Path:
        if folder == first.folder:
            store._store._promoted.point(NAME, first.number)
        return hide(folder)

    monkeypatch.setattr(lifecycle, "hide", promoted_before)
    assert store.prune(NAME) == [2]
    assert store.current(NAME) == first
    first.verify(hashes=True)


def test_a_version_half_removed_never_looks_whole(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        promoted(store)
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "discard", lambda _: None)
        assert store.prune(NAME) == [1]
    assert "removed-1" in entries(store)
    assert [version.number for version in store.versions(NAME)] == [2, 3]
    assert store.sweep() == []
    assert [Path(path).name for path in store.sweep(older_than=-1)] == ["removed-1"]
    assert entries(store) == {"2", "3", "current", "promoted", "reserved-3"}


def test_sweep_removes_old_unfinished_folders_alone(store: ModelStore) -> None:
    version = promoted(store)
    killed = store.reserve(NAME)
    (killed.folder / "umap_default.json").write_text("half")
    (version.folder.parent / ".current.abc.tmp").touch()
    assert store.sweep() == []
    assert {Path(path).name for path in store.sweep(older_than=-1)} == {str(killed.number), ".current.abc.tmp"}
    assert entries(store) == {"1", "current", "promoted", "reserved-2"}
    assert commit(store).number == 3


def test_sweep_spares_a_version_committed_at_that_moment(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    running = store.reserve(NAME)
    hide = lifecycle.hide

    def committed_before(folder: Path) -> Path:
        running.commit(Facts(), b"", b"")
        return hide(folder)

    monkeypatch.setattr(lifecycle, "hide", committed_before)
    assert store.sweep(older_than=-1) == []
    assert [version.number for version in store.versions(NAME)] == [1]


def test_a_running_fit_can_say_that_it_runs(store: ModelStore) -> None:
    running = store.reserve(NAME)
    os.utime(running.folder, (0, 0))
    running.touch()
    assert running.folder.stat().st_mtime > 0


def test_export_writes_the_flat_names_of_an_old_container(store: ModelStore, tmp_path: Path) -> None:
    with store.reserve(NAME) as reserved:
        (reserved.folder / "umap_default.json").write_text("new")
        (reserved.folder / "umap_default").mkdir()
        (reserved.folder / "umap_default" / "w.bin").write_text("w")
        version = reserved.commit(Facts(), b"", b"")
    to = tmp_path / "backup"
    assert sorted(export(version, to)) == [to / "umap_default/w.bin", to / "umap_default.json"]
    (to / "umap_default.json").write_text("precious")
    with pytest.raises(NotExported, match=r"has umap_default\.json, umap_default/w\.bin already\. .*--force"):
        export(version, to)
    assert (to / "umap_default.json").read_text() == "precious"
    export(version, to, force=True)
    assert (to / "umap_default.json").read_text() == "new"


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd", "a/../../secret", "", ".", "a//b", "..", "a\0b"])
def test_a_manifest_names_no_file_outside_its_version(store: ModelStore, tmp_path: Path, path: str) -> None:
    version = promoted(store)
    manifest = Path(version.place().folder) / "version.json"
    document = json.loads(manifest.read_text())
    document["files"].append({"path": path, "size": 1, "sha256": "0" * 64})
    manifest.write_text(json.dumps(document))
    with pytest.raises(StoreDamaged, match="outside the version's folder"):
        export(version, tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("linked", ["umap_default.json", "folder"])
def test_a_link_in_a_version_is_damage_and_is_not_followed(store: ModelStore, tmp_path: Path, linked: str) -> None:
    with store.reserve(NAME) as reserved:
        folder = Path(reserved.location.folder)
        (folder / "folder").mkdir()
        for file in ("umap_default.json", "folder/x"):
            (folder / file).write_text("{}")
        version = reserved.commit(Facts(), b"[]", b'{"model": "m", "model_summary": null}')
    (folder / linked).rename(tmp_path / "moved")
    (folder / linked).symlink_to(tmp_path / "moved")
    with pytest.raises(StoreDamaged, match="is a link, or behind one"):
        export(version, tmp_path / "to")


def test_a_link_as_long_as_the_file_was_is_damage_when_the_version_is_loaded(store: ModelStore, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    with store.reserve(NAME) as reserved:
        file = Path(reserved.location.folder, "umap_default.json")
        file.write_text("x" * len(str(moved)))
        version = reserved.commit(Facts(), b"[]", b"{}")
    file.rename(moved)
    file.symlink_to(moved)
    with pytest.raises(StoreDamaged, match="is a link, or behind one"):
        version.verify()


def test_export_says_when_save_stored_nothing(store: ModelStore, tmp_path: Path) -> None:
    with store.reserve(NAME) as reserved:
        Path(reserved.location.kept_model).write_bytes(b"pickle")
        version = reserved.commit(Facts(kept_by_runtime=True), b"", b"")
    assert Path(version.location().kept_model).exists()
    with pytest.raises(NotExported, match="its save stored nothing"):
        export(version, tmp_path)


def test_folders_that_are_not_ours_are_no_models(store: ModelStore, paths: Paths) -> None:
    (paths.versions / "lost+found" / "x").mkdir(parents=True)
    (paths.versions / "umap" / "a.b").mkdir(parents=True)
    (paths.versions / "umap" / "empty").mkdir(parents=True)
    (paths.versions / "file").touch()
    version = promoted(store)
    (version.folder.parent / "007").mkdir()
    (version.folder.parent / "٣").mkdir()
    assert store.models() == [NAME]
    assert store.versions(NAME) == [version]
