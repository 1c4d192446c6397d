"""Job records: their states, what they never hold, and how they go."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.errors import NotStored
from dltk_runtime.files import atomic
from dltk_runtime.jobs.errors import JobDamaged, JobUnknown
from dltk_runtime.jobs.record import Comparison
from dltk_runtime.jobs.store import LOST_SECONDS, Job, JobStore, State
from dltk_runtime.jobs.view import JobView
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName
from tests.support.service import until

NAME = ModelName("umap", "iris")


@pytest.fixture
def jobs(paths: Paths) -> JobStore:
    return JobStore(paths, keep=5, log_bytes=1000)


def succeeded(jobs: JobStore) -> Job:
    job = jobs.create(NAME, {})
    job.start()
    job.succeed(rows=150, version=3, promoted=True, message="/fit done successfully")
    return job


def later() -> float:
    """A moment at which whatever was touched just now counts as left alone."""
    return time.time() + LOST_SECONDS + 1


def test_a_job_goes_from_queued_through_running_to_succeeded(jobs: JobStore) -> None:
    job = jobs.create(NAME, {"epochs": "3"}, request="r1")
    queued = jobs.get(job.id)
    assert (queued.state, queued.algorithm, queued.model) == ("queued", "umap", "iris")
    assert (queued.parameters, queued.request) == ({"epochs": "3"}, "r1")
    job.start()
    job.phase("init")
    job.phase("fit")
    running = jobs.get(job.id)
    assert (running.state, running.phase, list(running.phases)) == ("running", "fit", ["init"])
    job.succeed(rows=150, version=3, promoted=True, message="/fit done successfully")
    record = jobs.get(job.id)
    assert record == job.record
    assert (record.state, record.rows, record.version, record.promoted) == ("succeeded", 150, 3, True)
    assert record.started
    assert record.ended
    assert record.created <= record.started <= record.ended
    assert list(record.phases) == ["init", "fit"]
    assert all(seconds >= 0 for seconds in record.phases.values())


def test_a_short_step_is_written_with_the_next_change_or_when_the_server_says_so(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    job.start()
    job.enter("decode")
    job.enter("fit")
    assert jobs.get(job.id).phase == ""
    jobs.flush()
    assert (jobs.get(job.id).phase, list(jobs.get(job.id).phases)) == ("fit", ["decode"])
    job.enter("save")
    job.cancel("enough")
    jobs.flush()
    assert list(jobs.get(job.id).phases) == ["decode", "fit", "save"]


def test_states_are_counted_and_an_ended_record_is_read_once(jobs: JobStore, paths: Paths) -> None:
    ended, running = succeeded(jobs), jobs.create(NAME, {})
    running.start()
    assert jobs.states() == {State.SUCCEEDED: 1, State.RUNNING: 1}
    (paths.jobs / ended.id / "job.json").write_text("nobody reads this")
    os.utime(paths.jobs / running.id / "job.json", (0, 0))
    assert jobs.states() == {State.SUCCEEDED: 1, State.LOST: 1}
    running.cancel("enough")  # one that was lost may come back
    assert jobs.states() == {State.SUCCEEDED: 1, State.CANCELLED: 1}
    shutil.rmtree(paths.jobs / ended.id)
    assert jobs.states() == {State.CANCELLED: 1}


def test_a_comparison_is_kept_with_the_record(jobs: JobStore, paths: Paths) -> None:
    compared = Comparison(metric="f1", new=0.93, old=float("nan"), old_version=2, gain=0.01, held_out=True, rows=40)
    job = jobs.create(NAME, {})
    job.succeed(rows=160, version=3, promoted=True, message="done", comparison=compared)
    kept = jobs.get(job.id).comparison
    assert kept == msgspec.structs.replace(compared, old=None)
    assert str(kept) == "f1 0.93 against missing of version 2, at least 0.01 better, on the same 40 held-out rows"
    view = msgspec.to_builtins(JobView.of(jobs.get(job.id), 0))
    assert view["comparison"] == msgspec.to_builtins(kept)


def test_a_record_without_a_comparison_loads(jobs: JobStore, paths: Paths) -> None:
    """Records of version 0.1.0 have no such field."""
    job = succeeded(jobs)
    file = paths.jobs / job.id / "job.json"
    record = json.loads(file.read_text())
    assert record.pop("comparison", "absent") is None
    file.write_text(json.dumps(record))
    assert jobs.get(job.id) == job.record


def test_a_phase_entered_twice_adds_up(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    for phase in ("load", "apply", "load"):
        job.phase(phase)
    job.cancel("cancelled by admin")
    assert list(job.record.phases) == ["load", "apply"]
    assert (job.record.state, job.record.message) == (State.CANCELLED, "cancelled by admin")


def test_a_failed_job_says_where_and_keeps_the_traceback(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    job.start()
    where = "umap.ipynb, cell 22 (mltkc_fit), line 7: `x = float(s)`"
    job.fail("ValueError: no number", traceback="Traceback …\nValueError", coordinates=where, rows=10, version=4)
    record = jobs.get(job.id)
    assert (record.state, record.message, record.rows, record.version) == ("failed", "ValueError: no number", 10, 4)
    assert record.error is not None
    assert record.error.coordinates == where
    assert record.error.traceback == "Traceback …\nValueError"
    assert not record.promoted


def test_the_first_end_wins(jobs: JobStore) -> None:
    job = succeeded(jobs)
    job.fail("late")
    job.cancel("later")
    job.phase("more")
    job.start()
    assert jobs.get(job.id).state == State.SUCCEEDED
    assert jobs.get(job.id) == job.record


def test_a_job_left_alone_by_its_server_is_lost_whoever_looks(jobs: JobStore, paths: Paths) -> None:
    queued, running, ended = jobs.create(NAME, {}), jobs.create(NAME, {}), succeeded(jobs)
    running.start()
    looker = JobStore(paths, keep=5, log_bytes=1000)
    assert [record.state for record in looker.list()] == ["succeeded", "running", "queued"]
    assert [record.state for record in looker.list(now=later())] == ["succeeded", "lost", "lost"]
    assert looker.get(running.id, now=later()).state == State.LOST
    assert State.LOST.ended
    assert looker.get(ended.id, now=later()).state == State.SUCCEEDED
    assert looker.get(queued.id).state == State.QUEUED


def test_a_touched_job_is_not_lost(jobs: JobStore, paths: Paths) -> None:
    running, forgotten = jobs.create(NAME, {}), jobs.create(NAME, {})
    forgotten_id = forgotten.id
    for job in (running, forgotten):
        job.start()
        os.utime(paths.jobs / job.id / "job.json", (0, 0))
    del forgotten, job
    assert {record.state for record in jobs.list()} == {State.LOST}
    jobs.touch()
    assert jobs.get(running.id).state == State.RUNNING
    assert jobs.get(forgotten_id).state == State.LOST


def test_touching_an_ended_or_removed_job_does_nothing(jobs: JobStore, paths: Paths) -> None:
    ended, removed = succeeded(jobs), jobs.create(NAME, {})
    record = paths.jobs / ended.id / "job.json"
    os.utime(record, (0, 0))
    (paths.jobs / removed.id / "job.json").unlink()
    jobs.touch()
    removed.touch()
    assert record.stat().st_mtime == 0
    assert not (paths.jobs / removed.id / "job.json").exists()


def test_ids_sort_by_time_and_are_never_shared(paths: Paths) -> None:
    stores = [JobStore(paths, keep=1000, log_bytes=1000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda store: [store.create(NAME, {}).id for _ in range(25)], stores))
    assert len({job for made in ids for job in made}) == 100
    assert all(made == sorted(made) for made in ids)
    assert all(re.fullmatch(r"[0-9TZa-f.-]+", job) for made in ids for job in made)


@pytest.mark.parametrize(
    "job", ["", ".", "..", "../jobs", "a/b", "\0", "x" * 10_000, "20260101T000000.000000Z-00000000"]
)
def test_an_unknown_or_hostile_id_is_no_job(job: str, jobs: JobStore) -> None:
    with pytest.raises(JobUnknown):
        jobs.get(job)
    with pytest.raises(JobUnknown):
        jobs.log(job)


def test_secrets_never_reach_the_record(jobs: JobStore, paths: Paths) -> None:
    job = jobs.create(NAME, {"session_key": "s3cr3t", "Authorization": "s3cr3t", "hec_token": "s3cr3t", "tokens": "9"})
    job.start()
    job.succeed(rows=1, version=1, promoted=True, message="done")
    assert job.record.parameters == {"tokens": "9"}
    assert all(b"s3cr3t" not in path.read_bytes() for path in (paths.jobs / job.id).iterdir())


def test_texts_without_measure_are_cut_and_half_characters_replaced(jobs: JobStore, paths: Paths) -> None:
    job = jobs.create(NAME, {"note": "a" * 1_000_000, "odd\ud800": "\udfff"})
    job.fail("b" * 1_000_000, traceback="first line\n" + "c" * 10_000_000 + "\nlast line")
    record = jobs.get(job.id)
    assert (paths.jobs / job.id / "job.json").stat().st_size < 500_000
    assert record.parameters["odd?"] == "?"
    assert record.error is not None
    assert record.error.traceback.startswith("first line\n")
    assert record.error.traceback.endswith("\nlast line")
    assert "characters left out" in record.error.traceback


def test_the_oldest_ended_jobs_make_room(jobs: JobStore) -> None:
    running = jobs.create(NAME, {})
    running.start()
    ended = [succeeded(jobs).id for _ in range(8)]
    until(lambda: [record.id for record in jobs.list()] == [*reversed(ended[3:]), running.id])
    assert jobs.get(running.id).state == State.RUNNING
    with pytest.raises(JobUnknown):
        jobs.get(ended[2])


def test_folders_without_a_record_are_no_jobs_and_go_once_they_are_old(jobs: JobStore, paths: Paths) -> None:
    fresh, old = (paths.jobs / f"20200101T000000.00000{n}Z-00000000" for n in range(2))
    for folder in (fresh, old):
        folder.mkdir(parents=True)
    (old / "job.json").write_text('{"id": "torn')
    os.utime(old, (0, 0))
    (paths.jobs / "notes.txt").touch()
    for _ in range(6):
        succeeded(jobs)
    until(lambda: len(jobs.list()) <= 5 and not old.exists())
    assert fresh.exists()


def test_a_record_that_cannot_be_made_is_said(paths: Paths, jobs: JobStore) -> None:
    paths.jobs.write_text("not a folder")
    with pytest.raises(NotStored, match=r"The record of a job could not be written to .*Not a directory"):
        jobs.create(NAME, {})


def test_a_record_that_cannot_be_changed_never_stops_the_fit(
    jobs: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = jobs.create(NAME, {})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "write", full)
    with caplog.at_level(logging.WARNING):
        job.start()
        job.succeed(rows=1, version=1, promoted=True, message="done")
    assert job.record.state == State.SUCCEEDED
    assert f"The record of job {job.id} could not be written" in caplog.text


def test_the_record_is_json_with_utc_times(jobs: JobStore, paths: Paths) -> None:
    job = succeeded(jobs)
    record = json.loads((paths.jobs / job.id / "job.json").read_text())
    assert record["created"].endswith("Z")
    assert record["state"] == "succeeded"
    assert record["id"] == job.id


# ---------------------------------------------------------------- the log


def log_file(paths: Paths, job: Job) -> Path:
    return paths.jobs / job.id / "log"


def test_what_is_printed_is_there_at_once(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    job.write(b"epoch 1\nepo")
    assert jobs.log(job.id) == "epoch 1\nepo"
    job.write("ch 2 ✓\n".encode())
    job.write(b"\xff\n")
    assert jobs.log(job.id) == "epoch 1\nepoch 2 ✓\n\ufffd\n"


def test_a_log_within_its_bound_stays_whole(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    job.write(b"x" * 999 + b"\n")
    job.succeed(rows=1, version=1, promoted=True, message="done")
    assert jobs.log(job.id) == "x" * 999 + "\n"
    job.write(b"a thread that outlives its job")
    assert jobs.log(job.id) == "x" * 999 + "\n"


@pytest.mark.parametrize("chunk", [1, 7, 4096, 10**9])
def test_a_long_log_keeps_head_and_tail_and_counts_the_rest(chunk: int, jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    lines = [f"line {number}\n" for number in range(30_000)]
    text = "".join(lines).encode()
    step = min(chunk, len(text)) if chunk > 1 else 11
    for start in range(0, len(text), step):
        job.write(text[start : start + step])
    job.succeed(rows=1, version=1, promoted=True, message="done")
    kept = jobs.log(job.id)
    found = re.search(r"^\[… ([\d,]+) bytes \(([\d,]+) lines\) left out …\]\n", kept, re.MULTILINE)
    assert found is not None
    head, tail = kept[: found.start()], kept[found.end() :]
    assert text.startswith(head.encode())
    assert text.endswith(tail.encode())
    assert 480 < len(head) <= 500
    assert 480 < len(tail) <= 500
    left_out = text[len(head) : len(text) - len(tail)]
    assert int(found[1].replace(",", "")) == len(left_out)
    assert int(found[2].replace(",", "")) == left_out.count(b"\n")
    assert head.endswith("\n")
    assert tail.startswith("line ")


def test_one_endless_line_is_cut_too(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    job.write(b"a" * 200_000)
    job.write(b"b" * 200_000)
    job.cancel("enough")
    kept = jobs.log(job.id)
    assert kept == "a" * 500 + "\n[… 399,000 bytes (0 lines) left out …]\n" + "b" * 500


def test_a_running_log_never_grows_far_beyond_its_bound(jobs: JobStore, paths: Paths) -> None:
    job = jobs.create(NAME, {})
    for _ in range(100):
        job.write(b"x" * 9_999 + b"\n")
        assert log_file(paths, job).stat().st_size < 100_000


def test_a_million_lines_leave_a_small_log(paths: Paths) -> None:
    jobs = JobStore(paths, keep=5, log_bytes=1024**2)
    job = jobs.create(NAME, {})
    chunk = (b"x" * 39 + b"\n") * 1638  # 64 KiB
    for _ in range(611):
        job.write(chunk)
    job.succeed(rows=1, version=1, promoted=True, message="done")
    assert log_file(paths, job).stat().st_size <= 1024**2 + 100


def test_a_log_of_no_bytes_only_counts(paths: Paths) -> None:
    jobs = JobStore(paths, keep=5, log_bytes=0)
    job = jobs.create(NAME, {})
    job.write(b"a\nb\n")
    job.cancel("enough")
    assert jobs.log(job.id) == "[… 4 bytes (2 lines) left out …]\n"


def test_a_log_that_cannot_be_written_never_stops_the_fit(
    jobs: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = jobs.create(NAME, {})
    job.write(b"before\n")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "write", full)
        job.write(b"lost\n")
    job.write(b"after\n")
    job.succeed(rows=1, version=1, promoted=True, message="done")
    assert jobs.log(job.id) == "before\n"
    assert "ends here: [Errno 28] No space left on device" in caplog.text


def test_an_end_is_not_held_up_by_pruning(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    many = JobStore(paths, keep=100, log_bytes=1000)
    for _ in range(10):
        succeeded(many)
    ending = JobStore(paths, keep=1, log_bytes=1000)
    remove = shutil.rmtree

    def remove_and_end(*given: object, **named: object) -> None:
        remove(*given, **named)  # type: ignore[arg-type]
        ending.close()

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", remove_and_end)
        ending.prune()
    assert len(many.list()) == 9
    ending.prune()
    assert len(many.list()) == 9
    JobStore(paths, keep=1, log_bytes=1000).prune()
    assert len(many.list()) == 1


def test_a_damaged_record_is_named_and_not_taken_for_absent(paths: Paths, jobs: JobStore) -> None:
    job = succeeded(jobs).id
    record = paths.jobs / job / "job.json"
    record.write_bytes(record.read_bytes()[:40])
    with pytest.raises(JobDamaged, match=f"{record} is no job record") as caught:
        jobs.get(job)
    assert caught.value.http_status == 409


def test_what_a_job_has_printed_is_known_to_have_changed_without_reading_it(jobs: JobStore) -> None:
    job = jobs.create(NAME, {})
    states = [jobs.printed(job.id)]
    for change in (lambda: job.write(b"line\n"), lambda: job.progress(1, 2, {"loss": 0.5})):
        change()
        states.append(jobs.printed(job.id))
    assert len(set(states)) == 3
    job.phase("fit")
    assert jobs.printed(job.id) == states[-1]
    with pytest.raises(JobUnknown):
        jobs.printed("../x")
