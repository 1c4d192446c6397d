"""Promise 12 at every single step: the server ends just before and just after each change of the disk.

The steps are those of a submission, and of the life of an asynchronous fit: claim, start, reservation, commit,
promotion, end, and a take-up before and after the commit. Only the worker and the trial of the stored model are stood
in for. After each end another server goes on: the job ends once, with one version, and no row is left.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dltk_runtime.jobs import claim
from dltk_runtime.names import ModelName
from tests.jobs.fits import Records, Server, check, made_home, submit
from tests.support import ends

pytestmark = pytest.mark.process


def ended(home: Path, **where: Callable[[], object]) -> None:
    """Let a server end, as by a kill, in a step of its fit."""
    if not (child := os.fork()):
        try:
            Server(home, **where).serve()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ends.ENDED


def end() -> None:
    os._exit(ends.ENDED)


PREPARED: dict[str, Callable[[Path], object]] = {
    "a fit": submit,
    "a take-up": lambda home: (submit(home), ended(home, in_fit=end)),
    "a take-up after the commit": lambda home: (submit(home), ended(home, in_trial=end)),
}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return made_home(tmp_path / "prepared")


@pytest.mark.timeout(900)
def test_an_end_at_any_change_of_a_submission_leaves_a_whole_job_or_none(prepared: Path, tmp_path: Path) -> None:
    for _, home in ends.each_end(prepared, tmp_path, submit):
        check(home, at_most=1)
        for folder in (home / "jobs").glob("2*"):
            os.utime(folder, (0, 0))
        Records(home).prune()
        assert len(list((home / "jobs").glob("2*"))) == len(Records(home).list())


@pytest.mark.parametrize("name", PREPARED)
@pytest.mark.timeout(900)
def test_an_end_at_any_change_of_a_fit_leaves_one_that_ends_once(name: str, prepared: Path, tmp_path: Path) -> None:
    PREPARED[name](prepared)
    for _, home in ends.each_end(prepared, tmp_path, lambda home: Server(home).serve()):
        check(home, at_least=1, at_most=1)


def test_a_take_up_by_another_machine_ends_the_same(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks are not known there: it waits until the job was not touched for a while."""
    for name in ("a take-up", "a take-up after the commit"):
        home = shutil.copytree(prepared, tmp_path / name)
        PREPARED[name](home)
        with monkeypatch.context() as patch:
            patch.setattr(claim, "machine", lambda: "ab12")
            (job,) = Records(home).unfinished()
            assert Records(home).adopt(job.id) is None
            os.utime(home / "jobs" / job.id / "job.json", (0, 0))
            check(home, at_least=1, at_most=1)


def test_a_running_job_with_a_name_that_is_none_fails_and_holds_up_no_other(prepared: Path) -> None:
    PREPARED["a take-up"](prepared)
    (bad,) = Records(prepared).unfinished()
    file = prepared / "jobs" / bad.id / "job.json"
    file.write_text(file.read_text().replace('"algo"', '"../x"'))
    submit(prepared)
    server = Server(prepared)
    server.serve()
    assert [str(each.state) for each in server.jobs.list()] == ["succeeded", "failed"]


def test_a_take_up_that_the_disk_prevents_is_tried_again(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PREPARED["a take-up"](prepared)
    server = Server(prepared)
    withdraw, failures = server.store.withdraw, iter([OSError(5, "Input/output error")])

    def once(name: ModelName, number: int) -> bool:
        for error in failures:
            raise error
        return withdraw(name, number)

    monkeypatch.setattr(server.store, "withdraw", once)
    server.serve()
    check(prepared, at_least=1, at_most=1)


def test_a_second_server_does_not_disturb_a_first_one(prepared: Path) -> None:
    """Two servers look at the queue while the first one fits: the job is started once."""
    submit(prepared)
    starts: list[float] = []
    second = Server(prepared, in_fit=lambda: starts.append(-1))

    def in_fit() -> None:
        starts.append(time.monotonic())
        (job,) = second.jobs.unfinished()
        assert second.jobs.adopt(job.id) is None

    Server(prepared, in_fit=in_fit).serve()
    second.serve()
    assert len(starts) == 1
    check(prepared, at_least=1, at_most=1)
