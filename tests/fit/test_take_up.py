"""Promise 12, jobs survive the process that runs them: an accepted asynchronous fit ends once, as it says."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import write_notebook
from tests.fit.test_async_fits import FIT, ROWS, SAVE, WAIT, Gate, job_of, wait_for
from tests.support.service import Service, until

pytestmark = pytest.mark.process

WAITS = {"wait": WAIT, "fit": FIT, "save": SAVE, "apply": "def apply(model, df, param):\n    return df"}
# Its model is loaded once the test says so: what loads it first is the trial before the promotion.
TRIAL = """
    import os, time

    def load(name):
        open(MODEL_DIRECTORY + "trial", "w").close()
        end = time.monotonic() + 60
        while time.monotonic() < end and not os.path.exists(MODEL_DIRECTORY + "go_on"):
            time.sleep(0.01)
        with open(MODEL_DIRECTORY + name + ".json") as file:
            return json.load(file)
"""
KILLS = """
    import os, signal

    def fit(model, df, param):
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def home(paths: Paths) -> Paths:
    write_notebook(paths.notebooks, "algo")
    write_notebook(paths.notebooks, "waits", **WAITS)
    write_notebook(paths.notebooks, "trial", load=TRIAL)
    write_notebook(paths.notebooks, "kills", fit=KILLS)
    return paths


@pytest.fixture
def two(home: Paths) -> Iterator[tuple[Service, Service]]:
    """Two replicas over one home, each with room for one asynchronous fit. The second one does not run yet.

    Either would take what is submitted: a test starts the second one once the first has the fit.
    """
    second = replica(home, "two")
    with replica(home, "one") as first:
        yield first, second
        second.stop()


def replica(home: Paths, name: str, **variables: str) -> Service:
    """A replica with a log of its own."""
    limits = {"DLTK_FIT_WORKERS": "1", "DLTK_GRACE": "0.2", "DLTK_DRAIN": "0", "DLTK_SPARES": "0"}
    service = Service(home.home, home.notebooks, **limits | variables)
    service.log = home.home.parent / f"{name}.log"
    return service


def record_of(home: Paths, job: str) -> dict[str, Any]:
    return dict(json.loads((home.jobs / job / "job.json").read_text()))


def manifests(home: Paths, algorithm: str) -> list[str]:
    """The jobs of the versions of an algorithm."""
    found = (home.versions / algorithm).glob("*/*/version.json")
    return [json.loads(path.read_text())["job"] for path in found]


def check_end(home: Paths, job: str, algorithm: str) -> None:
    """The job has ended well, once: one version, which its record names, and no rows."""
    assert manifests(home, algorithm) == [job]
    record = record_of(home, job)
    assert (home.versions / algorithm / "m" / str(record["version"]) / "version.json").exists()
    assert record["promoted"]
    until(lambda: not [*(home.jobs / job).glob("data.*"), *(home.jobs / job).glob("meta.json")])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_running_fit_whose_server_ends_is_taken_up_by_another(
    two: tuple[Service, Service], home: Paths, gate: Gate, how: signal.Signals
) -> None:
    first, second = two
    job = job_of(first.fit("waits", ROWS, mode="async", **gate.params("fit")))
    until(gate.began.exists)
    gate.began.unlink()
    second.start()
    first.stop(how)
    until(gate.began.exists)  # on the other one
    record = record_of(home, job)
    assert (record["state"], record["attempts"]) == ("running", 2)
    gate.go_on.touch()
    wait_for(second, job, "succeeded")
    check_end(home, job, "waits")
    what = "was stopped" if how is signal.SIGTERM else "ended"
    assert f"[The server {what} while the fit ran, which was start 1." in (home.jobs / job / "log").read_text()


def test_a_queued_fit_goes_to_the_replica_that_has_room(two: tuple[Service, Service], home: Paths, gate: Gate) -> None:
    first, second = two
    running = job_of(first.fit("waits", ROWS, mode="async", **gate.params("fit")))
    until(gate.began.exists)
    queued = job_of(first.fit("algo", ROWS, mode="async"))
    second.start()
    wait_for(second, queued, "succeeded")  # while the other one is busy
    assert record_of(home, running)["state"] == "running"
    assert [event["job"] for event in second.events() if event["event"] == "job"] == [queued]
    gate.go_on.touch()
    wait_for(second, running, "succeeded")


def test_a_fit_whose_server_ends_after_the_commit_succeeds_with_that_version(
    two: tuple[Service, Service], home: Paths
) -> None:
    first, second = two
    job = job_of(first.fit("trial", ROWS, mode="async"))
    until((home.models / "trial").exists)
    until(lambda: record_of(home, job)["version"] == 1)
    (home.models / "trial").unlink()
    second.start()
    first.stop(signal.SIGKILL)
    until((home.models / "trial").exists)  # the other one tries the version before it promotes it
    (home.models / "go_on").touch()
    view = wait_for(second, job, "succeeded")
    assert (view["version"], view["promoted"], view["rows"]) == (1, True, 2)
    check_end(home, job, "trial")
    assert record_of(home, job)["attempts"] == 1


def test_a_server_that_hung_and_goes_on_cannot_commit(two: tuple[Service, Service], home: Paths, gate: Gate) -> None:
    first, second = two
    job = job_of(first.fit("waits", ROWS, mode="async", **gate.params("fit")))
    until(gate.began.exists)
    gate.began.unlink()
    assert first.process is not None
    second.start()
    first.process.send_signal(signal.SIGSTOP)
    os.utime(home.jobs / job / "job.json", (0, 0))  # as after a minute
    until(gate.began.exists)
    gate.go_on.touch()
    wait_for(second, job, "succeeded")
    ended = record_of(home, job)
    first.process.send_signal(signal.SIGCONT)
    until(lambda: [each for each in first.events() if each.get("outcome") == "taken up by another server"])
    assert first.fit("algo", ROWS)["status"] == "success"
    assert record_of(home, job) == ended
    check_end(home, job, "waits")


def test_a_fit_that_ends_its_servers_is_started_as_often_as_allowed_and_then_lost(home: Paths) -> None:
    with replica(home, "one", DLTK_FIT_RETRIES="1") as service:
        job = job_of(service.fit("kills", ROWS, mode="async"))
        for _ in range(2):
            assert service.process is not None
            assert service.process.wait(60) == -signal.SIGKILL
            service.process.stdout.close()  # type: ignore[union-attr]
            service.process = None
            service.start()
        view = wait_for(service, job, "lost")
        assert "DLTK_FIT_RETRIES (1) allows no further start" in view["message"]
        assert record_of(home, job)["attempts"] == 2
        assert manifests(home, "kills") == []
        until(lambda: not list((home.jobs / job).glob("data.*")))
        assert service.cancel(job) == 409
