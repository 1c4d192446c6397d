"""Backups of a home whose store changes meanwhile, and their restoration, without a server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import cli
from dltk_runtime.commands import Exit
from dltk_runtime.errors import DltkError
from dltk_runtime.files import lines
from dltk_runtime.files.copying import Copied, Copier
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.store.history import Promotion
from dltk_runtime.store.store import ModelStore
from dltk_runtime.volume import record, restore
from dltk_runtime.volume.backup import back_up
from dltk_runtime.volume.errors import BackupDamaged, BackupIncomplete, HomeOccupied, RestoredWrongly, TargetRefused
from tests.store.helpers import NAME, commit, promoted

OTHER = ModelName("pca", "iris")


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def restored(backup: Path, tmp_path: Path, name: str = "elsewhere") -> Paths:
    """The folders of a home that a backup was restored to."""
    found, paths = record.read(backup), Paths(tmp_path / name, tmp_path / name / "notebooks")
    restore.check(backup, found)
    restore.restore(backup, found, paths, set_aside=False)
    restore.verify(backup, found, paths)
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def meanwhile(monkeypatch: pytest.MonkeyPatch, beginning: str, change: Callable[[], object]) -> None:
    """Do `change` once, after the first file whose path in the copy begins so was copied."""
    copy, done = Copier.file, threading.Event()

    def file(self: Copier, source: Path, to: str) -> Copied | None:
        copied = copy(self, source, to)
        if to.startswith(beginning) and not done.is_set():
            done.set()
            change()
        return copied

    monkeypatch.setattr(Copier, "file", file)


# ------------------------------------------------------------ what is in it


def test_a_restored_home_has_every_file_with_its_content_and_time(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path
) -> None:
    promoted(store), promoted(store), commit(store, OTHER)
    (paths.models / "umap_old.json").write_text("flat")
    (paths.notebooks / "umap.ipynb").write_text("{}")
    (paths.staged / "m.csv").write_text("a\n1\n")
    os.utime(paths.staged / "m.csv", (1_700_000_000, 1_700_000_000))
    found = back_up(paths, target)
    assert (found.models, found.versions, found.problems) == (2, 3, [])
    new = restored(target, tmp_path)
    assert contents(new.home) == contents(paths.home) | {
        f"notebooks/{name}": data for name, data in contents(paths.notebooks).items()
    }
    assert (new.staged / "m.csv").stat().st_mtime == 1_700_000_000


def test_secrets_caches_temporary_files_and_links_are_left_out(paths: Paths, target: Path) -> None:
    left = ("tls/key.pem", "events/ab/000001.jsonl", "console/x", "jupyter/k", "app/model/__pycache__/m.pyc", ".a.tmp")
    for name in left:
        (paths.home / name).parent.mkdir(parents=True, exist_ok=True)
        (paths.home / name).write_text("no")
    (paths.home / "link").symlink_to("/etc/hostname")
    (paths.home / "folder").symlink_to("/etc")
    os.mkfifo(paths.home / "pipe")
    found = back_up(paths, target)
    assert [each.path for each in found.files] == []
    assert found.left_out == ["home/folder", "home/link", "home/pipe"]


def test_notebooks_inside_the_home_are_copied_once(tmp_path: Path, target: Path) -> None:
    paths = Paths(tmp_path / "srv", tmp_path / "srv" / "notebooks")
    paths.notebooks.mkdir(parents=True)
    (paths.notebooks / "a.ipynb").write_text("{}")
    assert [each.path for each in back_up(paths, target).files] == ["notebooks/a.ipynb"]


def test_a_damaged_version_is_copied_as_it_is_and_named(paths: Paths, store: ModelStore, target: Path) -> None:
    version = promoted(store)
    Path(version.location().folder, "umap_default.json").write_text("[]")
    assert back_up(paths, target).problems == [
        f"umap/default version 1 is damaged: umap_default.json in {version.where} is missing or has changed."
    ]


def test_a_file_that_cannot_be_read_is_a_problem(paths: Paths, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (paths.models / "umap_old.json").write_text("{}")
    opened = os.open

    def refusing(path: Path, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("umap_old.json"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, mode)

    monkeypatch.setattr("dltk_runtime.files.copying.os.open", refusing)
    assert back_up(paths, target).problems == [f"{paths.models / 'umap_old.json'} cannot be read: Permission denied."]


def test_a_folder_that_cannot_be_read_is_a_problem(
    paths: Paths, store: ModelStore, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(store)
    (paths.notebooks / "private").mkdir()
    unread = (paths.versions / "umap", paths.notebooks / "private")
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, partial(refusing, getattr(os, name), unread))
    assert back_up(paths, target).problems == [f"{path} cannot be read: Permission denied." for path in unread]


def refusing(read: Callable[[Any], Any], unread: tuple[Path, ...], folder: Any = ".") -> Any:
    """Read a folder, unless it is one of `unread`."""
    if not isinstance(folder, int) and Path(folder) in unread:
        raise PermissionError(13, "Permission denied", str(folder))
    return read(folder)


# ------------------------------------------------------------ while the store changes


def test_a_version_promoted_while_others_are_copied_is_in_the_copy(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(store)
    meanwhile(monkeypatch, "home/app/model/data/versions/umap", lambda: [promoted(store, text="2"), promoted(store)])
    assert back_up(paths, target).problems == []
    new = ModelStore.open(restored(target, tmp_path), keep=2)
    assert new.serving(NAME).number == 3
    assert [each.number for each in new.versions(NAME)] == [1, 2, 3]


def test_a_version_removed_while_it_is_copied_is_not_in_the_copy(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        promoted(store)
    meanwhile(monkeypatch, "home/app/model/data/versions/umap/default/1/", lambda: store.prune(NAME))
    assert back_up(paths, target).problems == []
    new = ModelStore.open(restored(target, tmp_path), keep=2)
    assert [each.number for each in new.versions(NAME)] == [3, 4]
    assert new.reserve(NAME).number == 5, "no number is used twice"


def test_a_model_deleted_meanwhile_is_not_in_the_copy(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(store), promoted(store, OTHER)
    meanwhile(monkeypatch, "home/app/model/data/versions/umap", lambda: store.delete(NAME))
    assert back_up(paths, target).models == 1
    new = ModelStore.open(restored(target, tmp_path), keep=2)
    assert (new.models(), new.reserve(NAME).number) == ([OTHER], 2)


def test_the_pointer_is_never_newer_than_the_promotions(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(store)
    folder = "home/app/model/data/versions/umap/default"
    meanwhile(monkeypatch, f"{folder}/1/", lambda: commit(store))
    # It is copied once the pointer was read.
    meanwhile(monkeypatch, f"{folder}/2/", lambda: store.promote(store.get(NAME, 2)))
    back_up(paths, target)
    new = restored(target, tmp_path)
    history = lines.read(new.versions / "umap" / "default" / "promoted", Promotion)
    assert ModelStore.open(new, keep=2).serving(NAME).number == 1, "as it was when the pointer was read"
    assert [each.version for each in history] == [1, 2]


def test_backups_taken_while_a_thread_fits_promotes_and_prunes_are_whole(
    paths: Paths, store: ModelStore, tmp_path: Path
) -> None:
    promoted(store)
    ended = threading.Event()

    def fits() -> None:
        while not ended.is_set():
            promoted(store, text="x" * 1000)
            store.prune(NAME)
            store.rollback(NAME)

    thread = threading.Thread(target=fits)
    thread.start()
    try:
        for number in range(5):
            assert back_up(paths, tmp_path / f"backup {number}").problems == []
    finally:
        ended.set()
        thread.join()
    for number in range(5):
        new = ModelStore.open(restored(tmp_path / f"backup {number}", tmp_path, f"home {number}"), keep=2)
        serving = new.choose(NAME)
        assert serving.problem == ""
        serving.version.verify(hashes=True)


def test_an_asynchronous_job_that_ends_meanwhile_has_ended_in_the_copy(
    paths: Paths, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paths.jobs / "20260131T120000.000000Z-0a1b2c3d"
    (folder / "free-0").mkdir(parents=True)
    waiting = (
        b'{"id":"20260131T120000.000000Z-0a1b2c3d","algorithm":"umap","model":"m","state":"queued",'
        b'"created":"2026-01-31T12:00:00Z","asynchronous":true}'
    )
    (folder / "job.json").write_bytes(waiting)
    (folder / "log").write_text("")
    (folder / "data.csv").write_text("a\n1\n")
    (folder / "meta.json").write_text("{}")

    def rows_go() -> None:
        (folder / "data.csv").unlink()
        (folder / "meta.json").unlink()

    meanwhile(monkeypatch, f"home/jobs/{folder.name}/log", rows_go)
    found = back_up(paths, target)
    assert "free-0" in found.folders[-1]
    jobs = JobStore(restored(target, tmp_path), keep=5, log_bytes=1000)
    assert [each.id for each in jobs.list()] == [folder.name]
    assert jobs.submission(folder.name) is None, "the rows that went while the job was copied are gone in it"
    assert isinstance(jobs.list()[0], JobRecord)


# ------------------------------------------------------------ what is refused


def test_a_backup_goes_neither_over_something_nor_into_what_is_copied(paths: Paths, target: Path) -> None:
    for inside in (paths.home / "backup", paths.notebooks, paths.home):
        with pytest.raises(TargetRefused, match="is inside"):
            back_up(paths, inside)
    target.mkdir()
    (target / "mine").touch()
    with pytest.raises(TargetRefused, match="is not empty"):
        back_up(paths, target)
    with pytest.raises(DltkError, match="does not exist"):
        back_up(Paths(paths.home / "none", paths.notebooks), target.with_name("other"))


def test_what_is_no_backup_or_was_cut_short_is_refused_by_name(paths: Paths, store: ModelStore, target: Path) -> None:
    promoted(store)
    back_up(paths, target)
    (target / record.RECORD).unlink()
    with pytest.raises(BackupIncomplete, match=r"has no backup\.json, which is written last: the backup was cut short"):
        record.read(target)
    with pytest.raises(BackupIncomplete, match=r"it has no backup\.json\."):
        record.read(paths.notebooks)


@pytest.mark.parametrize("path", ["../x", "home/../../x", "home//x", "/etc/passwd", "home", "tmp/x", "home/a\0b"])
def test_a_record_that_leads_outside_is_refused(paths: Paths, target: Path, path: str) -> None:
    back_up(paths, target)
    text = json.loads((target / record.RECORD).read_text())
    text["files"] = [{"path": path, "size": 1, "sha256": "ab"}]
    (target / record.RECORD).write_text(json.dumps(text))
    with pytest.raises(BackupDamaged, match="outside of a home"):
        record.read(target)


@pytest.mark.parametrize("path", ["home/tls/key.pem", "home/console", "home/.before-restore-1/x"])
def test_a_record_that_names_what_no_backup_has_is_refused(paths: Paths, target: Path, path: str) -> None:
    back_up(paths, target)
    text = json.loads((target / record.RECORD).read_text())
    text["files"] = [{"path": path, "size": 0, "sha256": "ab"}]
    (target / record.RECORD).write_text(json.dumps(text))
    with pytest.raises(BackupDamaged, match="which no backup has"):
        record.read(target)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(paths: Paths, target: Path) -> None:
    (paths.models / "empty").touch()
    back_up(paths, target)
    place = next(target.rglob("empty"))
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(BackupDamaged, match="empty is not as it was backed up"):
        restore.check(target, record.read(target))


def test_a_record_of_a_newer_runtime_is_refused(paths: Paths, target: Path) -> None:
    back_up(paths, target)
    text = json.loads((target / record.RECORD).read_text())
    (target / record.RECORD).write_text(json.dumps(text | {"format": 2}))
    with pytest.raises(BackupDamaged, match="has format 2, and this runtime reads up to 1"):
        record.read(target)


@pytest.mark.parametrize("damage", ["remove", "change", "link"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, damage: str
) -> None:
    promoted(store)
    back_up(paths, target)
    file = target / "home/app/model/data/versions/umap/default/1/umap_default.json"
    content = file.read_bytes()
    file.unlink()
    if damage == "change":
        file.write_bytes(content.replace(b"{", b"["))
    if damage == "link":
        (tmp_path / "same").write_bytes(content)
        file.symlink_to(tmp_path / "same")
    with pytest.raises(BackupDamaged, match=r"umap_default\.json"):
        restored(target, tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("place", ["home/app/model", "home", "notebooks/empty"])
def test_a_folder_of_a_backup_that_is_a_link_is_refused_by_name(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, place: str
) -> None:
    promoted(store)
    (paths.notebooks / "empty").mkdir()
    back_up(paths, target)
    (target / place).rename(tmp_path / "elsewhere_whole")
    (target / place).symlink_to(tmp_path / "elsewhere_whole")
    with pytest.raises(BackupDamaged, match=f"{place} is a link, and a backup has none"):
        restored(target, tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_there_is_never_overwritten_and_can_be_set_aside(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path
) -> None:
    promoted(store)
    back_up(paths, target)
    found, new = record.read(target), Paths(tmp_path / "new", tmp_path / "new" / "notebooks")
    new.notebooks.mkdir(parents=True)
    (new.home / "tls").mkdir()
    (new.notebooks / "mine.ipynb").write_text("{}")
    with pytest.raises(HomeOccupied, match=r"notebooks has mine\.ipynb already"):
        restore.restore(target, found, new, set_aside=False)
    assert sorted(path.name for path in new.home.iterdir()) == ["notebooks", "tls"]
    (aside,) = restore.restore(target, found, new, set_aside=True).set_aside
    assert (aside / "mine.ipynb").read_text() == "{}"
    assert aside.name.startswith("."), "notebooks in hidden folders are no algorithms"
    assert (new.home / "tls").is_dir(), "no backup has it, so it stays"
    restore.verify(target, found, new)
    assert aside.name not in str(back_up(new, tmp_path / "second").files)


def test_notebooks_deep_in_the_home_are_set_aside_with_it(paths: Paths, target: Path, tmp_path: Path) -> None:
    (paths.notebooks / "a.ipynb").write_text("{}")
    back_up(paths, target)
    new = Paths(tmp_path / "new", tmp_path / "new" / "app" / "notebooks")
    new.notebooks.mkdir(parents=True)
    (new.notebooks / "mine.ipynb").write_text("mine")
    found = record.read(target)
    with pytest.raises(HomeOccupied, match="mine"):
        restore.restore(target, found, new, set_aside=False)
    restore.restore(target, found, new, set_aside=True)
    restore.verify(target, found, new)
    assert [path.read_text() for path in new.home.rglob("mine.ipynb")] == ["mine"]


def test_a_restoration_that_was_cut_short_is_named(
    paths: Paths, store: ModelStore, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(store)
    back_up(paths, target)

    def killed() -> None:
        raise KeyboardInterrupt

    meanwhile(monkeypatch, "app/model/data/versions/umap/default/1/umap", killed)
    with pytest.raises(KeyboardInterrupt):
        restored(target, tmp_path)
    assert not (tmp_path / "elsewhere/app/model/data/versions/umap/default/1/version.json").exists()
    with pytest.raises(HomeOccupied, match="An earlier restoration was cut short there"):
        restored(target, tmp_path)


def test_verify_finds_what_the_disk_lost(paths: Paths, store: ModelStore, target: Path, tmp_path: Path) -> None:
    promoted(store)
    back_up(paths, target)
    new = restored(target, tmp_path)
    (new.versions / "umap/default/1/umap_default.json").write_text("")
    with pytest.raises(RestoredWrongly, match=r"umap_default\.json is not as it was backed up, and 1 more"):
        restore.verify(target, record.read(target), new)


# ------------------------------------------------------------ the commands


def dltk(*arguments: object) -> Result:
    return CliRunner().invoke(cli.dltk, [str(each) for each in arguments])


def test_the_commands_say_what_they_did(paths: Paths, store: ModelStore, target: Path, tmp_path: Path) -> None:
    promoted(store)
    made = dltk("backup", target, "--home", paths.home, "--notebooks", paths.notebooks)
    assert made.exit_code == Exit.OK, made.output
    assert f"{target}: 1 model with 1 version, 0 jobs; " in made.output
    assert "Not in it: tls, events, tracking, calls, console, jupyter of the home." in made.output
    home = tmp_path / "new"
    checked = dltk("restore", target, "--home", home, "--dry-run")
    assert (checked.exit_code, home.exists()) == (Exit.OK, False)
    assert "all whole" in checked.output
    done = dltk("restore", target, "--home", home, "--notebooks", home / "notebooks", "--verify")
    assert done.exit_code == Exit.OK, done.output
    assert "Verified" in done.output
    assert dltk("models", "list", "--home", home, "--notebooks", home / "notebooks").output.count("umap") == 1


def test_a_backup_with_problems_exits_with_1(paths: Paths, store: ModelStore, target: Path) -> None:
    Path(promoted(store).location().folder, "umap_default.json").unlink()
    made = dltk("backup", target, "--home", paths.home, "--notebooks", paths.notebooks)
    assert made.exit_code == Exit.FAILED
    assert "PROBLEM: umap/default version 1 is damaged" in made.output
    home = target.parent / "new"
    done = dltk("restore", target, "--home", home, "--notebooks", home / "notebooks", "--verify")
    assert done.exit_code == Exit.OK, done.output
    assert "versions were not compared, as the backup has the problems above" in done.output
    assert "as its fit stored it" not in done.output
