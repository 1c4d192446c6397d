"""Who runs an asynchronous job: one server at most, whatever the others and their clocks do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dltk_runtime.files import clock
from dltk_runtime.jobs import claim
from dltk_runtime.jobs.errors import JobTaken
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload

NAME = ModelName("umap", "iris")
ROWS = Submission({"options": {}}, Payload(b"x\n1\n", escaped=False), "f" * 64)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go on as another machine, which knows no lock of the one before."""

    def be(name: str) -> None:
        monkeypatch.setattr(claim, "machine", lambda: name)

    be("aa")
    return be


def server(paths: Paths) -> JobStore:
    return JobStore(paths, keep=5, log_bytes=1000)


def submitted(paths: Paths) -> str:
    return server(paths).submit(NAME, {}, ROWS).id


def adopted(jobs: JobStore, job: str) -> Job:
    found = jobs.adopt(job)
    assert found is not None
    return found


def age(paths: Paths, job: str) -> None:
    """Make the job as old as one that its server left a minute ago."""
    os.utime(paths.jobs / job / "job.json", (0, 0))


def test_of_many_servers_one_gets_a_job(paths: Paths) -> None:
    job = submitted(paths)
    servers = [server(paths) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda each: each.adopt(job), servers))
    assert sum(each is not None for each in found) == 1


def test_of_many_machines_one_gets_an_abandoned_job(
    paths: Paths, machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each without a lock, as on a volume that has none."""
    monkeypatch.setattr(claim.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))
    job = submitted(paths)
    owner = adopted(server(paths), job)
    assert server(paths).adopt(job) is None
    monkeypatch.setattr(JobStore, "_is_abandoned", lambda *_: True)
    servers = [server(paths) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = [each for each in threads.map(lambda each: each.adopt(job), servers) if each is not None]
    assert found  # each of them took it from the one before
    for each in (owner, *found):
        each.touch()
    assert [each.taken for each in (owner, *found)].count(False) == 1


def test_a_job_of_another_machine_is_adopted_once_it_was_not_touched_for_a_while(
    paths: Paths, machine: Callable[[str], None]
) -> None:
    job = submitted(paths)
    first = server(paths)
    owner = adopted(first, job)
    owner.start()
    owner._place._claim.drop()  # type: ignore[attr-defined]  # locks are not passed on
    machine("bb")
    second = server(paths)
    assert second.adopt(job) is None
    age(paths, job)
    first.touch()
    assert second.adopt(job) is None
    age(paths, job)
    taker = adopted(second, job)
    assert (taker.record.state, taker.record.attempts) == (State.RUNNING, 1)


def test_a_job_whose_server_ended_is_adopted_at_once_on_the_same_machine(paths: Paths) -> None:
    job = submitted(paths)
    owner = adopted(server(paths), job)
    owner.start()
    assert server(paths).adopt(job) is None
    owner._place._claim.drop()  # type: ignore[attr-defined]  # as the kernel does at a process's end
    assert adopted(server(paths), job).record.state is State.RUNNING


def test_a_server_that_hangs_loses_its_job_and_nothing_of_it_reaches_the_record(paths: Paths) -> None:
    job = submitted(paths)
    jobs = server(paths)
    hanging = adopted(jobs, job)
    hanging.start()
    age(paths, job)
    taker = adopted(server(paths), job)
    taker.requeue("taken up")
    before = (paths.jobs / job / "job.json").read_bytes()
    with pytest.raises(JobTaken):
        hanging.reserve(7)
    for late in (
        lambda: hanging.phase("fit"),
        lambda: hanging.progress(1, 2, {"loss": 1.0}),
        lambda: hanging.committed(7),
        lambda: hanging.succeed(rows=1, version=7, promoted=True, message="done"),
        lambda: hanging.requeue("late"),
    ):
        late()
        assert (paths.jobs / job / "job.json").read_bytes() == before
    assert jobs.submission(job) is not None  # the rows of the next start
    again = adopted(server(paths), job)
    again.start()
    assert again.record.attempts == 2


@pytest.mark.parametrize("write", ["reserve", "touch", "start", "phase", "progress", "fail"])
def test_the_first_write_after_a_take_up_shows_a_server_that_it_lost_the_job(paths: Paths, write: str) -> None:
    job = submitted(paths)
    late = adopted(server(paths), job)
    if write not in ("start", "reserve"):
        late.start()
    age(paths, job)
    adopted(server(paths), job)
    arguments: dict[str, tuple[object, ...]] = {"phase": ("fit",), "progress": (1, 2, {}), "fail": ("sorry",)}
    if write == "reserve":
        with pytest.raises(JobTaken):
            late.reserve(3)
    else:
        getattr(late, write)(*arguments.get(write, ()))
    assert late.taken
    assert server(paths).get(job).state in (State.QUEUED, State.RUNNING)


def test_a_job_that_is_given_back_is_the_next_ones(paths: Paths) -> None:
    job = submitted(paths)
    for number in range(1, 4):
        each = adopted(server(paths), job)
        each.start()
        assert each.record.attempts == number
        each.requeue("The server was stopped.")
        record = server(paths).get(job)
        assert (record.state, record.message, record.started) == (State.QUEUED, "The server was stopped.", None)
    assert server(paths).log(job) == "[The server was stopped.]\n" * 3


@pytest.mark.parametrize("shift", [-600, 600])
def test_clocks_that_differ_do_no_harm(paths: Paths, monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    """A replica whose clock is wrong loses no job, and removes none."""
    jobs = server(paths)
    running = jobs.create(NAME, {})
    running.start()
    owner = adopted(jobs, submitted(paths))
    owner.start()
    begun = paths.jobs / "20200101T000000.000000Z-00000000"
    begun.mkdir()  # another replica is about to write the record
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + shift)
    monkeypatch.setattr(time, "time_ns", lambda: int((now() + shift) * 1e9))
    other = JobStore(paths, keep=1, log_bytes=1000)
    assert other.states() == {State.RUNNING: 2}
    other.ask_to_cancel(running.id)
    assert other.adopt(owner.id) is None
    other.prune()
    assert {each.id for each in other.list()} == {running.id, owner.id}
    assert begun.exists()


def test_ages_are_by_the_volume_and_nothing_is_old_where_it_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "touched"
    file.touch()
    assert 0 <= clock.now(tmp_path) - file.stat().st_mtime < 60
    assert clock.now(tmp_path / "missing") == 0.0


def test_a_job_of_runtime_0_1_0_has_no_folder_of_a_claim_and_one_server_gets_it(paths: Paths) -> None:
    job = submitted(paths)
    (paths.jobs / job / "free-0").rmdir()
    servers = [server(paths) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = [each for each in threads.map(lambda each: each.adopt(job), servers) if each is not None]
    assert len(found) == 1
    found[0].start()
    assert server(paths).get(job).state is State.RUNNING


def test_a_job_of_a_server_of_runtime_0_1_0_on_another_host_is_left_to_it(paths: Paths) -> None:
    job = submitted(paths)
    (paths.jobs / job / "free-0").rmdir()
    (paths.jobs / job / "claim").write_text("another-host")
    assert server(paths).adopt(job) is None
    age(paths, job)
    assert server(paths).adopt(job) is not None
