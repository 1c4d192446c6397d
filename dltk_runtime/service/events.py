"""Events for Splunk's event collector: states of jobs, promotions, drift, errors."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec

from dltk_runtime.access.actor import NOBODY, Actor
from dltk_runtime.apply.drift import Level
from dltk_runtime.fit.promotion import Decision
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.splunk.events import Events
from dltk_runtime.store.store import Version


class EventReporter:
    """Sends events to Splunk, where there is a collector; no call waits for it."""

    def __init__(self, events: Events | None) -> None:
        self.events = events
        self.asynchronous: Counter[State] = Counter()  # asynchronous fits of this server that ended

    async def start(self) -> None:
        """Start to send what is on disk."""
        if self.events:
            await asyncio.to_thread(self.events.start)

    async def close(self) -> None:
        """Send what can be sent at once; the rest stays on disk."""
        if self.events:
            await asyncio.to_thread(self.events.close)

    def send(self, kind: str, **facts: Any) -> None:
        """Queue an event."""
        if self.events:
            self.events.put(kind, **facts)

    def job(self, record: JobRecord) -> None:
        """Queue an event: a job has a new state. Counts the ends of asynchronous fits."""
        if record.asynchronous and record.state.ended:
            self.asynchronous[record.state] += 1
        if self.events:
            self.events.put("job", **facts_of(record))

    def promoted(
        self, version: Version, how: str, *, current: bool = True, actor: Actor = NOBODY, **facts: Any
    ) -> None:
        """Queue an event: a version is current now, or was refused that."""
        name = version.name
        facts = {"algorithm": name.algorithm, "model": name.model, "version": version.number, "how": how, **facts}
        self.send("promotion", current=current, **said(actor), **facts)

    def decided(self, version: Version, decision: Decision, job: JobRecord) -> None:
        """Queue an event: a fit's version was promoted or kept back."""
        actor = Actor(owner=job.owner, person=job.person, sid=job.sid)
        self.promoted(version, "fit", current=decision.current, job=job.id, message=decision.for_records, actor=actor)

    def deleted(self, name: ModelName, actor: Actor) -> None:
        """Queue an event: a model was removed with all its versions."""
        self.send("deletion", algorithm=name.algorithm, model=name.model, **said(actor))

    def drifts(self, version: VersionId, level: Level, rows: int) -> None:
        """Queue an event: a feature began to drift, over the last `rows` rows."""
        facts = {"algorithm": version.algorithm, "model": version.model, "version": version.number, "rows": rows}
        self.send("drift", feature=level.feature, index=round(level.index, 4), unseen=round(level.unseen, 4), **facts)


def facts_of(record: JobRecord) -> dict[str, Any]:
    """Return what an event says of a job: no parameters, no printed text, no traceback."""
    facts = {
        "job": record.id,
        "algorithm": record.algorithm,
        "model": record.model,
        "state": record.state,
        "request": record.request,
        "owner": record.owner or None,
        "person": record.person or None,
        "sid": record.sid or None,
        "queue_seconds": record.queue_seconds if record.state.ended else None,
        "gpu_seconds": record.gpu_seconds if record.state.ended else None,
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


def said(actor: Actor) -> dict[str, str]:
    """Return what an event says of who did something: what is known."""
    return {name: value for name, value in msgspec.structs.asdict(actor).items() if value}


def _seconds(record: JobRecord) -> float | None:
    if record.started is None or record.ended is None:
        return None
    return round((record.ended - record.started).total_seconds(), 3)
