"""Backup, restoration and forgetting of a home whose versions are in an object store.

The store is inside this process; `tests/store/objects/test_fronts.py` does the same over a real S3 server.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from obstore.store import MemoryStore

from dltk_runtime import cli
from dltk_runtime.access.actor import Actor
from dltk_runtime.commands import Exit
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import forgetting
from dltk_runtime.store.deeds import What
from dltk_runtime.store.errors import ConditionIgnored
from dltk_runtime.store.objects import backup as module
from dltk_runtime.store.objects import keys, opened, probe
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from dltk_runtime.volume import record, restore
from dltk_runtime.volume.backup import back_up
from dltk_runtime.volume.errors import HomeOccupied, NothingToForget, StoreOccupied
from dltk_runtime.volume.forget import Forgetting
from tests.store.helpers import NAME, commit, promoted

OTHER = ModelName("pca", "iris")


@pytest.fixture(autouse=True)
def buckets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Bucket]:
    found = defaultdict[str, Bucket](lambda: Bucket(MemoryStore(), "memory://"))
    monkeypatch.setattr(opened, "_bucket", found.__getitem__)
    return found


def home(tmp_path: Path, name: str, address: str) -> Paths:
    folder = tmp_path / name
    (folder / "notebooks").mkdir(parents=True)
    return Paths(folder, folder / "notebooks", objects=address)


def filled(paths: Paths) -> ModelStore:
    """Two models: one with a rollback, a notice, a score, pictures, a choice of code; one that nothing promoted."""
    store = ModelStore.open(paths, keep=5)
    for text in ("first", "second"):
        version = promoted(store, text=text)
        store.note(version, f"a notice on {text}")
    store.add_score(version, "labels", 3, {"r2": 0.5})
    with store.reserve(NAME) as reserved:
        Path(reserved.location.pictures).mkdir()
        Path(reserved.location.pictures, "loss curve.png").write_bytes(b"png")
        Path(reserved.location.folder, "umap_default.json").write_text("third")
    with store.reserve(NAME) as reserved:
        Path(reserved.location.pictures).mkdir()
        Path(reserved.location.pictures, "loss curve.png").write_bytes(b"png")
        Path(reserved.location.folder, "umap_default.json").write_text("fourth")
        fourth = reserved.commit(Facts(), b"[]", b"{}")
    store.promote(fourth)
    store.rollback(NAME)
    store.choose_code(NAME, "pinned")
    store.record(NAME, What.ROLLED_BACK, Actor(), 2)
    commit(store, OTHER)
    return store


def told(paths: Paths) -> object:
    """All that the rules see of a home's versions."""
    store = ModelStore.open(paths, keep=5)
    found = []
    for name in store.models():
        place = store._store
        serving = store.choose(name)
        versions = []
        for version in store.versions(name):
            version.verify(hashes=True)
            files = {
                each.path: hashlib.sha256(Path(version.location().folder, each.path).read_bytes()).hexdigest()
                for each in version.manifest().files
            }
            versions.append((version.number, version.manifest(), files, version.notices(), version.scores()))
        found.append(
            (
                name,
                serving.version.number,
                serving.problem,
                [(each.version, each.found) for each in place.promotions(name)],
                place.deeds(name),
                store.pins_code(name, default=False),
                versions,
            )
        )
    return found


@pytest.mark.parametrize(("source", "target"), [("s3://a/x", "s3://a/y"), ("s3://a/x", ""), ("", "s3://a/y")])
def test_a_backup_of_either_kind_of_store_is_restored_to_either(source: str, target: str, tmp_path: Path) -> None:
    paths, new = home(tmp_path, "one", source), home(tmp_path, "two", target)
    store = filled(paths)
    found = back_up(paths, tmp_path / "backup")
    assert (found.models, found.versions, found.problems) == (2, 4, [])
    assert not any("/objects/" in each.path for each in found.files)  # copies are none of it
    restore.check(tmp_path / "backup", found)
    restore.restore(tmp_path / "backup", found, new, set_aside=False)
    restore.verify(tmp_path / "backup", found, new)
    assert told(new) == told(paths) != []
    assert (not new.versions.exists()) == bool(target)
    fresh = ModelStore.open(new, keep=5)
    assert [promoted(each, text="next").number for each in (store, fresh)] == [5, 5]  # 3 was given out before
    assert fresh.rollback(NAME).number == store.rollback(NAME).number


