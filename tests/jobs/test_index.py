"""How much of the disk a listing reads, and what is removed: counted, not timed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.jobs import index, store
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from tests.support.service import until

NAME = ModelName("umap", "iris")
ROWS = Submission({"options": {}}, Payload(b"x\n1\n", escaped=False), "f" * 64)


class Reads:
    """Counts the records that are read, and the files that are opened."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.records = self.opened = 0
        self._read, self._open = index.read_all, os.open
        patch.setattr(index, "read_all", self._counted)
        patch.setattr(index.os, "open", self._counted_open)

    def _counted(self, descriptor: int, size: int) -> bytes:
        self.records += 1
        return self._read(descriptor, size)

    def _counted_open(self, path: str, *given: int) -> int:
        self.opened += str(path).endswith("job.json")
        return self._open(path, *given)

    def since(self) -> tuple[int, int]:
        found = self.records, self.opened
        self.records = self.opened = 0
        return found


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    return Reads(monkeypatch)


def filled(paths: Paths, ended: int, running: int) -> tuple[JobStore, list[Job]]:
    """A store with jobs, and those of them that run; nothing works in its background."""
    jobs = JobStore(paths, keep=1000, log_bytes=100)
    made = [jobs.create(NAME, {}) for _ in range(ended + running)]
    for job in made:
        job.start()
    for job in made[:ended]:
        job.succeed(rows=1, version=1, promoted=True, message="done")
    jobs._disk.submit(lambda: None).result()
    return jobs, made[ended:]


def test_no_listing_reads_a_record_again_that_has_not_changed(paths: Paths, reads: Reads) -> None:
    _, running = filled(paths, ended=40, running=3)
    jobs = JobStore(paths, keep=1000, log_bytes=100)
    reads.since()
    assert len(jobs.list()) == 43
    assert reads.since() == (43, 43)
    for look in (jobs.list, jobs.states, jobs.unfinished, lambda: jobs.list(5, State.SUCCEEDED), jobs.prune):
        look()
        assert reads.since() == (0, 3)  # those that may have changed are opened
    first = running[0]
    first.phase("fit")
    assert State.RUNNING in jobs.states()
    assert reads.since() == (1, 3)
    first.fail("sorry")
    assert jobs.states() == {State.SUCCEEDED: 40, State.FAILED: 1, State.RUNNING: 2}
    assert reads.since() == (1, 3)
    jobs.states()
    assert reads.since() == (0, 2)


def test_a_listing_sees_what_other_replicas_write_and_remove(paths: Paths) -> None:
    jobs, other = JobStore(paths, keep=9, log_bytes=100), JobStore(paths, keep=9, log_bytes=100)
    assert jobs.list() == []
    made = [other.create(NAME, {}) for _ in range(3)]
    assert [each.id for each in jobs.list()] == [each.id for each in reversed(made)]
    made[0].succeed(rows=1, version=1, promoted=True, message="done")
    assert jobs.states() == {State.QUEUED: 2, State.SUCCEEDED: 1}
    shutil.rmtree(paths.jobs / made[0].id)
    assert jobs.states() == {State.QUEUED: 2}


def test_a_part_of_the_list_is_by_state_and_then_the_newest(paths: Paths) -> None:
    jobs, _ = filled(paths, ended=5, running=3)
    everything = jobs.list()
    assert jobs.list(2) == everything[:2]
    assert jobs.list(2, State.SUCCEEDED) == everything[3:5]
    assert jobs.list(9, State.LOST) == []


def test_records_beyond_what_is_kept_in_memory_are_read_again(
    paths: Paths, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(paths, ended=10, running=0)
    size = (next(paths.jobs.glob("*/job.json"))).stat().st_size
    monkeypatch.setattr(index, "MAX_KEPT_BYTES", 4 * size)
    jobs = JobStore(paths, keep=1000, log_bytes=100)
    jobs.list(3)
    reads.since()
    jobs.list(3)
    assert reads.since() == (0, 0)
    assert len(jobs.list()) == 10
    assert reads.since()[0] >= 6


def test_one_removal_is_short_and_ends_when_the_server_does(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_REMOVED", 4)
    filled(paths, ended=20, running=0)
    jobs = JobStore(paths, keep=2, log_bytes=100)
    jobs.prune()
    assert len(jobs.list()) == 16
    jobs.close()
    jobs.prune()
    assert len(jobs.list()) == 16


def test_the_rows_of_an_ended_job_and_of_one_that_never_began_go(paths: Paths) -> None:
    jobs = JobStore(paths, keep=100, log_bytes=100)
    ended, waiting, half = (jobs.submit(NAME, {}, ROWS).id for _ in range(3))
    job = jobs.adopt(ended)
    assert job is not None
    job.start()
    job.succeed(rows=1, version=1, promoted=True, message="done")
    ROWS.write(paths.jobs / ended)  # as when its server ended right before it removed them
    (paths.jobs / half / "job.json").unlink()  # as when it ended right before the record was written
    other = JobStore(paths, keep=100, log_bytes=100)
    other.prune()
    assert rows(paths, ended) == []
    assert rows(paths, waiting) == rows(paths, half) == ["data.csv", "meta.json"]
    os.utime(paths.jobs / half, (0, 0))
    other.prune()
    until(lambda: not (paths.jobs / half).exists())
    assert [each.id for each in other.list()] == [waiting, ended]


def test_a_damaged_record_takes_down_no_list_and_stays(paths: Paths) -> None:
    jobs, _ = filled(paths, ended=3, running=0)
    assert len(jobs.list()) == 3
    (damaged, *_) = paths.jobs.glob("*/job.json")
    damaged.write_text('{"id": "torn')
    os.utime(damaged.parent, (0, 0))
    fresh = JobStore(paths, keep=1000, log_bytes=100)
    assert len(fresh.list()) == 2
    fresh.prune()
    assert damaged.exists()
    assert len(jobs.list()) == 3  # it was read before


def rows(paths: Paths, job: str) -> list[str]:
    folder: Path = paths.jobs / job
    return sorted(path.name for path in folder.glob("*") if path.name in ("data.csv", "data.json", "meta.json"))
