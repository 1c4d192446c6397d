"""Drift: how far the rows of applies are from those that a version was fitted on.

::

    apply ──> answer ──> the worker counts its rows ──> Counts ──> Drift.take ──┬─ from 1,000 rows on: a level for
                                                                               │  each feature
                                                              warning, /metrics, events, dltk_status

The last judgement of each model is kept on disk (`DriftFiles`), so that a restart loses only rows
not judged yet, and beside it the indexes of the judgements before. Several servers that share the
disk judge by their own rows each; after a restart the last one written counts.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from dltk_runtime.files.records import Count, Moment
from dltk_runtime.names import VersionId
from dltk_runtime.tables.baseline import MIN_JUDGED_ROWS
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.messages import Counts

MIN_FITTED_ROWS = 200  # below which the shares of a fit's rows are chance
DRIFT_INDEX = 0.2  # population stability index from which a feature drifts
MAX_VERSIONS = 500  # that are watched: those applied last
MAX_NAMED = 3  # features in a warning
MAX_PAST_FEATURES = 50  # of one judgement that is remembered: those with the highest index
MAX_UNWRITTEN = 1000  # judgements that wait for the disk


class Level(msgspec.Struct, frozen=True):
    """Drift of a feature.

    `index` is the population stability index, `unseen` the share of new values.
    """

    feature: str
    index: float
    unseen: float


class Judgement(msgspec.Struct, frozen=True):
    """Drift of a version's features, highest first, over the last `rows` rows.

    `counts` are these rows by feature and bin; empty in files of an older runtime.
    """

    version: Count
    rows: Count
    levels: list[Level]
    counts: dict[str, list[Count]] = {}

    @property
    def drifting(self) -> list[Level]:
        """Features beyond the limit."""
        return [level for level in self.levels if level.index >= DRIFT_INDEX]


class Past(msgspec.Struct, frozen=True):
    """What stays of a judgement: the highest indexes by feature; `time` is that of the judgement, UTC."""

    version: Count
    time: Moment
    rows: Count
    indexes: dict[str, float]


@dataclass(eq=False, slots=True)
class _Watch:
    """One version: the counts of rows not judged yet, and the last judgement."""

    last: Judgement
    rows: int = 0
    counts: dict[str, list[int]] = field(default_factory=dict)
    unwritten: bool = False


OnDrift = Callable[[VersionId, Level, int], None]


def _ignore(_: VersionId, __: Level, ___: int) -> None:
    """Ignore a drifting feature: the default callback."""


class Drift:
    """Watches all versions of one server.

    Calls `on_drift` with the rows judged when a feature begins to drift.
    """

    def __init__(self, on_drift: OnDrift = _ignore) -> None:
        self._on_drift = on_drift
        self._watches: OrderedDict[VersionId, _Watch] = OrderedDict()
        self._past: deque[tuple[VersionId, Past]] = deque(maxlen=MAX_UNWRITTEN)

    def take(self, version: VersionId, features: Sequence[Feature], counts: Counts) -> None:
        """Add the rows of one apply; `features` are those of the version's manifest."""
        watch = self._watch(version)
        watch.rows += counts.rows
        for name, found in counts.features.items():
            known = watch.counts.setdefault(name, [0] * len(found))
            watch.counts[name] = [a + b for a, b in zip(known, found, strict=True)]
        if watch.rows >= MIN_JUDGED_ROWS:
            self._judge(version, watch, features)

    def judgements(self) -> list[tuple[VersionId, Judgement]]:
        """Return the last judgement of every version that has one."""
        return [(version, watch.last) for version, watch in list(self._watches.items()) if watch.last.levels]

    def judgement(self, version: VersionId) -> Judgement | None:
        """Return the last judgement of a version; None without one."""
        watch = self._watches.get(version)
        return watch.last if watch is not None and watch.last.levels else None

    def past(self, version: VersionId) -> list[Past]:
        """Return the judgements of a version that `unwritten_past` did not yet return, the oldest first."""
        return [each for key, each in self._past.copy() if key == version]

    def unwritten_past(self) -> list[tuple[VersionId, Past]]:
        """Return what stays of the judgements since the last call, the oldest first."""
        found = [*self._past]
        self._past.clear()
        return found

    def waiting(self) -> dict[VersionId, int]:
        """Return how many rows of each version were counted since its last judgement, if any."""
        return {version: watch.rows for version, watch in list(self._watches.items()) if watch.rows}

    def levels(self) -> Iterator[tuple[VersionId, Level]]:
        """Return the last judgement of every feature of every version."""
        for version, watch in list(self._watches.items()):
            for level in watch.last.levels:
                yield version, level

    def highest(self, version: VersionId) -> Level | None:
        """Return the feature with the highest index."""
        watch = self._watches.get(version)
        return watch.last.levels[0] if watch and watch.last.levels else None

    def warning(self, version: VersionId) -> str:
        """Return the warning of an apply about drifting features; empty if none drifts."""
        watch = self._watches.get(version)
        if watch is None or not (worst := watch.last.drifting):
            return ""
        named = ", ".join(map(_described, worst[:MAX_NAMED]))
        more = f" and {len(worst) - MAX_NAMED} more" if len(worst) > MAX_NAMED else ""
        return (
            f"over the last {watch.last.rows:,} rows counted, fields have drifted from the fit: {named}{more} "
            f"(population stability index, {DRIFT_INDEX} is the limit); consider a new fit"
        )

    def recall(self, judgements: Iterable[tuple[VersionId, Judgement]]) -> None:
        """Start with the judgements from before a restart."""
        for version, judgement in judgements:
            self._watch(version).last = judgement

    def unwritten(self) -> list[tuple[VersionId, Judgement]]:
        """Return the judgements since the last call."""
        found = [(version, watch.last) for version, watch in self._watches.items() if watch.unwritten]
        for version, _ in found:
            self._watches[version].unwritten = False
        return found

    def _watch(self, version: VersionId) -> _Watch:
        watch = self._watches.setdefault(version, _Watch(Judgement(version.number, 0, [])))
        self._watches.move_to_end(version)
        if len(self._watches) > MAX_VERSIONS:
            self._watches.popitem(last=False)
        return watch

    def _judge(self, version: VersionId, watch: _Watch, features: Sequence[Feature]) -> None:
        levels = []
        for each in features:
            counts, baseline = watch.counts.get(each.name), each.baseline
            if (
                counts
                and baseline is not None
                and baseline.rows >= MIN_FITTED_ROWS
                and len(counts) == len(baseline.counts)
            ):
                levels.append(Level(each.name, baseline.distance(counts), baseline.unseen(counts)))
        before = {level.feature for level in watch.last.drifting}
        judged = sorted(levels, key=lambda level: -level.index)
        watch.last = Judgement(version.number, watch.rows, judged, watch.counts)
        highest = {level.feature: level.index for level in judged[:MAX_PAST_FEATURES]}
        self._past.append((version, Past(version.number, datetime.now(UTC), watch.rows, highest)))
        watch.rows, watch.counts, watch.unwritten = 0, {}, True
        for level in watch.last.drifting:
            if level.feature not in before:
                self._on_drift(version, level, watch.last.rows)


def _described(level: Level) -> str:
    unseen = f", {level.unseen:.0%} of its values new" if level.unseen >= 0.01 else ""
    return f"'{level.feature}' ({level.index:.2f}{unseen})"