def test_a_restoration_overwrites_nothing_and_goes_on_after_a_cut(tmp_path: Path, buckets: dict[str, Bucket]) -> None:
    paths, target = home(tmp_path, "one", "s3://a/x"), tmp_path / "backup"
    store = filled(paths)
    found = back_up(paths, target)
    new = home(tmp_path, "two", "s3://a/y")
    bucket = buckets["s3://a/y"]
    restore.restore(target, found, new, set_aside=False)
    written = {each.key: bucket.get(each.key) for each in bucket.below("models")}
    cut = [keys.model(NAME, "current"), keys.manifest(VersionId(NAME, 4)), keys.file(VersionId(NAME, 4), "code.json")]
    bucket.delete(cut)  # as if it had been cut short
    again = home(tmp_path, "three", "s3://a/y")
    restore.restore(target, found, again, set_aside=False)
    restore.verify(target, found, again)
    assert {each.key for each in bucket.below("models")} == set(written)
    with pytest.raises(HomeOccupied):
        restore.restore(target, found, again, set_aside=False)

    promoted(store, text="since")  # the store that was backed up has gone on
    with pytest.raises(StoreOccupied, match="has umap/default already, and not as in the backup"):
        restore.restore(target, found, home(tmp_path, "four", "s3://a/x"), set_aside=False)
    assert record.read(target) == found
    assert store.serving(NAME).number == 5


def test_what_was_done_to_a_model_is_there_once_after_its_backup_is_restored(tmp_path: Path) -> None:
    paths = home(tmp_path, "one", "s3://a/x")
    store = ModelStore.open(paths, keep=5)
    commit(store)
    for number, what in enumerate((What.KEPT_BACK, What.PINNED)):
        store.record(NAME, what, Actor(owner="anna"), number)
    found = back_up(paths, tmp_path / "backup")
    place = ObjectStore(opened._bucket(paths.objects), paths)
    before = place.deeds(NAME)
    for number in range(2):
        restore.restore(tmp_path / "backup", found, home(tmp_path, f"new{number}", paths.objects), set_aside=False)
    assert (place.deeds(NAME), [each.what for each in before]) == (before, [What.KEPT_BACK, What.PINNED])


def test_a_version_promoted_while_others_are_copied_is_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = home(tmp_path, "one", "s3://a/x")
    store = filled(paths)
    copied = module.ObjectCopy.copy_pointers

    def later(self: module.ObjectCopy) -> None:
        for text in ("fifth", "sixth"):
            promoted(store, text=text)
        store.delete_version(NAME, 1)
        copied(self)

    monkeypatch.setattr(module.ObjectCopy, "copy_pointers", later)
    found = back_up(paths, tmp_path / "backup")
    new = home(tmp_path, "two", "")
    restore.restore(tmp_path / "backup", found, new, set_aside=False)
    assert ModelStore.open(new, keep=5).serving(NAME).number == 6
    assert found.problems == []


def test_a_damaged_object_is_copied_as_it_is_and_named(tmp_path: Path, buckets: dict[str, Bucket]) -> None:
    paths = home(tmp_path, "one", "s3://a/x")
    filled(paths)
    buckets["s3://a/x"].put(keys.file(VersionId(NAME, 2), "umap_default.json"), b"forgery")
    buckets["s3://a/x"].put(keys.version(VersionId(NAME, 2), "files/=2e=2e/=2e=2e/outside"), b"x")
    found = back_up(paths, tmp_path / "backup")
    [problem] = found.problems
    assert "umap_default.json in memory:///models/umap/default/versions/" in problem
    assert not any("outside" in each.path for each in found.files)


def dltk(paths: Paths, *command: str) -> Result:
    places = ["--home", str(paths.home), "--notebooks", str(paths.notebooks)]
    return CliRunner(env={"DLTK_STORE": paths.objects}).invoke(cli.dltk, [*command, *places])


def test_nothing_but_numbers_and_history_is_left_of_a_forgotten_model(
    tmp_path: Path, buckets: dict[str, Bucket]
) -> None:
    paths = home(tmp_path, "one", "s3://a/x")
    store = filled(paths)
    copies = Path(store.serving(NAME).location().folder).parent
    (paths.graphics / "loss curve.png").write_bytes(b"another")
    listed = dltk(paths, "forget", "umap/default")
    assert "another picture has this name now" in listed.output
    assert copies.exists()
    assert dltk(paths, "forget", "umap/default", "--yes").exit_code == Exit.OK
    bucket = buckets["s3://a/x"]
    left = {each.key.removeprefix("models/umap/default/").partition("/")[0] for each in bucket.below("models/umap")}
    assert left == {"current", "history", "manifests", "reserved"}
    assert all(not each.size for each in bucket.below(keys.model(NAME, "manifests")))
    state = bucket.get(keys.model(NAME, "current"))
    assert state is not None
    assert set(json.loads(state.data)) == {"revision", "nonce", "since"}
    assert not copies.exists()
    assert (paths.graphics / "loss curve.png").exists()
    fresh = ModelStore.open(paths, keep=5)
    assert (fresh.models(), fresh.history(NAME).entries[0].what) == ([OTHER], What.FORGOTTEN)
    with pytest.raises(NothingToForget):
        Forgetting(paths, JobStore(paths, keep=1, log_bytes=1), [NAME], old_files=False).find()
    assert commit(fresh).number == 5


