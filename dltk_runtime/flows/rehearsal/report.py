"""What a rehearsal says at its end: each search, each training, a plot of the metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from dltk_runtime.flows.rehearsal.play import Played
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.flows.rehearsal.world import World
from dltk_runtime.jobs.record import Comparison, JobRecord
from dltk_runtime.store.store import Version

_BAR = 36


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the rehearsal knows beside the app: the truth about each entity, and what the flow promotes by."""

    truth: Mapping[str, str]
    target: str = "y"
    positive: str = "bad"
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True)
class Training:
    """One version: its data, the metrics of its fit, and whether and by which comparison it was promoted."""

    version: str
    number: int
    rows: int
    features: int
    metrics: dict[str, float]
    promoted: bool
    comparison: Comparison | None = None

    @property
    def predecessor(self) -> Comparison | None:
        """The comparison with an earlier version; a first version is compared with itself."""
        comparison = self.comparison
        return comparison if comparison and comparison.old_version != self.number else None


def trainings(runtime: Runtime) -> list[Training]:
    """Every version that was committed, oldest first."""
    jobs = {job.id: job for job in runtime.jobs()}
    return [_training(version, jobs) for version in runtime.versions()]


def _training(version: Version, jobs: Mapping[str, JobRecord]) -> Training:
    name, manifest = version.name, version.manifest()
    job = jobs.get(manifest.job)
    return Training(
        version=f"{name.model} {version.number}",
        number=version.number,
        rows=manifest.rows,
        features=sum(feature.name not in manifest.targets for feature in manifest.features),
        metrics={key: value for key, value in manifest.metrics.items() if value is not None},
        promoted=bool(job and job.promoted),
        comparison=job.comparison if job else None,
    )


def faults(world: World, played: Played, runtime: Runtime) -> list[str]:
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
    return found if world.predictions() else [*found, 'no row was scored: no index has an event of kind="prediction"']


def show(console: Console, world: World, played: Played, runtime: Runtime, knowledge: Knowledge) -> None:
    """Tables and plot."""
    _show_searches(console, played)
    versions = trainings(runtime)
    _show_trainings(console, versions)
    _show_labels(console, played, corrections(world, knowledge))
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


def _show_trainings(console: Console, versions: list[Training]) -> None:
    table = Table(
        "version", "rows", "features", "promoted", "metrics of the fit, and the comparison", box=box.SIMPLE_HEAD
    )
    for each in versions:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in each.metrics.items())
        said = f"{metrics}\n{each.predecessor}" if each.predecessor else metrics
        table.add_row(each.version, f"{each.rows:,}", str(each.features), "yes" if each.promoted else "no", said)
    console.print(table)


def corrections(world: World, knowledge: Knowledge) -> int:
    """Labels of people that say something else than the model had said of the row."""
    predicted = f"predicted_{knowledge.target}"
    labels = [each for collection in world.storage.kvstore for each in collection.query() if each.get("label")]
    judged = [each for each in labels if each.get("status") == "labelled" and predicted in each]
    return sum((each[predicted] >= 0.5) != (each["label"] == knowledge.positive) for each in judged)


def _show_labels(console: Console, played: Played, corrected: int) -> None:
    if played.labels:
        days = ", ".join(f"{day}: {count}" for day, count in sorted(played.labels.items()))
        console.print(f"labels by day: {days}; {corrected:,} of them corrected the model")


def right_by_version(world: World, knowledge: Knowledge) -> dict[str, tuple[int, int]]:
    """Of the predictions in the app's indexes whose truth is known: how many were right, and how many there are."""
    found: dict[str, tuple[int, int]] = {}
    for row in world.predictions():
        truth = knowledge.truth.get(row.get("entity", ""))
        predicted = row.get(f"predicted_{knowledge.target}")
        if truth and predicted:
            right, all_ = found.get(row.get("model_version", "?"), (0, 0))
            hit = (float(predicted) >= 0.5) == (truth == knowledge.positive)
            found[row.get("model_version", "?")] = right + hit, all_ + 1
    return dict(sorted(found.items()))


def _show_right(console: Console, found: Mapping[str, tuple[int, int]]) -> None:
    for version, (right, all_) in found.items():
        console.print(f"scored by version {version}: right on {right:,} of {all_:,} rows, {right / all_:.1%}")


def _show_plot(console: Console, versions: list[Training], metric: str) -> None:
    """A bar for each version, and below it that of the version before it on the same held-out rows."""
    lines = [line for each in versions for line in _bars(each, metric)]
    if lines:
        console.print(f"{metric} by training", style="bold")
    for name, value, said in lines:
        bar = "█" * round(max(0.0, min(1.0, value)) * _BAR)
        console.print(f"{name:>16} {bar:<{_BAR}} {value:.4f} {said}".rstrip(), highlight=False, markup=False)


def _bars(each: Training, metric: str) -> Iterator[tuple[str, float, str]]:
    """Yield the name, value and remark of a version, and of the one it was compared with."""
    promoted, compared = ["promoted"] if each.promoted else [], each.comparison
    if compared and compared.held_out and compared.metric == metric:
        if compared.new is not None:
            yield each.version, compared.new, ", ".join(promoted)
        if each.predecessor and compared.old is not None:
            yield f"version {compared.old_version}", compared.old, "on these rows"
    elif metric in each.metrics:
        yield each.version, each.metrics[metric], ", ".join([*promoted, "on the rows of its fit"])


def _not_run(world: World, played: Played) -> Iterator[str]:
    for name, replaced in world.replaced.items():
        yield f"not run: {name} ({replaced.text}); {replaced.by} stood for it"
    for name, reason in played.refused.items():
        yield f"not run: {name}: {reason}"
    yield "not run: searches of dashboards but for those by which people judge"
