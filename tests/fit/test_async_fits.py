"""Fits as jobs: submitted, followed, cancelled in every phase, taken over by the next server, promoted or not."""

from __future__ import annotations

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook, write_notebook
from tests.support.service import Service, meta_for, until
from tests.support.wire import encoded, send_and_keep

ROWS = "x\n1\n2\n"
WAIT = """
    import os, time

    def wait(param, place):
        '''Say that `place` is reached, and stay there until the test lets go.'''
        params = param["options"]["params"]
        if params.get("at") == place:
            open(params["began"], "w").close()
            end = time.monotonic() + 60
            while time.monotonic() < end and not os.path.exists(params["go_on"]):
                time.sleep(0.01)
"""
FIT = """
    def fit(model, df, param):
        print("Epoch 2/9 - loss: 0.5")
        wait(param, "fit")
        model["rows"] = len(df)
        model["param"] = param
        return {}
"""
SAVE = """
    def save(model, name):
        wait(model.pop("param"), "save")
        with open(MODEL_DIRECTORY + name + ".json", "w") as file:
            json.dump(model, file)
"""


class Gate:
    """Files by which a test sees that a notebook has come to a place, and lets it go on."""

    def __init__(self, folder: Path) -> None:
        self.began = folder / "began"
        self.go_on = folder / "go_on"

    def params(self, place: str) -> dict[str, str]:
        return {"at": place, "began": str(self.began), "go_on": str(self.go_on)}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def notebooks(paths: Paths) -> Paths:
    """The folders of a server that a test starts itself."""
    write_notebook(paths.notebooks, "algo")
    write_notebook(paths.notebooks, "waits", **WAITS)
    return paths


WAITS = {"wait": WAIT, "fit": FIT, "save": SAVE, "apply": "def apply(model, df, param):\n    return df"}
pytestmark = [pytest.mark.process, pytest.mark.server(notebooks={"algo": {}, "waits": WAITS}, own=True)]


def get(service: Service, path: str) -> Any:
    return json.loads(service.send(path, None))


def job_of(answer: dict[str, str]) -> str:
    return answer["message"].split("job ")[1].split()[0]


def wait_for(service: Service, job: str, *states: str) -> dict[str, Any]:
    return dict(until(lambda: (view := get(service, f"/v1/jobs/{job}"))["state"] in states and view))


def test_an_asynchronous_fit_answers_at_once_and_its_model_can_be_applied_later(service: Service, gate: Gate) -> None:
    answer = service.fit("waits", ROWS, mode="async", **gate.params("fit"))
    assert answer["status"] == "submitted"
    assert "results" not in answer
    job = job_of(answer)
    until(gate.began.exists)
    assert get(service, f"/v1/jobs/{job}")["state"] == "running"
    refused = service.apply("waits", ROWS, mode="async")  # the fit's, which comes back and means nothing here
    assert refused["status"] == "error"
    until(lambda: f"job {job} is training it (fit, 2 of 9 steps)" in service.apply("waits", ROWS)["message"])
    gate.go_on.touch()
    assert wait_for(service, job, "succeeded")["version"] == 1
    assert service.apply("waits", ROWS, mode="async")["results"] == ROWS
    until(lambda: not list((service.home / "jobs" / job).glob("data.*")))  # the rows go with the job


def test_the_last_good_version_serves_while_a_new_one_is_trained(service: Service, gate: Gate) -> None:
    service.fit("waits", ROWS)
    job = job_of(service.fit("waits", ROWS, mode="async", **gate.params("fit")))
    until(gate.began.exists)
    assert service.apply("waits", ROWS)["status"] == "success"
    gate.go_on.touch()
    wait_for(service, job, "succeeded")


def test_the_same_submission_is_one_job_until_it_has_ended(service: Service, gate: Gate) -> None:
    first = service.fit("waits", ROWS, mode="async", **gate.params("fit"))
    meta = meta_for(ROWS, "m", {"algo": "waits", "mode": "async", **gate.params("fit")})
    meta["options"]["session_key"] = "another session"
    meta["options"]["mlspl_limits"] = {"max_inputs": "7"}
    second = service.post("/fit", ROWS, meta)
    other = service.fit("waits", ROWS + "3\n", mode="async", **gate.params("fit"))
    assert job_of(first) == job_of(second) != job_of(other)
    gate.go_on.touch()
    wait_for(service, job_of(first), "succeeded")
    assert job_of(service.fit("waits", ROWS, mode="async", **gate.params("fit"))) != job_of(first)


