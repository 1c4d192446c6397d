"""Processes that share one home also share their copies of versions: none takes away what another has fetched."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths
from dltk_runtime.store.objects import fetched
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.store import Facts, ModelStore, Version
from tests.store.helpers import NAME, promoted


class Process:
    """One of several over the same objects and the same home."""

    def __init__(self, bucket: Bucket, paths: Paths) -> None:
        self.place = ObjectStore(bucket, paths, trust_seconds=0)
        self.store = ModelStore(self.place, keep=2)

    def version(self) -> Version:
        return self.store.get(NAME, 1)

    def file(self) -> Path:
        """Make the copy whole, and return its one file of the notebook."""
        return Path(self.version().location().folder, "umap_default.json")


@pytest.fixture
def processes(paths: Paths) -> tuple[Process, Process]:
    bucket = Bucket(MemoryStore(), "memory://")
    one, two = Process(bucket, paths), Process(bucket, paths)
    promoted(one.store, text="weights")
    return one, two


def test_a_copy_that_another_process_has_put_into_its_place_is_not_removed(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = processes
    file = one.file()
    file.write_text("forgery")
    hashed = atomic.sha256

    def hashed_while_another_process_repairs(path: Path) -> str:
        found = hashed(path)
        if path == file and path.read_text() == "forgery":
            monkeypatch.setattr(atomic, "sha256", hashed)
            assert two.place.drop_changed_copy(two.version().id)
            assert two.file().read_text() == "weights"
        return found

    monkeypatch.setattr(atomic, "sha256", hashed_while_another_process_repairs)
    assert one.place.drop_changed_copy(one.version().id)
    assert file.read_text() == "weights"
    assert list(one.store.problems(NAME)) == []


def test_a_worker_whose_copy_another_process_has_replaced_or_removed_loads_again(
    processes: tuple[Process, Process],
) -> None:
    one, two = processes
    file = one.file()
    began = time.monotonic()
    file.write_text("forgery")
    assert two.place.drop_changed_copy(two.version().id)
    assert "was removed or replaced" in one.store.examine(one.version(), began)
    assert two.file() == file
    assert "was removed or replaced" in one.store.examine(one.version(), began)
    assert one.file().read_text() == "weights"
    assert one.store.examine(one.version(), time.monotonic()) == ""  # it began with the new one
    assert "was removed or replaced" in one.store.examine(one.version(), began)
    assert one.store.damaged_copies == 0


def test_the_files_of_a_fit_stay_where_another_process_applies_it_at_once(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = processes
    create = Bucket.create
    used: list[tuple[str, int]] = []

    def created(bucket: Bucket, key: str, data: bytes) -> bool:
        made = create(bucket, key, data)
        if "/manifests/" in key:
            folder = two.store.get(NAME, 2).location().folder
            used.append((folder, Path(folder).stat().st_ino))
        return made

    monkeypatch.setattr(Bucket, "create", created)
    with one.store.reserve(NAME) as reserved:
        folder = reserved.location.folder
        Path(folder, "umap_default.json").write_text("weights")
        inode = Path(folder).stat().st_ino
        reserved.commit(Facts(), b"[]", b"{}")
    assert used == [(folder, inode)]


def test_of_two_processes_that_fetch_at_once_each_finds_a_whole_copy(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = processes
    file = one.file()
    file.write_text("torn")
    empty = fetched._empty

    def emptied(folder: int | None) -> None:
        empty(folder)
        monkeypatch.setattr(fetched, "_empty", empty)
        assert two.file().read_text() == "weights"

    monkeypatch.setattr(fetched, "_empty", emptied)
    assert one.file().read_text() == "weights"
    assert [each.name for each in file.parent.parent.iterdir()] == ["1"]


def test_what_lies_in_the_place_of_a_copy_makes_room_for_it(processes: tuple[Process, Process], tmp_path: Path) -> None:
    one, _ = processes
    folder = one.file().parent
    for make in (lambda: folder.write_text("a file"), lambda: folder.symlink_to(tmp_path), folder.mkdir):
        one.place.forget_copies(NAME)
        folder.parent.mkdir(parents=True)
        make()
        assert one.file().read_text() == "weights"
    assert not (tmp_path / "umap_default.json").exists()
