"""What happens to jobs and requests when the server ends: in every state, and under load."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import signal
import threading
import urllib.error
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.access.named import NamedTokens
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import DltkError
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.queue import Fitting
from dltk_runtime.fit.train import Trainer
from dltk_runtime.fit.training import Training
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore
from tests.conftest import MakeNotebook
from tests.fit.test_async_fits import FIT, ROWS, SAVE, WAIT, Gate, get, job_of, wait_for
from tests.support.service import Service, meta_for, until

Answer = dict[str, Any]
UNBOUNDED = TokenBounds(NamedTokens(None), cast(ModelStore, None), Path())


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


WAITS = {"wait": WAIT, "fit": FIT, "save": SAVE, "apply": "def apply(model, df, param):\n    return df"}
NOTEBOOKS = {"algo": {}, "fails": {"fit": "def fit(model, df, param): return 1 / 0"}, "waits": WAITS}
pytestmark = [
    pytest.mark.process,
    pytest.mark.server(notebooks=NOTEBOOKS, own=True, DLTK_FIT_WORKERS="2", DLTK_GRACE="1"),
]


def states(service: Service) -> dict[str, str]:
    return {view["id"]: view["state"] for view in get(service, "/v1/jobs")["jobs"]}


def test_a_server_that_is_killed_leaves_every_job_in_a_state_that_is_true(service: Service, gate: Gate) -> None:
    assert service.fit("algo", ROWS)["status"] == "success"
    assert service.fit("fails", ROWS)["status"] == "error"
    cancelled, running, queued = "", "", ""
    running = job_of(service.fit("waits", ROWS, model="a", mode="async", **gate.params("fit")))
    until(gate.began.exists)
    cancelled = job_of(service.fit("algo", ROWS, model="b", mode="async"))
    assert service.cancel(cancelled) == 200
    wait_for(service, cancelled, "cancelled")
    queued = job_of(service.fit("algo", ROWS, model="c", mode="async"))
    before = states(service)
    assert sorted(before.values()) == ["cancelled", "failed", "queued", "running", "succeeded"]
    gate.go_on.touch()
    service.restart(signal.SIGKILL)
    for job in (running, queued):
        wait_for(service, job, "succeeded")
    assert states(service) == before | {running: "succeeded", queued: "succeeded"}
    versions = service.home / "app" / "model" / "data" / "versions"
    assert len(list(versions.glob("waits/*/*/version.json"))) == 1
    assert service.cancel(running) == 409


def test_sigterm_under_load_leaves_nothing_half_done(service: Service, gate: Gate) -> None:
    assert service.fit("algo", ROWS)["status"] == "success"
    waiting = [
        job_of(service.fit("waits", ROWS, model=model, mode="async", **gate.params("fit"))) for model in ("a", "b", "c")
    ]
    until(gate.began.exists)
    applies: list[Answer] = []
    fits: list[Answer] = []
    threads = [_until_refused(lambda: service.apply("algo", ROWS), applies) for _ in range(6)]
    threads += [_until_refused(lambda n=n: service.fit("algo", ROWS, model=f"m{n}"), fits) for n in range(2)]
    until(lambda: len(applies) > 50 and len(fits) > 2)
    assert service.stop() == 0
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert {answer["status"] for answer in applies} == {"success"}
    assert all(answer["status"] == "success" or "server was stopped" in answer["message"] for answer in fits)
    _check_that_all_is_whole(service, waiting)
    service.start()
    assert service.apply("algo", ROWS)["status"] == "success"
    gate.go_on.touch()
    for job in waiting:
        wait_for(service, job, "succeeded")


def _until_refused(call: Callable[[], Answer], answers: list[Answer]) -> threading.Thread:
    """Send requests until the connection is refused; half an answer is another error."""

    def run() -> None:
        try:
            while True:
                answers.append(call())
        except (urllib.error.URLError, ConnectionError):
            return
        except Exception as error:  # noqa: BLE001 - the test reports it
            answers.append({"status": repr(error), "message": ""})

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _check_that_all_is_whole(service: Service, waiting: list[str]) -> None:
    """Check that every version has a manifest and every job an end, except queued ones."""
    folders = list((service.home / "app" / "model" / "data" / "versions").glob("*/*/[0-9]*"))
    assert folders
    assert all((folder / "version.json").exists() for folder in folders)
    left = {record["id"]: record["state"] for record in service.jobs()}
    assert [left[job] for job in waiting] == ["queued", "queued", "queued"]
    assert {state for job, state in left.items() if job not in waiting} <= {"succeeded", "failed"}
    for record in service.jobs():
        if record["state"] == "succeeded":
            folder = service.home / "app" / "model" / "data" / "versions" / record["algorithm"] / record["model"]
            assert json.loads((folder / str(record["version"]) / "version.json").read_text())["job"] == record["id"]


@pytest.mark.parametrize(
    ("how", "mode", "state"),
    [
        ("cancel", "sync", "cancelled"),
        ("cancel", "async", "cancelled"),
        ("stop", "sync", "failed"),
        ("stop", "async", "queued"),
    ],
)
def test_a_fit_that_is_ended_before_its_first_step_is_not_forgotten(
    how: str, mode: str, state: str, paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo")
    jobs = JobStore(paths, keep=5, log_bytes=1000)
    fitting = Fitting(Settings(home=paths.home, notebooks=paths.notebooks), jobs, cast(Trainer, _Idle()), UNBOUNDED)
    request = Request.of(Payload(ROWS.encode(), escaped=False), meta_for(ROWS, "m", {"algo": "algo", "mode": mode}))

    async def body() -> BaseException | None:
        call = Call("1", "/fit")
        answer = asyncio.create_task(fitting.fit(request, call))
        while call.facts.job is None:  # noqa: ASYNC110 - the very turn of the loop counts
            await asyncio.sleep(0)
        if how == "cancel":
            fitting.cancel(call.facts.job)
        else:
            await fitting.close(0)
        return (await asyncio.gather(answer, return_exceptions=True))[0]

    answered = asyncio.run(body())
    (record,) = jobs.list()
    assert record.state == state
    assert isinstance(answered, DltkError) == (mode == "sync")
    adopted = jobs.adopt(record.id)  # as the next server does
    assert (adopted is not None) == (state == "queued")


def test_a_server_that_stops_does_not_take_back_what_it_has_left_to_the_next(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo")
    jobs = _Rounds(paths, keep=5, log_bytes=1000)
    fitting = Fitting(Settings(home=paths.home, notebooks=paths.notebooks), jobs, cast(Trainer, _Idle()), UNBOUNDED)
    request = Request.of(Payload(ROWS.encode(), escaped=False), meta_for(ROWS, "m", {"algo": "algo", "mode": "async"}))

    async def body() -> None:
        call = Call("1", "/fit")
        answer = asyncio.create_task(fitting.fit(request, call))
        while call.facts.job is None:  # noqa: ASYNC110 - the very turn of the loop counts
            await asyncio.sleep(0)
        await fitting.close(0)
        await answer
        upkeep = asyncio.create_task(fitting.upkeep())
        while jobs.rounds < 2:  # noqa: ASYNC110 - the first round is over
            await asyncio.sleep(0.01)
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)

    asyncio.run(body())
    (record,) = jobs.list()
    assert jobs.adopt(record.id) is not None


def test_a_round_of_upkeep_that_fails_is_logged_and_the_next_one_comes(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = _Failing(paths, keep=5, log_bytes=1000)
    fitting = Fitting(Settings(home=paths.home, notebooks=paths.notebooks), jobs, cast(Trainer, _Idle()), UNBOUNDED)

    async def body() -> None:
        upkeep = asyncio.create_task(fitting.upkeep())
        while jobs.rounds < 3:  # noqa: ASYNC110 - rounds set no events
            await asyncio.sleep(0.01)
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)

    asyncio.run(body())
    assert [record.getMessage() for record in caplog.records] == ["a periodic task failed"]


class _Rounds(JobStore):
    """Counts the rounds of the server's upkeep."""

    rounds = 0

    def flush(self) -> None:
        self.rounds += 1
        super().flush()


class _Failing(_Rounds):
    """Fails in its first two rounds, as on a volume that is away."""

    def flush(self) -> None:
        super().flush()
        if self.rounds < 3:
            raise OSError(errno.ESTALE, "Stale file handle")


class _Idle:
    """Stands in for the trainer: no fit comes to its first step here."""

    pool = SimpleNamespace(waits_for_gpu=lambda _: False, has_room=lambda _: True)
    store = places = None

    async def train(self, training: Training) -> None:
        raise AssertionError

    def touch(self) -> None:
        """There are no versions in the making."""


def test_a_job_whose_rows_find_no_room_is_refused_before_it_is_submitted(service: Service) -> None:
    shutil.rmtree(service.home / "jobs")
    (service.home / "jobs").touch()  # nothing can be written below a file
    answer = service.fit("algo", ROWS, mode="async")
    assert answer["status"] == "error"
    assert "The record of a job could not be written" in answer["message"]