@pytest.mark.parametrize("place", ["fit", "save"])
def test_a_cancelled_fit_ends_its_process_and_stores_nothing(service: Service, gate: Gate, place: str) -> None:
    answers: list[dict[str, Any]] = []
    fit = threading.Thread(target=lambda: answers.append(service.fit("waits", ROWS, **gate.params(place))))
    fit.start()
    until(gate.began.exists)
    job = get(service, "/v1/jobs?state=running")["jobs"][0]["id"]
    worker = until(lambda: [pid for pid in service.workers() if _is_nice(pid)])[0]
    assert service.cancel(job) == 200
    until(lambda: not psutil.pid_exists(worker))
    fit.join(60)
    assert answers[0]["message"].startswith(f"/fit: ERROR: unable to fit model. Job {job} was cancelled")
    assert get(service, f"/v1/jobs/{job}")["state"] == "cancelled"
    assert service.store_folders("waits") == []
    assert service.cancel(job) == 409


def test_a_fit_is_cancelled_while_its_code_is_still_imported(
    service: Service, make_notebook: MakeNotebook, gate: Gate
) -> None:
    code = f"import json, os, time\nopen({str(gate.began)!r}, 'w').close()\ntime.sleep(60)"
    make_notebook("imports", **{"import": code})
    job = job_of(service.fit("imports", ROWS, mode="async"))
    until(gate.began.exists)
    until(lambda: get(service, f"/v1/jobs/{job}")["phase"] == "code")
    assert service.cancel(job) == 200
    wait_for(service, job, "cancelled")
    assert service.store_folders("imports") == []


def _is_nice(pid: int) -> bool:
    """Whether it is the worker of a fit."""
    try:
        return psutil.Process(pid).nice() > 0
    except psutil.NoSuchProcess:
        return False


def test_queued_jobs_have_a_place_can_be_cancelled_and_run_in_order(notebooks: Paths, gate: Gate) -> None:
    with Service(notebooks.home, notebooks.notebooks, DLTK_FIT_WORKERS="1") as service:
        running = job_of(service.fit("waits", ROWS, model="a", mode="async", **gate.params("fit")))
        until(gate.began.exists)
        waiting = [job_of(service.fit("algo", ROWS, model=model, mode="async")) for model in ("b", "c", "d")]
        assert [get(service, f"/v1/jobs/{job}")["place"] for job in waiting] == [1, 2, 3]
        assert service.cancel(waiting[1]) == 200
        wait_for(service, waiting[1], "cancelled")
        gate.go_on.touch()
        ended = [wait_for(service, job, "succeeded")["ended"] for job in (running, waiting[0], waiting[2])]
        assert ended == sorted(ended)


def test_50_submissions_at_once_are_accepted_up_to_the_limit_and_refused_beyond_it(
    notebooks: Paths, gate: Gate
) -> None:
    limits = {"DLTK_FIT_WORKERS": "1", "DLTK_MAX_QUEUED": "2"}
    with Service(notebooks.home, notebooks.notebooks, **limits) as service:
        first = service.fit("waits", ROWS, model="first", mode="async", **gate.params("fit"))
        until(gate.began.exists)

        def submit(number: int) -> dict[str, Any]:
            return service.fit("algo", ROWS, model=f"m{number}", mode="async")

        with ThreadPoolExecutor(16) as clients:
            answers = list(clients.map(submit, range(50)))
        accepted = [answer for answer in answers if answer["status"] == "submitted"]
        refused = [answer for answer in answers if answer["status"] == "error"]
        assert (len(accepted), len(refused)) == (2, 48)
        assert all("DLTK_MAX_QUEUED" in answer["message"] for answer in refused)
        gate.go_on.touch()
        for answer in (first, *accepted):
            wait_for(service, job_of(answer), "succeeded")


