"""The report of a rehearsal: tables of searches and trainings, and a plot of the metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from dltk_runtime.flows.rehearsal.challengers import Counts, compared
from dltk_runtime.flows.rehearsal.judge import is_fault
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.play import RehearsalResult
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.flows.rehearsal.world import World
from dltk_runtime.jobs.record import Comparison, JobRecord
from dltk_runtime.store import figures
from dltk_runtime.store.store import Version

MAX_BAR_CHARACTERS = 36


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """One version: its data, its figures, and whether and why it was promoted.

    `metrics` are those of the rows that the fit has seen, `holdout` those of held-out rows;
    `figures` is a text of both.
    """

    version: str
    number: int
    rows: int
    features: int
    metrics: dict[str, float]
    promoted: bool
    comparison: Comparison | None = None
    holdout: Mapping[str, float | None] = field(default_factory=dict)
    figures: str = ""

    @property
    def predecessor(self) -> Comparison | None:
        """The comparison with an earlier version; records of 0.1.0 may compare a first one with itself."""
        comparison = self.comparison
        return comparison if comparison and comparison.old_version != self.number else None


def trainings(runtime: Runtime) -> list[TrainedVersion]:
    """Return every committed version, oldest first."""
    jobs = {job.id: job for job in runtime.jobs()}
    return [_training(version, jobs) for version in runtime.versions()]


def _training(version: Version, jobs: Mapping[str, JobRecord]) -> TrainedVersion:
    name, manifest = version.name, version.manifest()
    job = jobs.get(manifest.job)
    return TrainedVersion(
        version=f"{name.model} {version.number}",
        number=version.number,
        rows=manifest.rows,
        features=sum(feature.name not in manifest.targets for feature in manifest.features),
        metrics={key: value for key, value in manifest.train.items() if value is not None},
        holdout=manifest.holdout.metrics if manifest.holdout else {},
        figures=figures.sentence(manifest),
        promoted=bool(job and job.promoted),
        comparison=job.comparison if job else None,
    )


def faults(world: World, result: RehearsalResult, runtime: Runtime) -> list[str]:
    """Return why a rehearsal fails: errors of searches, failed fits, no scored row."""
    found = [
        f"{name}: {text} ({count} times)"
        for name, tally in result.tallies.items()
        for text, count in tally.errors.items()
    ]
    found += [f"{name}: {reason}" for name, reason in result.refused.items() if is_fault(reason)]
    found += [
        f"fit {job.id}: {job.message}"
        for job in runtime.jobs()
        if job.state != "succeeded" and job.id not in result.idle
    ]
    return found if world.predictions() else [*found, 'no row was scored: no index has an event of kind="prediction"']


def show(console: Console, world: World, result: RehearsalResult, runtime: Runtime, knowledge: Knowledge) -> None:
    """Print the tables and the plot."""
    _show_searches(console, result)
    versions = trainings(runtime)
    _show_trainings(console, versions)
    _show_labels(console, result, corrections(world, knowledge))
    _show_tuned(console, result)
    if knowledge.anomalies:
        _show_anomalies(console, world, knowledge)
    else:
        _show_right(console, right_by_version(world, knowledge))
        _show_compared(console, compared(world, knowledge))
        _show_errors(console, errors_by_version(world, knowledge))
    _show_plot(console, versions, knowledge.metric)
    for line in _not_run(world, result):
        console.print(line, style="dim", markup=False, highlight=False)


def _show_searches(console: Console, result: RehearsalResult) -> None:
    table = Table("search", "runs", "rows", "alerts", "errors", box=box.SIMPLE_HEAD)
    for name, tally in result.tallies.items():
        cells = (tally.runs, tally.rows, tally.fired, sum(tally.errors.values()))
        table.add_row(name, *(f"{cell:,}" for cell in cells))
    console.print(table)


def _show_trainings(console: Console, versions: list[TrainedVersion]) -> None:
    table = Table("version", "rows", "features", "promoted", "figures, and the comparison", box=box.SIMPLE_HEAD)
    for each in versions:
        said = f"{each.figures}\n{each.predecessor}" if each.predecessor else each.figures
        table.add_row(each.version, f"{each.rows:,}", str(each.features), "yes" if each.promoted else "no", said)
    console.print(table)


def corrections(world: World, knowledge: Knowledge) -> int:
    """Count the labels that differ from the prediction of the model."""
    predicted = knowledge.predicted
    labels = [each for collection in world.storage.kvstore for each in collection.query() if each.get("label")]
    judged = [each for each in labels if each.get("status") == "labelled" and predicted in each]
    return sum((each[predicted] >= 0.5) != (each["label"] == knowledge.positive) for each in judged)


def _show_labels(console: Console, result: RehearsalResult, corrected: int) -> None:
    if result.labels:
        days = ", ".join(f"{day}: {count}" for day, count in sorted(result.labels.items()))
        console.print(f"labels by day: {days}; {corrected:,} of them corrected the model")


def right_by_version(world: World, knowledge: Knowledge) -> dict[str, tuple[int, int]]:
    """Count the predictions with a known label by version: ``{version: (correct, all)}``."""
    found: dict[str, tuple[int, int]] = {}
    for row in world.predictions():
        hit = knowledge.right(row)
        if hit is not None:
            right, all_ = found.get(row.get("model_version", "?"), (0, 0))
            found[row.get("model_version", "?")] = right + hit, all_ + 1
    return dict(sorted(found.items()))


def _show_right(console: Console, found: Mapping[str, tuple[int, int]]) -> None:
    for version, (right, all_) in found.items():
        console.print(f"scored by version {version}: right on {right:,} of {all_:,} rows, {right / all_:.1%}")


def _show_compared(console: Console, found: Mapping[str, Counts]) -> None:
    for version, counts in sorted(found.items()):
        console.print(f"champion and challenger (version {version}), on rows later than both fits: {counts}")


def errors_by_version(world: World, knowledge: Knowledge) -> dict[str, list[float]]:
    """Return by how much predicted numbers are wrong, by version; a row counts once."""
    rows = {(row.get("event_key"), row.get("model_version", "?")): row for row in world.predictions()}
    found: dict[str, list[float]] = {}
    for (_, version), row in rows.items():
        error = knowledge.error(row)
        if error is not None:
            found.setdefault(version, []).append(error)
    return dict(sorted(found.items()))


def _show_errors(console: Console, found: Mapping[str, list[float]]) -> None:
    for version, errors in found.items():
        mean = sum(errors) / len(errors)
        console.print(f"scored by version {version}: wrong by {mean:.4g} in the mean of {len(errors):,} rows")


def _show_tuned(console: Console, result: RehearsalResult) -> None:
    if result.tuned:
        console.print(f"sensitivity lowered: {', '.join(map(str, result.tuned))}", highlight=False)


def anomalies_by_version(world: World, knowledge: Knowledge) -> dict[str, tuple[int, int, int]]:
    """Count by version: ``{version: (anomalies, those of them found, harmless rows marked)}``; a row counts once."""
    rows = {(row.get("entity"), row.get("_time")): row for row in world.predictions()}
    found: dict[str, tuple[int, int, int]] = {}
    for row in rows.values():
        bad, called = bool(knowledge.bad(row)), bool(knowledge.found(row))
        there, right, harmless = found.get(row.get("model_version", "?"), (0, 0, 0))
        counted = there + bad, right + (bad and called), harmless + (called and not bad)
        found[row.get("model_version", "?")] = counted
    return dict(sorted(found.items()))


def _show_anomalies(console: Console, world: World, knowledge: Knowledge) -> None:
    for version, (there, right, harmless) in anomalies_by_version(world, knowledge).items():
        console.print(
            f"scored by version {version}: {right:,} of {there:,} anomalies found, {harmless:,} harmless rows marked",
            highlight=False,
        )


def _show_plot(console: Console, versions: list[TrainedVersion], metric: str) -> None:
    """Print a bar for each version and for its predecessor on the same held-out rows."""
    lines = [line for each in versions for line in _bars(each, metric)] if metric else []
    if lines:
        console.print(f"{metric} by training", style="bold")
    for name, value, said in lines:
        bar = "█" * round(max(0.0, min(1.0, value)) * MAX_BAR_CHARACTERS)
        console.print(
            f"{name:>16} {bar:<{MAX_BAR_CHARACTERS}} {value:.4f} {said}".rstrip(), highlight=False, markup=False
        )


def _bars(each: TrainedVersion, metric: str) -> Iterator[tuple[str, float, str]]:
    """Yield the name, value and remark of a version, and of the one it was compared with."""
    promoted, compared = ["promoted"] if each.promoted else [], each.comparison
    if compared and compared.held_out and compared.metric == metric:
        if compared.new is not None:
            yield each.version, compared.new, ", ".join(promoted)
        if each.predecessor and compared.old is not None:
            yield f"version {compared.old_version}", compared.old, "on these rows"
    elif (value := each.holdout.get(metric)) is not None:
        yield each.version, value, ", ".join([*promoted, "on its held-out rows"])
    elif metric in each.metrics:
        yield each.version, each.metrics[metric], ", ".join([*promoted, "on the rows of its fit"])


def _not_run(world: World, result: RehearsalResult) -> Iterator[str]:
    for name, replaced in world.replaced.items():
        yield f"not run: {name} ({replaced.text}); replaced by {replaced.by}"
    for name, reason in result.refused.items():
        yield f"not run: {name}: {reason}"
    for reason in result.not_shown:
        yield f"not run: {reason}"
    yield "not run: searches of dashboards that wait for a click, except those that write labels"
