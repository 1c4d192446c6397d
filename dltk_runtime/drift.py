"""Whether the rows of today are still those that models were fitted on.

::

    apply ──> answer ──> the worker counts its rows ──> Counts ──> Drift.take ──┬─ from 1,000 rows on: a level for
                                                                               │  each feature
                                                              warning, /metrics, events, dltk_status

Nothing is stored: after a start a version has no level until 1,000 rows were counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dltk_runtime.manifest import Feature
from dltk_runtime.worker.messages import Counts
from dltk_runtime.worker.residents import Key

ENOUGH = 1_000  # rows of applies that one judgement is made of, at least
FITTED = 200  # rows of the fit below which shares are chance
DRIFTS = 0.2  # population stability index from which on a feature counts as drifting
MOST = 500  # versions that are watched: those applied last
NAMED = 3  # features that a warning names


@dataclass(frozen=True, slots=True)
class Level:
    """How far a feature is from what it was at the fit: `index` is the population stability index, `unseen` a share."""

    feature: str
    index: float
    unseen: float


@dataclass(eq=False, slots=True)
class _Watch:
    """One version: the counts of the rows that were not judged yet, and the last judgement."""

    rows: int = 0
    counts: dict[str, list[int]] = field(default_factory=dict)
    judged: int = 0
    levels: list[Level] = field(default_factory=list)  # highest first
    drifting: set[str] = field(default_factory=set)


OnDrift = Callable[[Key, Level, int], None]


def tell_nobody(_: Key, __: Level, ___: int) -> None:
    """The `OnDrift` of a watch that nobody listens to."""


class Drift:
    """The watch over all versions of one server; `on_drift` is told when a feature begins to drift, and the rows."""

    def __init__(self, on_drift: OnDrift = tell_nobody) -> None:
        self._on_drift = on_drift
        self._watches: OrderedDict[Key, _Watch] = OrderedDict()

    def take(self, key: Key, features: Sequence[Feature], counts: Counts) -> None:
        """Add the rows of one apply; `features` are those of the version's manifest."""
        watch = self._watches.setdefault(key, _Watch())
        self._watches.move_to_end(key)
        if len(self._watches) > MOST:
            self._watches.popitem(last=False)
        watch.rows += counts.rows
        for name, found in counts.features.items():
            known = watch.counts.setdefault(name, [0] * len(found))
            watch.counts[name] = [a + b for a, b in zip(known, found, strict=True)]
        if watch.rows >= ENOUGH:
            self._judge(key, watch, features)

    def levels(self) -> Iterator[tuple[Key, Level]]:
        """The last judgement of every feature of every version."""
        for key, watch in list(self._watches.items()):
            for level in watch.levels:
                yield key, level

    def highest(self, key: Key) -> Level | None:
        """The feature that is farthest from the fit."""
        watch = self._watches.get(key)
        return watch.levels[0] if watch and watch.levels else None

    def warning(self, key: Key) -> str:
        """What an apply is to say of features that drift; nothing when none does."""
        watch = self._watches.get(key)
        if watch is None or not watch.drifting:
            return ""
        worst = [level for level in watch.levels if level.index >= DRIFTS]
        named = ", ".join(map(_told, worst[:NAMED]))
        more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
        return (
            f"over the last {watch.judged:,} rows counted, fields have drifted from the fit: {named}{more} "
            f"(population stability index, {DRIFTS} is the limit); consider a new fit"
        )

    def _judge(self, key: Key, watch: _Watch, features: Sequence[Feature]) -> None:
        levels = []
        for each in features:
            counts, baseline = watch.counts.get(each.name), each.baseline
            if counts and baseline is not None and baseline.rows >= FITTED and len(counts) == len(baseline.counts):
                levels.append(Level(each.name, baseline.distance(counts), baseline.unseen(counts)))
        watch.levels = sorted(levels, key=lambda level: -level.index)
        watch.judged, watch.rows, watch.counts = watch.rows, 0, {}
        before = watch.drifting
        watch.drifting = {level.feature for level in levels if level.index >= DRIFTS}
        for level in watch.levels:
            if level.feature in watch.drifting - before:
                self._on_drift(key, level, watch.judged)


def _told(level: Level) -> str:
    unseen = f", {level.unseen:.0%} of its values new" if level.unseen >= 0.01 else ""
    return f"'{level.feature}' ({level.index:.2f}{unseen})"
