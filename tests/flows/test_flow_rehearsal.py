"""``dltk flow test`` when its runtime fails it: every wait ends, and says what was waited for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.flows.errors import FlowFailed
from dltk_runtime.flows.rehearsal import runtime as runtimes
from dltk_runtime.flows.rehearsal.play import Player, ScheduledRun
from dltk_runtime.flows.rehearsal.runtime import Runtime, serving
from dltk_runtime.flows.rehearsal.world import BEGIN
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from dltk_runtime.store.store import ModelName
from tests.emulator.container import TOKEN, standin
from tests.flows.helpers import NOBODY, flow_of, predicting, search_of, world_of


@pytest.fixture
def runtime(paths: Paths, tmp_path: Path) -> Runtime:
    """One that does not answer, and has a log."""
    log = tmp_path / "log"
    log.write_text("out of memory\n")
    return Runtime(NOBODY, paths, log, lambda: None)


@pytest.mark.process
def test_a_fit_that_never_ends_is_named(runtime: Runtime) -> None:
    job = JobStore(runtime.paths, keep=5, log_bytes=1000).create(ModelName("a", "m"), {})
    job.start()
    with pytest.raises(FlowFailed, match=rf"fit {job.id} is still running after 0\.1 s; .* log ends: out of memory"):
        runtime.wait(0.1)


def test_a_fit_whose_runtime_has_ended_is_not_waited_for(runtime: Runtime) -> None:
    JobStore(runtime.paths, keep=5, log_bytes=1000).create(ModelName("a", "m"), {})
    with pytest.raises(FlowFailed, match=r"still queued, and the runtime has ended with exit code 137\. .*memory"):
        replace(runtime, exit_code=lambda: 137).wait()


def test_a_runtime_that_does_not_answer_ends_the_rehearsal_at_its_first_call(runtime: Runtime, tmp_path: Path) -> None:
    world = world_of(flow_of("direct"), tmp_path / "flow", NOBODY, "offset,query,verdict\n10,blue.com,good\n")
    player = Player(world, runtime)
    with pytest.raises(FlowFailed, match=r"dltk_x_score: No answer from the container .* log ends: out of memory"):
        player.run(ScheduledRun(BEGIN + 720, search_of(world, "score")))


def training(runtime: Runtime, folder: Path, sample: str) -> None:
    """Run the training of a flow whose fit is answered at once, and judge it by the jobs there are."""
    with standin() as container:
        container.answer = predicting
        world = world_of(flow_of("direct"), folder, ClientSettings(url=container.url, token=TOKEN), sample)
        Player(world, runtime).run(ScheduledRun(BEGIN + 86_400, search_of(world, "train")))


def test_a_rehearsal_ends_at_the_first_training_that_failed(runtime: Runtime, tmp_path: Path) -> None:
    job = JobStore(runtime.paths, keep=5, log_bytes=1000).create(ModelName("a", "m"), {})
    job.start()
    job.fail("No notebook 'nosuch'.")
    with pytest.raises(FlowFailed, match=r"dltk_x_train: the training failed: No notebook 'nosuch'\. .*out of memory"):
        training(runtime, tmp_path / "flow", "offset,query,verdict\n10,blue.com,good\n")


def test_a_rehearsal_ends_at_a_first_training_without_rows(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(FlowFailed, match=r"the first training sent no rows\. Look at what it reads"):
        training(runtime, tmp_path / "flow", "offset,query,verdict\n10,blue.com,\n")


@pytest.mark.process
def test_a_runtime_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    paths = Paths(home=tmp_path / "home", notebooks=tmp_path)
    with (
        pytest.raises(FlowFailed, match=r"did not start\. The runtime's log ends: (?s:.*)home"),
        serving(paths, tmp_path / "log"),
    ):
        pass


@pytest.mark.process
def test_a_runtime_that_never_gets_ready_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "START_SECONDS", 0.1)
    silent = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    (tmp_path / "log").write_text("")
    with subprocess.Popen(silent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        with pytest.raises(FlowFailed, match=r"not ready within 0\.1 s\. The runtime's log ends: it is empty"):
            runtimes._address(process, tmp_path / "log")
        process.kill()