def test_a_version_committed_while_its_model_is_forgotten_goes_whole(
    tmp_path: Path, buckets: dict[str, Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = home(tmp_path, "one", "s3://a/x")
    store, deleted = filled(paths), list[ModelName]()
    delete = ObjectStore.delete
    with store.reserve(NAME) as reserved:
        Path(reserved.location.folder, "umap_default.json").write_text("late")

        def delete_and_commit(place: ObjectStore, name: ModelName) -> None:
            delete(place, name)
            if not deleted:
                store.promote(reserved.commit(Facts(), b"[]", b"{}"))
            deleted.append(name)

        monkeypatch.setattr(ObjectStore, "delete", delete_and_commit)
        forgetting.forget(paths, NAME)
    bucket = buckets["s3://a/x"]
    assert bucket.below(keys.model(NAME, "versions")) == bucket.below(keys.model(NAME, "promoted")) == []
    assert store.versions(NAME) == []
    assert store.choose(NAME).version.number == 0


def test_the_folder_of_versions_from_before_the_object_store_is_forgotten_too(tmp_path: Path) -> None:
    before = home(tmp_path, "one", "")
    filled(before)
    paths = dataclasses.replace(before, objects="s3://a/x")
    (paths.graphics / "loss curve.png").write_bytes(b"png")
    assert dltk(paths, "forget", "umap/default", "--yes").exit_code == Exit.OK
    left = {each.name for each in (paths.versions / "umap" / "default").iterdir()}
    assert left == {"history", "reserved-4"}
    assert not (paths.graphics / "loss curve.png").exists()


def test_a_restoration_meets_no_fit_of_the_same_number(tmp_path: Path) -> None:
    filled(paths := home(tmp_path, "one", "s3://a/x"))
    found, new = back_up(paths, tmp_path / "backup"), home(tmp_path, "two", "s3://a/y")
    with (
        ModelStore.open(home(tmp_path, "three", "s3://a/y"), keep=5).reserve(NAME),
        pytest.raises(StoreOccupied, match="umap/default"),
    ):
        restore.restore(tmp_path / "backup", found, new, set_aside=False)
    assert list(new.home.iterdir()) == [new.notebooks]


def test_a_restored_version_keeps_its_whole_file_when_a_damaged_one_is_restored(tmp_path: Path) -> None:
    filled(paths := home(tmp_path, "one", "s3://a/x"))
    whole = back_up(paths, tmp_path / "whole")
    opened._bucket(paths.objects).put(keys.file(VersionId(NAME, 2), "umap_default.json"), b"forgery")
    damaged = back_up(paths, tmp_path / "damaged")
    assert (whole.problems, len(damaged.problems)) == ([], 1)
    for number, (name, found) in enumerate({"whole": whole, "damaged": damaged}.items()):
        restore.restore(tmp_path / name, found, home(tmp_path, f"new{number}", "s3://a/y"), set_aside=False)
    ModelStore.open(home(tmp_path, "reader", "s3://a/y"), keep=5).get(NAME, 2).verify(hashes=True)


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ignored(bucket: Bucket) -> None:
        raise ConditionIgnored(bucket.where, "ignores them")

    filled(paths := home(tmp_path, "one", ""))
    found, new = back_up(paths, tmp_path / "backup"), home(tmp_path, "two", "s3://a/y")
    (new.home / "jobs").mkdir()
    opened._prove.cache_clear()
    monkeypatch.setattr(probe, "check", ignored)
    with pytest.raises(ConditionIgnored):
        restore.restore(tmp_path / "backup", found, new, set_aside=True)
    assert sorted(new.home.iterdir()) == [new.home / "jobs", new.notebooks]


def test_records_that_cannot_be_read_are_named_by_a_backup(tmp_path: Path, buckets: dict[str, Bucket]) -> None:
    filled(paths := home(tmp_path, "one", "s3://a/x"))
    for part in ("promoted/torn", "history/00000000000000000001-torn"):
        buckets["s3://a/x"].put(keys.model(NAME, part), b"{")
    assert back_up(paths, tmp_path / "backup").problems == [
        "memory:///models/umap/default/promoted has 1 objects that are no promotions.",
        "memory:///models/umap/default/history has 1 objects that cannot be read.",
    ]
