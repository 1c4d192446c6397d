"""Rows of ``dltk_status`` for what pages show beside jobs and models: versions, and drift by field.

A version's row takes the part of its manifest that is kept in memory, so that thousands are quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from dltk_runtime.apply.drift import DRIFT_INDEX, Drift
from dltk_runtime.errors import DltkError
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.service.health import ModelHealth
from dltk_runtime.store import figures
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.tables.baseline import MIN_JUDGED_ROWS

MAX_VERSIONS = 2000  # rows of kind version
MAX_LEVELS = 2000  # rows of kind drift
MAX_FIELDS = 50  # of one version, those with the highest index

Row = dict[str, Any]


def versions(store: ModelStore, models: Iterable[ModelHealth]) -> Iterator[Row]:
    """Yield a row for each committed version, by model, the newest first; a last one says if some are left out."""
    return _bounded("version", MAX_VERSIONS, (row for model in models for row in _versions(store, model)))


def drifts(drift: Drift, models: Iterable[ModelHealth]) -> Iterator[Row]:
    """Yield a row for each field of each current version that was judged, by model, the highest index first.

    `step` of `total` rows were counted since. Versions that were not judged yet have no row.
    """
    waiting = drift.waiting()
    return _bounded("drift", MAX_LEVELS, (row for model in models for row in _drifts(drift, waiting, model)))


def moment(time: datetime) -> str:
    """Return a time, which is UTC, as rows have it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _bounded(kind: str, limit: int, rows: Iterator[Row]) -> Iterator[Row]:
    yield from islice(rows, limit)
    if next(rows, None) is not None:
        text = f"Only the first {limit:,} rows of this kind are listed; the console and /v1 have all."
        yield {"kind": kind, "state": "cut", "message": text}


def _versions(store: ModelStore, model: ModelHealth) -> Iterator[Row]:
    try:
        found = store.versions(ModelName(model.algorithm, model.model))
    except DltkError:  # the model's own row says so
        return
    for version in reversed(found):
        row = {"kind": "version", "algorithm": model.algorithm, "model": model.model, "version": version.number}
        try:
            yield row | _version(version, "current" if version.number == model.current else "kept")
        except VersionUnknown:  # it was removed meanwhile
            continue
        except DltkError as error:
            yield row | {"state": "damaged", "message": error.sentence}


def _version(version: Version, state: str) -> Row:
    brief = version.brief()
    by_origin = figures.of(brief.train, brief.holdout, version.scores())
    return {
        "state": state,
        "job": brief.job,
        "time": moment(brief.time),
        "rows": brief.rows,
        "metrics": "; ".join(f"{origin} {text}" for origin, text in by_origin.items()),
        "message": "; ".join(version.notices()),
    }


def _drifts(drift: Drift, waiting: dict[VersionId, int], model: ModelHealth) -> Iterator[Row]:
    version = VersionId(ModelName(model.algorithm, model.model), model.current or 0)
    if (judged := drift.judgement(version)) is None:
        return
    rows = waiting.get(version, 0)
    for level in judged.levels[:MAX_FIELDS]:
        yield {
            "kind": "drift",
            "algorithm": model.algorithm,
            "model": model.model,
            "version": version.number,
            "state": "drifts" if level.index >= DRIFT_INDEX else "judged",
            "rows": judged.rows,
            "step": rows,
            "total": MIN_JUDGED_ROWS,
            "metrics": figures.listed({"unseen": level.unseen}),
            "drift": f"{level.index:.4g}",
            "feature": level.feature,
            "message": f"{max(MIN_JUDGED_ROWS - rows, 0):,} rows until it is judged again",
        }
