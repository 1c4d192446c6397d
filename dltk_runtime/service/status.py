"""``| makeresults | apply app:dltk_status``: what pages show of container, jobs and models as rows of a search.

The front process answers this algorithm itself, whatever rows are sent: one row for the container,
one for each of the newest `MAX_JOBS` jobs, one for each model's current version; then those of `status_rows`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dltk_runtime import __version__
from dltk_runtime.apply.drift import Drift
from dltk_runtime.call import Request
from dltk_runtime.errors import DltkError, NameInvalid
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.names import STATUS, STATUS_COLUMNS, ModelName
from dltk_runtime.payload import Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.service import status_rows
from dltk_runtime.service.health import Health
from dltk_runtime.service.status_rows import Row, moment
from dltk_runtime.store import figures
from dltk_runtime.store.store import ModelStore

MAX_JOBS = 200


def asked(request: Request) -> bool:
    """Return whether a request asks for the status, by its algorithm or its model's name."""
    return request.algorithm == STATUS or (request.algorithm is None and request.model == STATUS)


@dataclass(frozen=True, slots=True)
class Status:
    """The answer: a CSV with the columns `STATUS_COLUMNS`."""

    results: Payload


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Collects the rows of one server."""

    store: ModelStore
    jobs: JobRecords
    drift: Drift
    pool: Pool
    health: Health

    def collect(self, *, stopping: bool, shown: Callable[[ModelName], bool]) -> Status:
        """Collect the rows now, of the models that may be `shown`; reads the disk."""
        text = io.StringIO()
        writer = csv.DictWriter(text, STATUS_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows("stopping" if stopping else "running", shown))
        return Status(Payload(text.getvalue().encode(), escaped=False))

    def _rows(self, state: str, shown: Callable[[ModelName], bool]) -> Iterator[Row]:
        """Yield the container's row, then jobs from the newest on, then models, versions and drift by name."""
        now = datetime.now(UTC)
        cards = (usage.card for usage in self.pool.gpus())
        gpus = (f"GPU {card.index}: {card.used:,} of {card.total:,} MiB used" for card in cards)
        message = "; ".join([f"dltk-runtime {__version__}", *gpus])
        yield {"kind": "container", "state": state, "time": moment(now), "message": message}
        for record in self.jobs.list(MAX_JOBS, shown=lambda record: _is_shown(record, shown)):
            yield _job(record, now)
        models = self.health.collect(shown).models
        for found in models:
            badge = {"health": found.level, "reasons": "; ".join(found.reasons)}
            yield self._model(ModelName(found.algorithm, found.model)) | badge
        yield from status_rows.versions(self.store, models)
        yield from status_rows.drifts(self.drift, models)

    def _model(self, name: ModelName) -> Row:
        row: Row = {"kind": "model", "algorithm": name.algorithm, "model": name.model}
        try:
            serving = self.store.choose(name)
        except DltkError as error:
            return row | {"state": "damaged", "message": error.sentence}
        version = serving.version
        level = self.drift.highest(version.id)
        row |= {"drift": f"{level.index:.4g}" if level else "", "feature": level.feature if level else ""}
        row |= {"version": version.number, "state": "current" if version.number else "files of an old volume"}
        if not version.number:
            return row
        try:
            manifest, notices, scores = version.manifest(), version.notices(), version.scores()
        except DltkError as error:
            return row | {"state": "damaged", "message": error.sentence}
        return row | {
            "job": manifest.job,
            "time": moment(manifest.time),
            "rows": manifest.rows,
            "metrics": "; ".join(f"{origin} {text}" for origin, text in figures.origins(manifest, scores).items()),
            "message": "; ".join([serving.problem, *notices] if serving.problem else notices),
        }


def _is_shown(record: JobRecord, shown: Callable[[ModelName], bool]) -> bool:
    """Return whether a job is of a model that may be shown; never one whose record is damaged."""
    try:
        return shown(ModelName(record.algorithm, record.model))
    except NameInvalid:
        return False


def _job(record: JobRecord, now: datetime) -> Row:
    seconds = "" if record.started is None else round(((record.ended or now) - record.started).total_seconds(), 1)
    return {
        "kind": "job",
        "algorithm": record.algorithm,
        "model": record.model,
        "version": record.version,
        "state": str(record.state),
        "job": record.id,
        "time": moment(record.created),
        "seconds": seconds,
        "rows": record.rows,
        "step": f"{record.step:g}" if record.total else "",
        "total": f"{record.total:g}" if record.total else "",
        "metrics": figures.listed(record.metrics),
        "message": record.message,
    }
