"""What is known of one job, as ``job.json`` holds it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from dltk_runtime.files import atomic

RECORD = "job.json"


class State(StrEnum):
    """Where a job is; `LOST` is never written, it is what an abandoned record amounts to."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed: what the user saw first, where in the notebook, and the whole traceback."""

    sentence: str
    coordinates: str = ""
    traceback: str = ""


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a job. Times are UTC; `phases` holds seconds; `phase` is the one that runs, or ran last."""

    id: str
    algorithm: str
    model: str
    state: State
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    rows: int | None = None
    parameters: dict[str, str] = {}
    phase: str = ""
    phases: dict[str, float] = {}
    asynchronous: bool = False
    fingerprint: str = ""  # of data, parameters and code: an asynchronous job is not started twice
    step: float = 0.0  # of `total` steps are done; 0 of 0 when nobody knows
    total: float = 0.0
    metrics: dict[str, float] = {}  # of the newest step
    version: int | None = None
    promoted: bool = False
    error: JobError | None = None
    request: str = ""
    message: str = ""

    @property
    def how_far(self) -> str:
        """Its state, or, while it runs, its phase with the steps that are done: ``fit, 9 of 40 steps``."""
        if self.state is not State.RUNNING or not self.phase:
            return str(self.state)
        return f"{self.phase}, {self.step:g} of {self.total:g} steps" if self.total else self.phase


def save(folder: Path, record: JobRecord) -> None:
    """Replace the record in a job's folder; whether it outlives a power cut is `files.sync`'s business."""
    atomic.write(folder / RECORD, atomic.to_json(record), durable=False)
