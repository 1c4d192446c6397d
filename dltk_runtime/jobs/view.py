"""Jobs as ``/v1`` returns them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import msgspec

from dltk_runtime.access.file import OWN_NAMES
from dltk_runtime.jobs.record import Comparison, JobError, JobRecord

OPTIONAL = ("comparison", "owner", "person", "sid", "gpu_seconds")  # left out where they are not known
UNSAID = (None, "", OWN_NAMES[0])


class JobView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A job. Times are UTC; `phases` holds seconds; `place` counts the queue from 1, 0 when it does not wait."""

    id: str
    algorithm: str
    model: str
    state: str
    place: int
    created: datetime
    started: datetime | None
    ended: datetime | None
    rows: int | None
    parameters: dict[str, str]
    phase: str
    phases: dict[str, float]
    step: float
    total: float
    metrics: dict[str, float]
    version: int | None
    promoted: bool
    message: str
    error: JobError | None
    comparison: Comparison | msgspec.UnsetType = msgspec.UNSET
    owner: str | msgspec.UnsetType = msgspec.UNSET  # name of the token, other than `api_token`
    person: str | msgspec.UnsetType = msgspec.UNSET  # as a trusted proxy says
    sid: str | msgspec.UnsetType = msgspec.UNSET  # of the search in Splunk
    gpu_seconds: float | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, record: JobRecord, place: int) -> Self:
        """Return the view of a record."""
        computed = ("state", "place", *OPTIONAL)
        fields = {name: getattr(record, name) for name in cls.__struct_fields__ if name not in computed}
        optional = {name: value for name in OPTIONAL if (value := getattr(record, name)) not in UNSAID}
        return cls(state=str(record.state), place=place, **fields, **optional)


class JobList(msgspec.Struct, frozen=True):
    """Jobs, the newest first."""

    jobs: list[JobView]
