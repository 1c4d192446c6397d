"""Drift as ``/v1`` returns it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from dltk_runtime.apply.drift import DRIFT_INDEX, MIN_FITTED_ROWS, Drift, Judgement, Level, Past
from dltk_runtime.names import VersionId
from dltk_runtime.store import figures
from dltk_runtime.store.card import CardDrift, DriftedField
from dltk_runtime.store.store import Version
from dltk_runtime.tables.baseline import MIN_JUDGED_ROWS, Baseline
from dltk_runtime.tables.feature import Feature

MAX_LABEL_CHARACTERS = 60


class DriftView(msgspec.Struct, frozen=True):
    """The last judgement of one version: its features, the highest index first, over the last `rows` rows."""

    algorithm: str
    model: str
    version: int
    rows: int
    levels: list[Level]


class WaitingRows(msgspec.Struct, frozen=True):
    """A version with `rows` rows of applies that are not judged yet; `until` more are needed."""

    algorithm: str
    model: str
    version: int
    rows: int
    until: int


class DriftList(msgspec.Struct, frozen=True):
    """Judgements in the order of the models' names; `limit` is the index from which a feature drifts.

    `waiting` is of this server alone.
    """

    limit: float
    judgements: list[DriftView]
    waiting: list[WaitingRows] = []


class Bin(msgspec.Struct, frozen=True):
    """A range of values, or a value: its share of the fit's rows, and of the rows judged last; 0 to 1."""

    label: str
    then: float
    now: float | None


class FieldDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of a field. `past` are its indexes by the last judgements, of every server, the oldest first.

    `index` and `unseen` are null before the first judgement; `note` says why there is none.
    """

    feature: str
    index: float | None
    unseen: float | None
    past: list[float]
    bins: list[Bin]
    note: str = ""


class ModelDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of a version by field, the highest index first, over the last `rows` rows.

    `waiting` rows came since then to this server; after `until` more it is judged again. `begun` is the
    time of the oldest judgement in `past`, UTC.
    """

    algorithm: str
    model: str
    version: int
    limit: float
    rows: int
    waiting: int
    until: int
    fields: list[FieldDrift]
    begun: datetime | None = None


def waiting_of(drift: Drift) -> list[WaitingRows]:
    """Return the versions with rows that are not judged yet, by name."""
    found = sorted(drift.waiting().items(), key=lambda pair: pair[0])
    return [
        WaitingRows(key.algorithm, key.model, key.version, rows, max(MIN_JUDGED_ROWS - rows, 0)) for key, rows in found
    ]


def of_version(
    version: Version, drift: Drift, past: Sequence[Past], *, values: bool, only: Sequence[str] | None = None
) -> ModelDrift:
    """Return the drift of a version; of the fields `only`, if given; without `values` bins have no names.

    `past` are its judgements that are known, the oldest first.

    Raises:
        VersionUnknown, StoreDamaged: it has no readable manifest.
    """
    manifest, judged = version.manifest(), drift.judgement(version.id)
    rows = drift.waiting().get(version.id, 0)
    features = [each for each in manifest.features if each.name not in manifest.targets]
    shown = [each for each in features if only is None or each.name in only]
    hashed = any(each.baseline is not None and each.baseline.salt is not msgspec.UNSET for each in features)
    found = [_field(each, judged, past, values=values and not hashed) for each in shown]
    return ModelDrift(
        algorithm=version.name.algorithm,
        model=version.name.model,
        version=version.number,
        limit=DRIFT_INDEX,
        rows=judged.rows if judged is not None else 0,
        waiting=rows,
        until=max(MIN_JUDGED_ROWS - rows, 0),
        fields=sorted(found, key=lambda each: (each.index is None, -(each.index or 0.0))),
        begun=past[0].time if past else None,
    )


def _field(feature: Feature, judged: Judgement | None, past: Sequence[Past], *, values: bool) -> FieldDrift:
    baseline = feature.baseline
    level = next((each for each in judged.levels if each.feature == feature.name), None) if judged else None
    counts = judged.counts.get(feature.name) if judged is not None and level is not None else None
    return FieldDrift(
        feature=feature.name,
        index=level.index if level is not None else None,
        unseen=level.unseen if level is not None else None,
        past=[each.indexes[feature.name] for each in past if feature.name in each.indexes],
        bins=_bins(baseline, counts, values=values) if baseline is not None else [],
        note="" if level is not None else _why_not(baseline, judged),
    )


def _why_not(baseline: Baseline | None, judged: Judgement | None) -> str:
    if baseline is None:
        return "the fit kept no distribution of it"
    if baseline.rows < MIN_FITTED_ROWS:
        return f"the fit had {baseline.rows:,} rows; drift is judged from {MIN_FITTED_ROWS:,} on"
    return "the rows of applies had no such field" if judged is not None else "too few rows of applies so far"


def _bins(baseline: Baseline, counts: Sequence[int] | None, *, values: bool) -> list[Bin]:
    then = _shares(baseline.counts)
    now = _shares(counts) if counts is not None and len(counts) == len(then) else [None] * len(then)
    labels = _labels(baseline) if values else [f"part {number}" for number in range(1, len(then) + 1)]
    return [Bin(*each) for each in zip(labels, then, now, strict=False)]


def _shares(counts: Sequence[int]) -> list[float]:
    whole = max(sum(counts), 1)
    return [count / whole for count in counts]


def _labels(baseline: Baseline) -> list[str]:
    """Return what each bin of a baseline holds; see `Baseline`."""
    if baseline.edges:
        edges = [figures.number(each) for each in baseline.edges]
        inner = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
        return [f"below {edges[0]}", *inner, f"{edges[-1]} and more", "missing"]
    return [*(each[:MAX_LABEL_CHARACTERS] for each in baseline.categories), "other values", "missing"]


def for_card(judgements: Iterable[tuple[VersionId, Judgement]], version: VersionId) -> CardDrift | None:
    """Return the judgement of a version as its model card shows it; None without one."""
    found = next((each for key, each in judgements if key == version), None)
    if found is None:
        return None
    fields = [DriftedField(each.feature, each.index, each.unseen) for each in found.levels]
    return CardDrift(found.rows, DRIFT_INDEX, fields)
