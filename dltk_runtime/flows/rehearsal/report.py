"""What a rehearsal says at its end: each search, each training, a plot of the metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from dltk_runtime.flows.rehearsal.play import Played
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.flows.rehearsal.world import SAMPLE, World
from dltk_runtime.store import Version

_BAR = 40


@dataclass(frozen=True, slots=True)
class Training:
    """One version: when, on what, how good, whether it took over."""

    version: str
    rows: int
    features: int
    metrics: dict[str, float]
    promoted: bool


def trainings(runtime: Runtime) -> list[Training]:
    """Every version that was committed, oldest first."""
    promoted = {(job.algorithm, job.model, job.version): job.promoted for job in runtime.jobs()}
    return [_training(version, promoted) for version in runtime.versions()]


def _training(version: Version, promoted: Mapping[tuple[str, str, int | None], bool]) -> Training:
    name, manifest = version.name, version.manifest()
    return Training(
        f"{name.model} {version.number}",
        manifest.rows,
        len(manifest.features),
        {key: value for key, value in manifest.metrics.items() if value is not None},
        promoted.get((name.algorithm, name.model, version.number), False),
    )


def faults(played: Played, runtime: Runtime) -> list[str]:
    """What makes a rehearsal fail: errors of searches, fits that failed, nothing scored."""
    found = [
        f"{name}: {text} ({count} times)"
        for name, tally in played.tallies.items()
        for text, count in tally.errors.items()
    ]
    found += [f"fit {job.id}: {job.message}" for job in runtime.jobs() if job.state != "succeeded"]
    scored = [tally.rows for name, tally in played.tallies.items() if name.endswith("_score")]
    return found + ([] if any(scored) else ["no row was scored"])


def show(console: Console, world: World, played: Played, runtime: Runtime, metric: str) -> None:
    """Tables and plot."""
    _show_searches(console, played)
    versions = trainings(runtime)
    _show_trainings(console, versions, played)
    _show_plot(console, versions, metric)
    for line in _not_run(world, played):
        console.print(line, style="dim", markup=False, highlight=False)


def _show_searches(console: Console, played: Played) -> None:
    table = Table("search", "runs", "rows", "alerts", "errors", box=box.SIMPLE_HEAD)
    for name, tally in played.tallies.items():
        cells = (tally.runs, tally.rows, tally.fired, sum(tally.errors.values()))
        table.add_row(name, *(f"{cell:,}" for cell in cells))
    console.print(table)


def _show_trainings(console: Console, versions: list[Training], played: Played) -> None:
    table = Table("version", "rows", "features", "promoted", "metrics", box=box.SIMPLE_HEAD)
    for each in versions:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in each.metrics.items())
        table.add_row(each.version, f"{each.rows:,}", str(each.features), "yes" if each.promoted else "no", metrics)
    console.print(table)
    if played.labels:
        console.print("labels by day: " + ", ".join(f"{day}: {count}" for day, count in sorted(played.labels.items())))


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
    """The metric on the rows kept from the fit, or where there is none on the rows of the fit."""
    names = (f"holdout_{metric}", metric)
    return next((training.metrics[name] for name in names if name in training.metrics), None)


def _not_run(world: World, played: Played) -> Iterator[str]:
    for name, text in world.replaced.items():
        yield f"not run: {name} ({text}); sample data from the index {SAMPLE} stood for it"
    for name, reason in played.refused.items():
        yield f"not run: {name}: {reason}"
    yield "not run: searches of dashboards but for those by which people judge"
