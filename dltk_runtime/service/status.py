"""``| makeresults | apply app:dltk_status``: what the container does and has, as rows of a search.

The front process answers this algorithm itself, whatever rows are sent. One row says how the container is, one tells
of each job (the newest `MOST_JOBS`), one of each model's current version.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from dltk_runtime import __version__
from dltk_runtime.errors import DltkError
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.names import STATUS, Key
from dltk_runtime.protocol import Request
from dltk_runtime.store.store import ModelName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dltk_runtime.service.service import Service

MOST_JOBS = 200
COLUMNS = (
    "kind",  # container, job or model
    "algorithm",
    "model",
    "version",  # that the job made; of a model the current one
    "state",
    "job",
    "time",  # UTC: when the container looked, the job was created, the version was committed
    "seconds",  # that the job ran, or runs
    "rows",  # that were fitted
    "step",  # of `total`
    "total",
    "metrics",  # "f1=0.93 loss=0.2"
    "drift",  # highest population stability index of a feature, by the last rows judged
    "feature",  # which one that is
    "message",
)

Row = dict[str, Any]


def asked(request: Request) -> bool:
    """Whether a request is for the status: by its algorithm, or by its model's name alone."""
    return request.algorithm == STATUS or (request.algorithm is None and request.model == STATUS)


def results(service: Service) -> bytes:
    """The rows as CSV in a JSON string literal."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(service))
    return msgspec.json.encode(text.getvalue())


def rows(service: Service) -> Iterator[Row]:
    """The container's row, then jobs from the newest on, then models in the order of their names."""
    state = "stopping" if service.stopping else "running"
    now = datetime.now(UTC)
    cards = (usage.card for usage in service.pool.devices.usage())
    message = "; ".join(
        [
            f"dltk-runtime {__version__}",
            *(f"GPU {card.index}: {card.used:,} of {card.total:,} MiB used" for card in cards),
        ]
    )
    yield {"kind": "container", "state": state, "time": _time(now), "message": message}
    for record in service.jobs.list()[:MOST_JOBS]:
        yield _job(record, now)
    for name in service.store.models():
        yield _model(service, name)


def _job(record: JobRecord, now: datetime) -> Row:
    seconds = "" if record.started is None else round(((record.ended or now) - record.started).total_seconds(), 1)
    return {
        "kind": "job",
        "algorithm": record.algorithm,
        "model": record.model,
        "version": record.version,
        "state": str(record.state),
        "job": record.id,
        "time": _time(record.created),
        "seconds": seconds,
        "rows": record.rows,
        "step": f"{record.step:g}" if record.total else "",
        "total": f"{record.total:g}" if record.total else "",
        "metrics": _metrics(record.metrics),
        "message": record.message,
    }


def _model(service: Service, name: ModelName) -> Row:
    row: Row = {"kind": "model", "algorithm": name.algorithm, "model": name.model}
    version = service.store.serving(name)
    level = service.drift.highest(Key(name.algorithm, name.model, version.number))
    row |= {"drift": f"{level.index:.4g}" if level else "", "feature": level.feature if level else ""}
    row |= {"version": version.number, "state": "current" if version.number else "files of an old volume"}
    if not version.number:
        return row
    try:
        manifest = version.manifest()
    except DltkError as error:
        return row | {"state": "damaged", "message": error.sentence}
    return row | {
        "job": manifest.job,
        "time": _time(manifest.time),
        "rows": manifest.rows,
        "metrics": _metrics(manifest.metrics),
        "message": "; ".join(manifest.notices),
    }


def _metrics(values: Mapping[str, float | None]) -> str:
    return " ".join(f"{name}={value:.4g}" for name, value in values.items() if value is not None)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
