"""A report of all comparisons, model by model, as ``/v1/shadow`` answers it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from dltk_runtime.shadow.record import ComparedRequest
from dltk_runtime.shadow.verdict import ComparisonVerdict, Noise, judge, noise_of
from dltk_runtime.tables.figures import ColumnFigures

WORST_COLUMNS = 3
ORDER = list(ComparisonVerdict)  # the last one that comes is a model's


class WorstColumn(msgspec.Struct, frozen=True):
    """A column that differs. `equal`: share of equal cells; `largest`: of the differences, if numbers."""

    name: str
    types: tuple[str, str]  # the old container's, ours
    equal: float
    largest: float | None


class ModelReport(msgspec.Struct, frozen=True):
    """One model. `verdict` is the worst of its comparisons; `counts` has how many had which.

    Seconds are medians. `place` is where our last failure was. `repeated` says whether the old
    container was asked twice, so that noise is known.
    """

    algorithm: str
    model: str
    verdict: str
    comparisons: int
    counts: dict[str, int]
    last: datetime
    rows: int
    old_seconds: float
    our_seconds: float
    repeated: bool
    columns: tuple[WorstColumn, ...] = ()
    shape: str = ""  # rows and columns, where they differed last
    place: str = ""
    old: str = ""  # outcome of its last failure

    @property
    def details(self) -> str:
        """What is known of its differences and failures, in one line."""
        parts = []
        for each in self.columns:
            largest = "" if each.largest is None else f", by {each.largest:.3g} at most"
            types = "" if each.types[0] == each.types[1] else f", {each.types[0]} here {each.types[1]}"
            parts.append(f"column {each.name}: {each.equal:.1%} equal{largest}{types}".replace("%", " %"))
        if self.shape:
            parts.append(f"old {self.shape}")
        if self.place:
            parts.append(f"ours: {self.place}")
        if self.old:
            parts.append(f"old: {self.old}")
        return "; ".join(parts)


class ShadowReport(msgspec.Struct, frozen=True):
    """All models, the worst verdict first.

    `address` is the old container's, empty when nothing is forwarded now. `waiting` requests are
    not compared yet, `skipped` counts those that never will be, by reason, since the server started.
    """

    address: str
    waiting: int
    skipped: dict[str, int]
    models: list[ModelReport]


def report(
    records: Iterable[ComparedRequest],
    since: datetime | None = None,
    *,
    address: str = "",
    waiting: int = 0,
    skipped: dict[str, int] | None = None,
) -> ShadowReport:
    """Report the comparisons from `since` on; repetitions count whenever they were made."""
    of_models: dict[tuple[str, str], list[ComparedRequest]] = {}
    for record in records:
        of_models.setdefault((record.algorithm, record.model), []).append(record)
    models = []
    for found in of_models.values():
        noise, repeated = noise_of(found), any(each.repeat for each in found)
        counted = [each for each in found if not each.repeat and (since is None or each.time >= since)]
        if counted:
            models.append(_model(counted, noise, repeated=repeated))
    models.sort(key=lambda each: (-ORDER.index(ComparisonVerdict(each.verdict)), each.algorithm, each.model))
    return ShadowReport(address, waiting, skipped or {}, models)


def _model(records: Sequence[ComparedRequest], noise: Noise, *, repeated: bool) -> ModelReport:
    verdicts = [judge(each, noise) for each in records]
    last, worst = records[-1], max(verdicts, key=ORDER.index)
    failures = [
        each for each, verdict in zip(records, verdicts, strict=True) if verdict is ComparisonVerdict.OURS_FAILS
    ]
    old = [each for each, verdict in zip(records, verdicts, strict=True) if verdict is ComparisonVerdict.OLD_FAILS]
    return ModelReport(
        algorithm=last.algorithm,
        model=last.model,
        verdict=worst,
        comparisons=len(records),
        counts={verdict: verdicts.count(verdict) for verdict in ORDER if verdict in verdicts},
        last=last.time,
        rows=sum(each.rows or 0 for each in records),
        old_seconds=_median([each.old_seconds for each in records]),
        our_seconds=_median([each.our_seconds for each in records if each.our_seconds]),
        repeated=repeated,
        columns=tuple(_worst(records)) if worst is not ComparisonVerdict.EQUAL else (),
        shape=_shape(records),
        place=failures[-1].place if failures else "",
        old=old[-1].old if old else "",
    )


def _shape(records: Sequence[ComparedRequest]) -> str:
    """Return how the last pair of tables with other rows or columns differed; "" if none did."""
    for record in reversed(records):
        figures = record.figures
        if figures is not None and not figures.same_shape:
            old, ours = (f"{figures.rows[n]:,} rows of {figures.widths[n]:,} columns" for n in (0, 1))
            return f"{old}, ours {ours}" if old != ours else "the names or order of columns"
    return ""


def _worst(records: Sequence[ComparedRequest]) -> list[WorstColumn]:
    """Return the columns that differ most in any of the records, each once."""
    found: dict[str, WorstColumn] = {}
    for record in records:
        for each in record.figures.columns if record.figures is not None else ():
            known = found.get(each.name)
            if known is None or _badness(each) > _badness(known):
                found[each.name] = WorstColumn(each.name, each.types, each.equal, each.largest)
    return sorted(found.values(), key=_badness, reverse=True)[:WORST_COLUMNS]


def _badness(column: WorstColumn | ColumnFigures) -> tuple[float, float]:
    return 1 - column.equal, column.largest or 0.0


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 6) if values else 0.0
