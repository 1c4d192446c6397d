"""What works on a whole volume, ended just before and just after each change of the disk.

A backup is whole or says that it is none; a restoration that was cut short is taken up again, and loses nothing that
was there; what `dltk forget` began can be ended, and meanwhile nothing half answers.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from dltk_runtime.access.actor import Actor
from dltk_runtime.files import atomic, clock
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.store.deeds import What
from dltk_runtime.store.errors import NoneWhole
from dltk_runtime.store.store import ModelStore
from dltk_runtime.volume import record, restore
from dltk_runtime.volume.backup import back_up
from dltk_runtime.volume.errors import BackupIncomplete, HomeOccupied, NothingToForget
from dltk_runtime.volume.forget import Forgetting
from tests.store.helpers import NAME, commit, promoted
from tests.support import ends

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

SOMEBODY = Actor("analysts", "anna", "asked to")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder with a home and notebooks: a model with a current version and a candidate, a job, staged rows."""
    folder = tmp_path / "prepared"
    paths = of(folder)
    for each in (paths.models, paths.staged, paths.graphics, paths.jobs):
        each.mkdir(parents=True)
    store = ModelStore.open(paths, keep=2)
    promoted(store, text="model 1")
    store.record(NAME, What.PROMOTED, SOMEBODY, 1)
    commit(store, text="model 2")
    job = jobs(paths).create(NAME, {})
    job.fail("it did not work")
    (paths.staged / f"{NAME.model}.csv").write_text("a\n1\n")
    (paths.notebooks / "umap.ipynb").write_text("{}")
    return folder


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def of(folder: Path) -> Paths:
    return Paths(folder / "home", folder / "notebooks")


def jobs(paths: Paths) -> JobStore:
    return JobStore(paths, keep=5, log_bytes=1000)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file but the one that is touched to ask for the volume's time, at any moment."""
    files = (path for path in atomic.regular_files(folder) if path.name != clock.CLOCK)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def nothing_half_answers(paths: Paths) -> None:
    """Only what was promoted answers, and whole."""
    with suppress(NoneWhole):
        serving = ModelStore.open(paths, keep=2).choose(NAME).version
        assert serving.number in (0, 1)
        if serving.number:
            serving.verify(hashes=True)


def test_an_end_at_any_change_of_a_backup_leaves_a_whole_one_or_none(prepared: Path, tmp_path: Path) -> None:
    before, ended_whole = contents(prepared / "home"), 0

    def copy(folder: Path) -> None:
        back_up(of(folder), folder / "copy")

    for where, folder in ends.each_end(prepared, tmp_path, copy, middle=False):
        assert contents(folder / "home") == before, where
        try:
            found = record.read(folder / "copy")
        except BackupIncomplete:
            continue
        restore.check(folder / "copy", found)
        assert (found.versions, found.jobs, found.problems) == (2, 1, []), where
        ended_whole += 1
    assert ended_whole >= 1


def test_an_end_at_any_change_of_a_restoration_is_made_good_by_the_next(prepared: Path, tmp_path: Path) -> None:
    """Into a home that holds other things, which are moved aside; twice, where the first was cut short."""
    found = back_up(of(prepared), prepared / "copy")
    wanted = contents(prepared / "copy" / "home")
    shutil.rmtree(prepared / "home")
    (prepared / "home").mkdir()
    (prepared / "home" / "mine.txt").write_text("there before")
    shutil.rmtree(prepared / "notebooks")

    def put_back(folder: Path) -> None:
        restore.restore(folder / "copy", found, of(folder), set_aside=True)

    for where, folder in ends.each_end(prepared, tmp_path, put_back, middle=False):
        nothing_half_answers(of(folder))
        if any(not name.startswith(record.SET_ASIDE) for name in atomic.names_in(folder / "home")):
            with pytest.raises(HomeOccupied):
                restore.restore(folder / "copy", found, of(folder), set_aside=False)
        put_back(folder)
        restore.verify(folder / "copy", found, of(folder))
        now = contents(folder / "home")
        assert {path: data for path, data in now.items() if not path.startswith(record.SET_ASIDE)} == wanted, where
        assert [data for path, data in now.items() if path.endswith("/mine.txt")] == [b"there before"], where


def test_an_end_at_any_change_of_a_removal_is_made_good_by_the_next(prepared: Path, tmp_path: Path) -> None:
    def forget(folder: Path) -> None:
        forgetting = Forgetting(of(folder), jobs(of(folder)), [NAME], old_files=False)
        forgetting.remove(forgetting.find(), SOMEBODY)

    for where, folder in ends.each_end(prepared, tmp_path, forget):
        paths = of(folder)
        nothing_half_answers(paths)
        with suppress(NothingToForget):  # it was the last change
            forget(folder)
        assert ModelStore.open(paths, keep=2).versions(NAME) == [], where
        assert jobs(paths).list() == [], where
        left = [path for path, data in contents(folder).items() if b"model 1" in data or path.endswith(".csv")]
        assert left == [], where
