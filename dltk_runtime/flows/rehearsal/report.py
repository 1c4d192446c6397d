"""What a rehearsal says at its end: each search, each training, a plot of the metric."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from dltk_runtime.flows.rehearsal.play import Played
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.flows.rehearsal.world import SAMPLE, World
from dltk_runtime.jobrecord import JobRecord
from dltk_runtime.store import Version

_BAR = 40
_COMPARED = re.compile(r"(?P<metric>\w+) (?P<new>[\d.e-]+) against \S+ of version (?P<old>\d+)(?:[^()]*held-out rows)?")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the rehearsal knows beside the app: the truth about each entity, and what the flow promotes by."""

    truth: Mapping[str, str]
    target: str = "y"
    positive: str = "bad"
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True)
class Training:
    """One version: when, on what, how good, whether it took over."""

    version: str
    rows: int
    features: int
    metrics: dict[str, float]
    promoted: bool
    compared: str  # what the container said of new against old


def trainings(runtime: Runtime) -> list[Training]:
    """Every version that was committed, oldest first."""
    jobs = {job.id: job for job in runtime.jobs()}
    return [_training(version, jobs) for version in runtime.versions()]


def _training(version: Version, jobs: Mapping[str, JobRecord]) -> Training:
    name, manifest = version.name, version.manifest()
    job = jobs.get(manifest.job)
    compared = _COMPARED.search(job.message) if job else None
    if compared and int(compared["old"]) == version.number:
        compared = None
    return Training(
        f"{name.model} {version.number}",
        manifest.rows,
        len(manifest.features),
        {key: value for key, value in manifest.metrics.items() if value is not None},
        bool(job and job.promoted),
        compared[0] if compared else "",
    )


def faults(played: Played, runtime: Runtime) -> list[str]:
    """What makes a rehearsal fail: errors of searches, fits that failed, nothing scored."""
    found = [
        f"{name}: {text} ({count} times)"
        for name, tally in played.tallies.items()
        for text, count in tally.errors.items()
    ]
    found += [
        f"fit {job.id}: {job.message}"
        for job in runtime.jobs()
        if job.state != "succeeded" and job.id not in played.idle
    ]
    scored = [tally.rows for name, tally in played.tallies.items() if name.endswith("_score")]
    return found + ([] if any(scored) else ["no row was scored"])


def show(console: Console, world: World, played: Played, runtime: Runtime, knowledge: Knowledge) -> None:
    """Tables and plot."""
    _show_searches(console, played)
    versions = trainings(runtime)
    _show_trainings(console, versions, played)
    _show_right(console, right_by_version(world, knowledge))
    _show_plot(console, versions, knowledge.metric)
    for line in _not_run(world, played):
        console.print(line, style="dim", markup=False, highlight=False)


def _show_searches(console: Console, played: Played) -> None:
    table = Table("search", "runs", "rows", "alerts", "errors", box=box.SIMPLE_HEAD)
    for name, tally in played.tallies.items():
        cells = (tally.runs, tally.rows, tally.fired, sum(tally.errors.values()))
        table.add_row(name, *(f"{cell:,}" for cell in cells))
    console.print(table)


def _show_trainings(console: Console, versions: list[Training], played: Played) -> None:
    table = Table(
        "version", "rows", "features", "promoted", "metrics of the fit, and the comparison", box=box.SIMPLE_HEAD
    )
    for each in versions:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in each.metrics.items())
        said = f"{metrics}\n{each.compared}" if each.compared else metrics
        table.add_row(each.version, f"{each.rows:,}", str(each.features), "yes" if each.promoted else "no", said)
    console.print(table)
    if played.labels:
        console.print("labels by day: " + ", ".join(f"{day}: {count}" for day, count in sorted(played.labels.items())))


def right_by_version(world: World, knowledge: Knowledge) -> dict[str, tuple[int, int]]:
    """Of the predictions in the app's indexes whose truth is known: how many were right, and how many there are."""
    found: dict[str, tuple[int, int]] = {}
    for index in world.storage.indexes:
        for row in index.rows():
            truth = knowledge.truth.get(row.get("entity", ""))
            predicted = row.get(f"predicted_{knowledge.target}")
            if row.get("kind") == "prediction" and truth and predicted:
                right, all_ = found.get(row.get("model_version", "?"), (0, 0))
                hit = (float(predicted) >= 0.5) == (truth == knowledge.positive)
                found[row.get("model_version", "?")] = right + hit, all_ + 1
    return dict(sorted(found.items()))


def _show_right(console: Console, found: Mapping[str, tuple[int, int]]) -> None:
    for version, (right, all_) in found.items():
        console.print(f"scored by version {version}: right on {right:,} of {all_:,} rows, {right / all_:.1%}")


def _show_plot(console: Console, versions: list[Training], metric: str) -> None:
    values = [(each, value) for each in versions if (value := held_out(each, metric)) is not None]
    if not values:
        return
    console.print(f"{metric} by training", style="bold")
    for each, value in values:
        bar = "█" * round(max(0.0, min(1.0, value)) * _BAR)
        mark = " promoted" if each.promoted else ""
        console.print(f"{each.version:>12} {bar:<{_BAR}} {value:.4f}{mark}", highlight=False, markup=False)


def held_out(training: Training, metric: str) -> float | None:
    """The metric on the held-out rows, as the container compared it; of the first version on the rows of its fit."""
    compared = _COMPARED.search(training.compared)
    if compared and compared["metric"] == metric:
        return float(compared["new"])
    return training.metrics.get(metric)


def _not_run(world: World, played: Played) -> Iterator[str]:
    for name, text in world.replaced.items():
        yield f"not run: {name} ({text}); sample data from the index {SAMPLE} stood for it"
    for name, reason in played.refused.items():
        yield f"not run: {name}: {reason}"
    yield "not run: searches of dashboards but for those by which people judge"
