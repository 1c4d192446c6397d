"""From a reserved number to a committed version, also on a disk that does not take it."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dltk_runtime.errors import NotStored, StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths
from dltk_runtime.store import lifecycle
from dltk_runtime.store.store import Facts, ModelStore
from dltk_runtime.tables.feature import Feature
from tests.store.helpers import NAME, commit, entries, promoted


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


def test_a_committed_version_tells_everything_it_was_told(store: ModelStore, paths: Paths) -> None:
    facts = Facts(
        parameters={"epochs": "3"},
        targets=["species"],
        features=[Feature("petal", "float64")],
        rows=150,
        info={"loss": [1.5, 0.5]},
        train={"accuracy": 0.9},
        libraries={"pandas": "3.0"},
        job="j1",
    )
    version = commit(store, text='{"weights": 1}', facts=facts)
    manifest = version.manifest()
    assert version.location().load_name == "versions/umap/default/1/umap_default"
    assert (paths.models / f"{version.location().load_name}.json").read_text() == '{"weights": 1}'
    assert (manifest.algorithm, manifest.model, manifest.number) == ("umap", "default", 1)
    assert {name: getattr(manifest, name) for name in facts.__struct_fields__} == {
        name: getattr(facts, name) for name in facts.__struct_fields__
    }
    assert [stored.path for stored in manifest.files] == ["code.json", "summary.json", "umap_default.json"]
    assert version.code() == b"[]"
    assert json.loads(version.description())["model"] == "m"
    assert version.location().kept_model == ""
    version.verify(hashes=True)


def test_session_keys_and_tokens_stay_out_of_the_manifest(store: ModelStore) -> None:
    secret = "splunkd-7f3a"
    keys = ["session_key", "sessionKey", "Authorization", "api-token", "token", "hec_token", "PASSWORD"]
    version = commit(store, facts=Facts(parameters=dict.fromkeys(keys, secret) | {"max_tokens": "9"}))
    assert version.manifest().parameters == {"max_tokens": "9"}
    assert secret not in (version.folder / "version.json").read_text()


def test_numbers_that_are_not_finite_and_half_characters_are_still_a_manifest(store: ModelStore) -> None:
    facts = Facts(
        train={"loss": float("nan"), "best": float("inf")},
        features=[Feature("a\ud800", "int64")],
        parameters={"\udfff": "\ud800"},
        info={"big": 2**70, "nan": float("nan")},
    )
    manifest = commit(store, facts=facts).manifest()
    assert manifest.train == {"loss": None, "best": None}
    assert manifest.features == [Feature("a?", "int64")]
    assert manifest.info == {"big": 2**70, "nan": None}


def test_folders_that_a_save_makes_are_part_of_the_version(store: ModelStore) -> None:
    with store.reserve(NAME) as reserved:
        inner = reserved.folder / "umap_default" / "weights"
        inner.mkdir(parents=True)
        (inner / "w.bin").write_bytes(b"\0" * 100)
        os.mkfifo(reserved.folder / "pipe")
        (reserved.folder / "nowhere").symlink_to("missing")
        version = reserved.commit(Facts(), b"", b"")
    assert [stored.path for stored in version.manifest().files][2:] == ["umap_default/weights/w.bin"]
    (version.folder / "umap_default/weights/w.bin").write_bytes(b"\1" * 100)
    version.verify()
    with pytest.raises(StoreDamaged, match=r"umap_default/weights/w\.bin .* has changed"):
        version.verify(hashes=True)


def test_damage_is_named_by_its_file(store: ModelStore) -> None:
    version = commit(store, text="12345")
    (version.folder / "umap_default.json").write_text("123")
    with pytest.raises(StoreDamaged, match=r"umap_default\.json .* has 3 bytes, and had 5"):
        version.verify()
    (version.folder / "umap_default.json").unlink()
    with pytest.raises(StoreDamaged, match=r"umap_default\.json .* is missing"):
        version.verify()


def test_leaving_without_a_commit_leaves_nothing(store: ModelStore) -> None:
    with store.reserve(NAME) as reserved:
        (reserved.folder / "umap_default.json").write_text("half")
    assert entries(store) == {"reserved-1"}
    assert store.current(NAME) is None
    assert store.models() == []


def test_a_number_is_never_used_twice(store: ModelStore) -> None:
    with store.reserve(NAME) as aborted:
        pass
    newest = promoted(store)
    lifecycle.discard(lifecycle.hide(newest.folder))
    third = promoted(store)
    assert [aborted.number, newest.number, third.number] == [1, 2, 3]
    for path in third.folder.iterdir():
        path.unlink()
    third.folder.rmdir()
    assert commit(store).number == 4


def test_a_number_is_not_reused_by_a_process_that_comes_late(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the folder; others reserve 1 and 2 and abandon them; then it continues."""
    look, seen = lifecycle.highest, []

    def late(folder: Path) -> int:
        monkeypatch.setattr(lifecycle, "highest", look)
        before = look(folder)
        for _ in range(2):
            with store.reserve(NAME) as other:
                seen.append(other.number)
        return before

    monkeypatch.setattr(lifecycle, "highest", late)
    with store.reserve(NAME) as reserved:
        assert reserved.number == 3
    assert seen == [1, 2]


