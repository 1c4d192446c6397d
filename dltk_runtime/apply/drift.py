"""Whether the rows of today are still those that models were fitted on.

::

    apply ──> answer ──> the worker counts its rows ──> Counts ──> Drift.take ──┬─ from 1,000 rows on: a level for
                                                                               │  each feature
                                                              warning, /metrics, events, dltk_status

The last judgement of each model lies on disk (`DriftFiles`), so that a restart forgets only rows not judged yet.
Several servers that share the disk judge by their own rows each; after a restart the last of them counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from dltk_runtime.names import VersionId
from dltk_runtime.tables.baseline import MIN_JUDGED_ROWS
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.messages import Counts

FITTED = 200  # rows of the fit below which shares are chance
DRIFTS = 0.2  # population stability index from which on a feature counts as drifting
MOST = 500  # versions that are watched: those applied last
NAMED = 3  # features that a warning names


class Level(msgspec.Struct, frozen=True):
    """How far a feature is from what it was at the fit: `index` is the population stability index, `unseen` a share."""

    feature: str
    index: float
    unseen: float


class Judgement(msgspec.Struct, frozen=True):
    """How far the features of a version are from its fit, highest first, by so many rows."""

    version: int
    rows: int
    levels: list[Level]

    @property
    def drifting(self) -> list[Level]:
        """Those beyond the limit."""
        return [level for level in self.levels if level.index >= DRIFTS]


@dataclass(eq=False, slots=True)
class _Watch:
    """One version: the counts of the rows that were not judged yet, and the last judgement."""

    last: Judgement
    rows: int = 0
    counts: dict[str, list[int]] = field(default_factory=dict)
    unwritten: bool = False


OnDrift = Callable[[VersionId, Level, int], None]


def tell_nobody(_: VersionId, __: Level, ___: int) -> None:
    """The `OnDrift` of a watch that nobody listens to."""


class Drift:
    """The watch over all versions of one server; `on_drift` is told when a feature begins to drift, and the rows."""

    def __init__(self, on_drift: OnDrift = tell_nobody) -> None:
        self._on_drift = on_drift
        self._watches: OrderedDict[VersionId, _Watch] = OrderedDict()

    def take(self, key: VersionId, features: Sequence[Feature], counts: Counts) -> None:
        """Add the rows of one apply; `features` are those of the version's manifest."""
        watch = self._watch(key)
        watch.rows += counts.rows
        for name, found in counts.features.items():
            known = watch.counts.setdefault(name, [0] * len(found))
            watch.counts[name] = [a + b for a, b in zip(known, found, strict=True)]
        if watch.rows >= MIN_JUDGED_ROWS:
            self._judge(key, watch, features)

    def levels(self) -> Iterator[tuple[VersionId, Level]]:
        """The last judgement of every feature of every version."""
        for key, watch in list(self._watches.items()):
            for level in watch.last.levels:
                yield key, level

    def highest(self, key: VersionId) -> Level | None:
        """The feature that is farthest from the fit."""
        watch = self._watches.get(key)
        return watch.last.levels[0] if watch and watch.last.levels else None

    def warning(self, key: VersionId) -> str:
        """What an apply is to say of features that drift; nothing when none does."""
        watch = self._watches.get(key)
        if watch is None or not (worst := watch.last.drifting):
            return ""
        named = ", ".join(map(_told, worst[:NAMED]))
        more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
        return (
            f"over the last {watch.last.rows:,} rows counted, fields have drifted from the fit: {named}{more} "
            f"(population stability index, {DRIFTS} is the limit); consider a new fit"
        )

    def recall(self, judgements: Iterable[tuple[VersionId, Judgement]]) -> None:
        """Begin with what was known before a restart."""
        for key, judgement in judgements:
            self._watch(key).last = judgement

    def unwritten(self) -> list[tuple[VersionId, Judgement]]:
        """The judgements since the last call."""
        found = [(key, watch.last) for key, watch in self._watches.items() if watch.unwritten]
        for key, _ in found:
            self._watches[key].unwritten = False
        return found

    def _watch(self, key: VersionId) -> _Watch:
        watch = self._watches.setdefault(key, _Watch(Judgement(key.version, 0, [])))
        self._watches.move_to_end(key)
        if len(self._watches) > MOST:
            self._watches.popitem(last=False)
        return watch

    def _judge(self, key: VersionId, watch: _Watch, features: Sequence[Feature]) -> None:
        levels = []
        for each in features:
            counts, baseline = watch.counts.get(each.name), each.baseline
            if counts and baseline is not None and baseline.rows >= FITTED and len(counts) == len(baseline.counts):
                levels.append(Level(each.name, baseline.distance(counts), baseline.unseen(counts)))
        before = {level.feature for level in watch.last.drifting}
        watch.last = Judgement(key.version, watch.rows, sorted(levels, key=lambda level: -level.index))
        watch.rows, watch.counts, watch.unwritten = 0, {}, True
        for level in watch.last.drifting:
            if level.feature not in before:
                self._on_drift(key, level, watch.last.rows)


def _told(level: Level) -> str:
    unseen = f", {level.unseen:.0%} of its values new" if level.unseen >= 0.01 else ""
    return f"'{level.feature}' ({level.index:.2f}{unseen})"
