"""Promise 12 at every single step: the server ends just before and just after each change of the disk.

The steps are those of a submission, and of the life of an asynchronous fit: claim, start, reservation, commit,
promotion, end, and a take-up before and after the commit. Only the worker and the trial of the stored model are stood
in for. After each end another server goes on: the job ends once, with one version, and no row is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.access.named import NamedTokens
from dltk_runtime.files import atomic
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.promotion import Promotion
from dltk_runtime.fit.queue import Fitting
from dltk_runtime.fit.train import Trainer
from dltk_runtime.jobs import claim
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.source import pack
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore
from dltk_runtime.worker.messages import Fit, Fitted
from tests.conftest import write_notebook
from tests.support import ends
from tests.support.service import meta_for

pytestmark = pytest.mark.process

NAME = ModelName("algo", "m")
CSV = "x\n1\n2\n"
ROWS = Submission(meta_for(CSV, "m", {"algo": "algo", "mode": "async"}), Payload(CSV.encode(), escaped=False), "f" * 64)
FITTED = Fitted(
    rows=2, features=(), info=b"{}", metrics={}, description=b"{}", code=pack(()), libraries={}, kept_by_runtime=False
)


class Records(JobStore):
    """Does at once what it does in the background, so that every run makes the same changes."""

    def __init__(self, home: Path) -> None:
        super().__init__(Paths(home, home), keep=5, log_bytes=1000)
        self._disk = cast(Any, SimpleNamespace(submit=lambda work, *given: work(*given)))


class Server:
    """What serves asynchronous fits, without workers. `in_fit` and `in_trial` are called in these steps."""

    device = ""
    phases: dict[str, float] = {}  # noqa: RUF012 - a worker's attribute

    def __init__(
        self, home: Path, in_fit: Callable[[], object] = lambda: None, in_trial: Callable[[], object] = lambda: None
    ) -> None:
        self.paths = Paths(home, home / "notebooks")
        self.jobs = Records(home)
        self.store = ModelStore.open(self.paths, keep=5)
        self.in_fit, self.in_trial = in_fit, in_trial
        settings = Settings(home=home, notebooks=self.paths.notebooks, fit_retries=2)
        trial = cast(Any, SimpleNamespace(trial=self._trial))
        trainer = Trainer(
            store=self.store,
            pool=cast(Pool, self),
            promotion=Promotion(self.store, trial, settings.error_texts),
            last=cast(Any, SimpleNamespace(fitted=lambda *_: None)),
            timeout=60,
            texts=settings.error_texts,
            retries=settings.fit_retries,
            on_decision=lambda *_: None,
            on_gpu=lambda *_: None,
        )
        bounds = TokenBounds(NamedTokens(None), self.store, self.paths.usage)
        self.fitting = Fitting(settings, self.jobs, trainer, bounds)

    def serve(self) -> None:
        """Go on until no job is left."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        for _ in range(9):
            await self.fitting._queue.look()
            while running := [each.task for each in self.fitting._running.values()]:
                await asyncio.wait(running)
                await asyncio.sleep(0)
            if not self.jobs.unfinished():
                return
        raise AssertionError(self.jobs.unfinished())

    async def _trial(self, _: object) -> str:
        self.in_trial()
        return ""

    # ------------------------------------------------------------ the pool, and its worker

    def waits_for_gpu(self, _: object) -> bool:
        return False

    def has_room(self, _: object) -> bool:
        return True

    def versions_in_use(self, _: object) -> set[int]:
        return set()

    def retire(self, _: object, keep: int) -> None:
        """There are no workers."""

    @contextlib.asynccontextmanager
    async def fit_worker(self, *_: object, **__: object) -> AsyncIterator[Server]:
        yield self

    def listen(self, _: object) -> None:
        """It has nothing to say."""

    async def call(self, message: Fit, rows: Payload, **_: object) -> tuple[Fitted, Payload]:
        self.in_fit()
        with open(message.folder + "/algo_m.json", "wb") as file:  # noqa: ASYNC230 - it stands in for a process
            file.write(rows.view())
        return FITTED, rows


def submit(home: Path) -> None:
    Records(home).submit(NAME, {"algo": "algo"}, ROWS)


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
    home = tmp_path / "prepared"
    for folder in (home / "notebooks", home / "jobs"):
        folder.mkdir(parents=True)
    write_notebook(home / "notebooks", "algo")
    return home


@pytest.mark.timeout(300)
def test_an_end_at_any_change_of_a_submission_leaves_a_whole_job_or_none(prepared: Path, tmp_path: Path) -> None:
    for _, home in ends.each_end(prepared, tmp_path, submit):
        check(home, at_most=1)
        for folder in (home / "jobs").glob("2*"):
            os.utime(folder, (0, 0))
        Records(home).prune()
        assert len(list((home / "jobs").glob("2*"))) == len(Records(home).list())


@pytest.mark.parametrize("name", PREPARED)
@pytest.mark.timeout(300)
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


def check(home: Path, at_most: int, at_least: int = 0) -> None:
    """Another server goes on: each job succeeds with one version, which is current, and its rows are gone."""
    server = Server(home)
    server.serve()
    server.jobs.prune()
    jobs = server.jobs.list()
    assert at_least <= len(jobs) <= at_most, home
    versions = server.store.versions(NAME)
    assert {each.state for each in jobs} <= {State.SUCCEEDED}, (home, jobs)
    assert [each.manifest().job for each in versions] == [each.id for each in jobs], home
    for job, version in zip(jobs, versions, strict=True):
        assert (job.state, job.version, job.promoted) == (State.SUCCEEDED, version.number, True), (home, job)
        assert job.attempts <= 3
        version.verify(hashes=True)
        assert server.store.choose(NAME).version.number == version.number
        assert (version.where and Path(version.where, "algo_m.json").read_text()) == CSV
        left = {path.name for path in (home / "jobs" / job.id).iterdir()}
        assert not left & {"data.csv", "data.json", "meta.json"}, home


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


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_end_that_the_disk_does_not_take_leaves_the_rows_to_the_next(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to end with rows that cannot be read, as they were removed while the record said that it runs."""
    submit(prepared)
    jobs = Records(prepared)
    (record,) = jobs.unfinished()
    job = jobs.adopt(record.id)
    assert job is not None
    job.start()

    with monkeypatch.context() as patch:
        patch.setattr(job._place, "save", full)
        job.fail("No space left on device")
    job._place.leave()  # as the kernel does when the server ends
    check(prepared, at_least=1, at_most=1)


def test_an_end_that_the_disk_does_not_take_is_written_when_there_is_room(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It used to be given back, so that any server ran the fit again at once, and again, until there was room."""
    submit(prepared)
    jobs, other = Records(prepared), Records(prepared)
    (record,) = jobs.unfinished()
    job = jobs.adopt(record.id)
    assert job is not None
    job.start()

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write", full)
        job.fail("No space left on device")
        del job
        gc.collect()
        for _ in range(3):
            jobs.flush()
            jobs.touch()
            assert other.adopt(record.id) is None
    assert caplog.text.count("could not be written") == 1
    assert other.get(record.id).state == State.RUNNING
    jobs.flush()
    assert other.get(record.id).state == State.FAILED
    assert jobs.submission(record.id) is None
    assert other.adopt(record.id) is None


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
