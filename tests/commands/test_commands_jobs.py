"""`dltk jobs` against a real server: what it lists and shows, and how it watches and cancels."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.commands import Exit
from tests.support.service import Service, until

ROWS = "x\n1\n2\n"
STEPS = """
import os, time
from dltk_runtime import progress

def fit(model, df, param):
    params = param["options"]["params"]
    for step in range(3):
        print("step", step)
        progress(step + 1, 4, loss=1 / (step + 1))
        time.sleep(0.3)  # progress is noted four times a second
    open(params["began"], "w").close()
    while not os.path.exists(params["go_on"]):
        time.sleep(0.01)
    progress(4, 4, loss=0.25)
    model["rows"] = len(df)
"""


EARLY = "from dltk_runtime import progress\ndef fit(model, df, param): progress(49, 100); model['rows'] = 2"
NOTEBOOKS = {
    "stops_early": {"fit": EARLY},
    "steps": {"fit": STEPS},
    "fails": {"fit": "def fit(model, df, param): 1 / 0"},
}
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, fits=[("fails", ROWS)])


def command(service: Service, *arguments: str) -> list[str]:
    where = ["--url", service.url, "--token", service.token]
    return [sys.executable, "-m", "dltk_runtime.cli", "jobs", *arguments, *where]


def run(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"COLUMNS": "160"}
    return subprocess.run(command(service, *arguments), capture_output=True, text=True, check=False, env=environ)


class Training:
    """A fit that has done three of four steps, and goes on when it is told to."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.go_on = folder / "go_on"
        params = {"began": str(folder / "began"), "go_on": str(self.go_on)}
        answer = service.fit("steps", ROWS, model=folder.name[:40].replace("-", "_"), mode="async", **params)
        self.job = str(answer["message"].split("job ")[1].split()[0])
        until((folder / "began").exists)


@pytest.fixture
def training(service: Service, tmp_path: Path) -> Iterator[Training]:
    training = Training(service, tmp_path)
    yield training
    training.go_on.touch()


def test_list_shows_what_is_trained_and_how_far_it_is(service: Service, training: Training) -> None:
    result = run(service, "list")
    assert result.returncode == Exit.OK, result.stderr
    header, first, *_ = result.stdout.splitlines()
    columns = ["job", "algorithm", "model", "state", "started", "(UTC)", "took", "progress", "version", "reason"]
    assert header.split() == columns
    assert first.split()[:2] == [training.job, "steps"]
    assert "running: fit" in first
    assert "3/4" in first


def test_list_shows_reason_start_and_duration_and_that_a_success_is_whole(service: Service) -> None:
    assert service.fit("stops_early", ROWS)["status"] == "success"
    lines = run(service, "list").stdout.splitlines()
    failed, whole = (next(line for line in lines if name in line) for name in (" fails ", " stops_early "))
    assert re.search(r" failed +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ s ", failed)
    assert "ZeroDivisionError: division by zero" in failed
    assert " 100/100, 100 % " in whole


def test_show_tells_all_about_a_job_and_what_it_printed(service: Service, training: Training) -> None:
    training.go_on.touch()
    until(lambda: "succeeded" in run(service, "show", training.job).stdout)
    shown = run(service, "show", training.job, "--log").stdout
    assert "version     1" in shown
    assert "█" in shown
    assert "1 → 0.25" in shown
    assert "step 0\nstep 1\nstep 2\n" in shown


def test_show_has_the_traceback_of_a_failure(service: Service) -> None:
    job = next(line.split()[0] for line in run(service, "list").stdout.splitlines() if " fails " in line)
    shown = run(service, "show", job).stdout
    assert "ZeroDivisionError: division by zero (at fails.ipynb" in shown
    assert "Traceback (most recent call last)" in shown


def test_watch_follows_a_job_to_its_end(service: Service, training: Training) -> None:
    with _watching(service, training.job) as watching:
        training.go_on.touch()
        out, _ = watching.communicate(timeout=60)
    assert watching.returncode == Exit.OK
    assert "4/4" in out
    assert "loss 0.25" in out
    assert "/fit done successfully. Version 1 of model" in out


def test_a_watch_that_is_interrupted_leaves_the_job_alone(service: Service, training: Training) -> None:
    with _watching(service, training.job) as watching:
        assert watching.stdout is not None
        head = os.read(watching.stdout.fileno(), 1)  # it draws: it watches
        watching.send_signal(signal.SIGINT)
        out, errors = watching.communicate(timeout=30)
    assert head
    assert watching.returncode != Exit.OK
    assert "Traceback" not in out + errors
    assert "running" in run(service, "show", training.job).stdout


def test_cancel_ends_a_job_and_a_watch_of_it_fails(service: Service, training: Training) -> None:
    result = run(service, "cancel", training.job)
    assert result.stdout == f"Job {training.job} is cancelled.\n"
    watched = run(service, "watch", training.job)
    assert watched.returncode == Exit.FAILED
    assert "somebody asked for its end" in watched.stdout
    again = run(service, "cancel", training.job)
    assert again.returncode == Exit.FAILED
    assert training.job in again.stderr


def test_a_job_that_is_not_there_and_a_container_that_is_not(service: Service) -> None:
    unknown = run(service, "show", "20260101T000000.000000Z-00000000")
    assert unknown.returncode == Exit.FAILED
    assert "20260101T000000.000000Z-00000000" in unknown.stderr
    nobody = [*command(service, "list")[:-4], "--url", "http://127.0.0.1:9", "--token", "t"]
    assert subprocess.run(nobody, capture_output=True, check=False).returncode == Exit.UNREACHABLE


def _watching(service: Service, job: str) -> subprocess.Popen[str]:
    environ: dict[str, Any] = os.environ | {"COLUMNS": "160", "FORCE_COLOR": "1", "TERM": "xterm"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command(service, "watch", job), stdout=pipe, stderr=pipe, text=True, env=environ)