def test_an_asynchronous_fit_leaves_a_place_for_one_that_somebody_waits_for(notebooks: Paths, gate: Gate) -> None:
    with Service(notebooks.home, notebooks.notebooks, DLTK_FIT_WORKERS="2") as service:
        jobs = [job_of(service.fit("waits", ROWS, model="a", mode="async", **gate.params("fit")))]
        until(gate.began.exists)
        jobs.append(job_of(service.fit("waits", ROWS, model="b", mode="async", **gate.params("fit"))))
        assert service.fit("algo", ROWS)["status"] == "success"
        assert get(service, f"/v1/jobs/{jobs[1]}")["state"] == "queued"
        gate.go_on.touch()
        for job in jobs:
            wait_for(service, job, "succeeded")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_queued_jobs_run_after_a_restart(notebooks: Paths, gate: Gate, how: signal.Signals) -> None:
    limits = {"DLTK_FIT_WORKERS": "1", "DLTK_GRACE": "0.2"}
    with Service(notebooks.home, notebooks.notebooks, **limits) as service:
        running = job_of(service.fit("waits", ROWS, model="a", mode="async", **gate.params("fit")))
        until(gate.began.exists)
        queued = job_of(service.fit("algo", ROWS, model="b", mode="async", with_version="t"))
        service.restart(how)
        gate.go_on.touch()
        view = wait_for(service, queued, "succeeded")
        assert (view["version"], view["rows"]) == (1, 2)
        assert service.apply("algo", ROWS, model="b")["results"] == "rows\n2\n2\n"
        wait_for(service, running, "succeeded")


def test_a_fit_goes_on_when_its_search_hangs_up(service: Service, gate: Gate) -> None:
    sock = send_and_keep(service, "/fit", encoded(ROWS, "waits", **gate.params("fit")))
    until(gate.began.exists)
    sock.close()
    gate.go_on.touch()
    job = get(service, "/v1/jobs")["jobs"][0]["id"]
    wait_for(service, job, "succeeded")
    assert service.apply("waits", ROWS)["status"] == "success"


def test_a_fit_ends_when_its_search_hangs_up_if_the_setting_says_so(notebooks: Paths, gate: Gate) -> None:
    with Service(notebooks.home, notebooks.notebooks, DLTK_HANGUP="cancel") as service:
        sock = send_and_keep(service, "/fit", encoded(ROWS, "waits", **gate.params("fit")))
        until(gate.began.exists)
        sock.close()
        job = get(service, "/v1/jobs")["jobs"][0]["id"]
        assert "hung up" in wait_for(service, job, "cancelled")["message"]


def test_sigterm_gives_fits_their_grace_and_then_an_error_that_arrives(notebooks: Paths, gate: Gate) -> None:
    with Service(notebooks.home, notebooks.notebooks, DLTK_GRACE="0.5") as service:
        answers: list[dict[str, Any]] = []
        fit = threading.Thread(target=lambda: answers.append(service.fit("waits", ROWS, **gate.params("fit"))))
        fit.start()
        until(gate.began.exists)
        assert service.stop() == 0
        fit.join(60)
    assert "The server was stopped before job" in answers[0]["message"]
    assert service.jobs()[-1]["state"] == "failed"


def test_a_fit_that_ends_within_the_grace_is_committed(notebooks: Paths, gate: Gate) -> None:
    with Service(notebooks.home, notebooks.notebooks, DLTK_GRACE="30") as service:
        answers: list[dict[str, Any]] = []
        fit = threading.Thread(target=lambda: answers.append(service.fit("waits", ROWS, **gate.params("fit"))))
        fit.start()
        until(gate.began.exists)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        gate.go_on.touch()
        fit.join(60)
        assert service.stop() == 0
    assert answers[0]["status"] == "success"


def test_progress_of_the_notebook_and_of_what_it_prints_is_in_the_job(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook(
        "tells",
        fit="from dltk_runtime import progress\n\ndef fit(model, df, param):\n    model['rows'] = len(df)\n"
        "    for step in range(5):\n        progress(step + 1, 5, loss=1 / (step + 1))",
    )
    make_notebook(
        "prints",
        fit="def fit(model, df, param):\n    model['rows'] = len(df)\n"
        "    for epoch in range(3):\n        print(f'Epoch {epoch + 1}/3 - loss: {1 / (epoch + 1):.4f}')",
    )
    for algorithm, steps in (("tells", 5), ("prints", 3)):
        service.fit(algorithm, ROWS)
        view = get(service, "/v1/jobs")["jobs"][0]
        assert (view["step"], view["total"]) == (steps, steps)
        assert view["metrics"]["loss"] == pytest.approx(1 / steps, abs=1e-4)
        assert get(service, f"/v1/jobs/{view['id']}/metrics")[-1]["step"] == steps


def test_events_tell_a_job_to_its_end(service: Service, gate: Gate) -> None:
    job = job_of(service.fit("waits", ROWS, mode="async", **gate.params("fit")))
    until(gate.began.exists)
    gate.go_on.touch()
    text = service.send(f"/v1/jobs/{job}/events", None).decode()
    states = [json.loads(line.removeprefix("data: "))["state"] for line in text.splitlines() if line.startswith("data")]
    assert states[-1] == "succeeded"