def test_threads_that_commit_at_once_get_numbers_of_their_own(store: ModelStore) -> None:
    barrier = threading.Barrier(8)

    def run(_: int) -> int:
        barrier.wait()
        return promoted(store).number

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(run, range(8)))
    assert len(set(taken)) == 8
    current = store.current(NAME)
    assert current is not None
    current.verify(hashes=True)


def test_a_notice_is_added_to_the_manifest(store: ModelStore) -> None:
    version = commit(store)
    assert version.manifest().notices == []
    store.note(version, "load failed")
    store.note(version, "and again")
    assert version.notices() == ["load failed", "and again"]
    assert version.manifest().notices == []
    version.verify(hashes=True)


# ---------------------------------------------------------------- a disk that does not take it


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB; without the right to mount, a folder whose writes fail as if full."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], check=False, capture_output=True)
    if mount.returncode:
        yield from _limited(disk)
        return
    yield disk
    subprocess.run(["umount", disk], check=True)


def _limited(disk: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:

        def full(_: Path) -> tuple[int, str]:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(atomic, "sync_and_hash", full)
        yield disk


@pytest.mark.process
def test_a_full_disk_is_said_and_nothing_half_remains(tiny: Path) -> None:
    store = ModelStore.open(Paths(tiny, tiny), keep=5)
    first = store._version(NAME, 1)
    with store.reserve(NAME) as reserved:
        (reserved.folder / "umap_default.json").write_bytes(b"x" * 100_000)
        with pytest.raises(NotStored) as caught:
            reserved.commit(Facts(), b"y" * 1_000_000, b"")
    assert re.search(
        rf"umap/default version 1 could not be written to {first.folder}: No space left on device; [\d,]+ bytes are "
        r"free there\. Free space, for example with 'dltk models prune'",
        caught.value.sentence,
    )
    assert entries(store) == {"reserved-1"}
    assert store.current(NAME) is None


@pytest.mark.process
def test_a_disk_that_fills_at_the_manifest_keeps_the_version_before(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = promoted(store)

    def full(_: int, __: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "write_all", full)
    with pytest.raises(NotStored):
        commit(store)
    with pytest.raises(NotStored, match="No space left"):
        store.promote(first)
    assert store.current(NAME) == first
    assert entries(store) == {"1", "current", "promoted", "reserved-2"}


def test_a_folder_that_may_not_be_written_is_said(store: ModelStore, paths: Paths) -> None:
    paths.versions.parent.mkdir(parents=True, exist_ok=True)
    paths.versions.write_text("not a folder")
    with pytest.raises(NotStored, match=r"A new version of umap/default could not be written to .*Not a directory"):
        store.reserve(NAME)


def test_missing_rights_name_the_user(tmp_path: Path) -> None:
    error = atomic.not_stored("It", tmp_path / "x" / "y", PermissionError(13, "Permission denied"))
    assert f"writable for user {os.geteuid()}" in error.sentence


@pytest.mark.parametrize("stray", ["9" * 17, "9" * 17 + "8", "9" * 19])
def test_a_folder_with_a_huge_number_makes_no_false_current(store: ModelStore, stray: str) -> None:
    (promoted(store).folder.parent / stray).mkdir()
    version = promoted(store)
    assert store.current(NAME) == version
    assert store.serving(NAME) == version


def test_a_folder_with_the_highest_number_is_named(store: ModelStore) -> None:
    first = promoted(store)
    (first.folder.parent / ("9" * 18)).mkdir()
    with pytest.raises(NotStored, match=r"the highest possible number, 9{18}: rename it"):
        commit(store)
    assert store.serving(NAME) == first
