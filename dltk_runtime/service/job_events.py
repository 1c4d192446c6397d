"""What the states of a job become in Splunk."""

from __future__ import annotations

from typing import Any

from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.splunk.events import Events


def facts_of(record: JobRecord) -> dict[str, Any]:
    """What an event tells of a job: no parameters, no printed text, no traceback."""
    facts = {
        "job": record.id,
        "algorithm": record.algorithm,
        "model": record.model,
        "state": record.state,
        "request": record.request,
        "rows": record.rows,
        "version": record.version,
        "promoted": record.promoted if record.state.ended else None,
        "metrics": record.metrics or None,
        "seconds": _seconds(record),
        "message": record.message or None,
        "error": record.error.sentence if record.error else None,
        "coordinates": (record.error.coordinates or None) if record.error else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def tell(events: Events, record: JobRecord) -> None:
    """Send an event of kind ``job`` for a job that has come into a new state."""
    events.put("job", **facts_of(record))


def _seconds(record: JobRecord) -> float | None:
    if record.started is None or record.ended is None:
        return None
    return round((record.ended - record.started).total_seconds(), 3)
