"""Homes with many models and jobs, written by the stores without a fit."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature

ALGORITHM, FIELDS = "many", 8
LONG = "a_model_with_the_longest_name_that_anybody_would_write_for_one"


def fill(paths: Paths, models: int, jobs: int) -> None:
    """Write models of one version each, and jobs of them that have ended; every tenth failed."""
    store, kept = ModelStore.open(paths, 1), JobStore(paths, 2 * jobs, 1000)
    baseline = Baseline(counts=[0, *[100] * 20, 0, 0], edges=[float(number) for number in range(21)])
    facts = Facts(rows=2000, features=[Feature(f"field_{number}", "number", baseline) for number in range(FIELDS)])
    names = [ModelName(ALGORITHM, f"m{number}" if number % 20 else f"{LONG}_{number}") for number in range(models)]
    for name in names:
        with store.reserve(name) as reserved:
            Path(reserved.location.folder, f"{name.file}.json").write_text("{}")
            version = reserved.commit(facts, b'{"format": 1, "sources": []}', b"{}")
        store.promote(version)
    for number in range(jobs):
        name = names[number % len(names)]
        job = kept.create(name, {"algo": name.algorithm})
        job.start()
        if number % 10:
            job.succeed(rows=2000, version=1, promoted=True, message="done")
        else:
            job.fail("it failed: " + "a value is no number, " * 9, traceback="", coordinates="")
