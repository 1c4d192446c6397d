"""The report of a rehearsal: its figures come from the records of jobs and versions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from dltk_runtime.flows.rehearsal import report
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.play import RehearsalResult
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.jobs.record import Comparison
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from tests.flows.helpers import NOBODY, flow_of, world_of
from tests.store.helpers import commit

NAME = ModelName("dga_classifier", "x_v1")
HELD_OUT = Comparison(metric="f1", new=0.9, old=0.5, old_version=1, gain=0.002, held_out=True, rows=40)


@pytest.fixture
def runtime(paths: Paths, tmp_path: Path) -> Runtime:
    return Runtime(NOBODY, paths, tmp_path / "log", lambda: None)


def train(runtime: Runtime, comparison: Comparison | None, *, promoted: bool = True) -> None:
    """A fit that committed a version; the message of its job has other figures than the record."""
    job = JobStore(runtime.paths, keep=10, log_bytes=1000).create(NAME, {})
    facts = Facts(rows=200, train={"f1": 0.75, "loss": None}, job=job.id)
    version = commit(ModelStore.open(runtime.paths, keep=10), NAME, facts=facts)
    message = "f1 0.1 against 0.2 of version 7 on the same 10 held-out rows"
    job.succeed(rows=200, version=version.number, promoted=promoted, message=message, comparison=comparison)


def shown(runtime: Runtime, tmp_path: Path) -> list[str]:
    world = world_of(flow_of("direct"), tmp_path / "flow", NOBODY)
    console = Console(file=io.StringIO(), width=200)
    report.show(console, world, RehearsalResult(), runtime, Knowledge({}, metric="f1"))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()).replace("█", "") for line in console.file.getvalue().splitlines() if line.strip()]


def test_the_comparison_of_a_training_is_the_one_in_the_jobs_record(runtime: Runtime) -> None:
    train(runtime, None)
    train(runtime, HELD_OUT)
    first, second = report.trainings(runtime)
    assert (first.comparison, second.comparison) == (None, HELD_OUT)
    assert (second.version, second.rows, second.metrics, second.promoted) == ("x_v1 2", 200, {"f1": 0.75}, True)


def test_a_first_version_is_shown_by_its_held_out_rows_alone(runtime: Runtime, tmp_path: Path) -> None:
    """Its fit is compared with itself, since there is no other version."""
    train(runtime, Comparison(metric="f1", new=0.9, old=0.9, old_version=1, held_out=True, rows=40))
    lines = shown(runtime, tmp_path)
    assert "x_v1 1  0.9000 promoted" in lines
    assert not [line for line in lines if "version 1" in line]


def test_the_plot_shows_both_versions_on_the_held_out_rows(runtime: Runtime, tmp_path: Path) -> None:
    train(runtime, None)
    train(runtime, HELD_OUT)
    lines = shown(runtime, tmp_path)
    assert "x_v1 1  0.7500 promoted, on the rows of its fit" in lines
    assert "x_v1 2  0.9000 promoted" in lines
    assert "version 1  0.5000 on these rows" in lines
    assert "f1 0.9 against 0.5 of version 1, at least 0.002 better, on the same 40 held-out rows" in lines


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (Comparison(metric="f1", new=0.9, old=None, old_version=0, held_out=True, rows=40), ["x_v1 1  0.9000"]),
        (Comparison(metric="f1", new=None, old=0.5, old_version=0, held_out=True), ["version 0  0.5000 on these rows"]),
        (Comparison(metric="f1", new=0.75, old=0.5, old_version=0), ["x_v1 1  0.7500 on the rows of its fit"]),
        (Comparison(metric="r2", new=0.9, old=0.5, old_version=0), ["x_v1 1  0.7500 on the rows of its fit"]),
    ],
)
def test_only_what_was_measured_on_the_same_rows_is_compared(
    runtime: Runtime, tmp_path: Path, comparison: Comparison, expected: list[str]
) -> None:
    train(runtime, comparison, promoted=False)
    lines = shown(runtime, tmp_path)
    plot = lines[lines.index("f1 by training") + 1 :]
    assert [line for line in plot if not line.startswith("not run")] == expected
