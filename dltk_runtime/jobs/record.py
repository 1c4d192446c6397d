"""The record of one job."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dltk_runtime.files.records import Count, Moment

MetricsByStep = list[dict[str, float]]  # each: "step", and the metrics of that step


class State(StrEnum):
    """The state of a job.

    `LOST`: its server ended, and it does not run again. Readers derive it for a fit that a search
    waited for. It is stored for an asynchronous fit that was started as often as allowed.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


class JobError(msgspec.Struct, frozen=True, gc=False):
    """Why a job failed: the sentence for the user, the place in the notebook, the traceback."""

    sentence: str
    coordinates: str = ""
    traceback: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new version beside the one that was current, by one metric; null is a missing value."""

    metric: str
    new: float | None  # None: the version has no such metric
    old: float | None
    old_version: Count
    gain: float = 0.0  # the least improvement that the search asked for
    held_out: bool = False  # both values are of the same rows, which neither fit has seen
    rows: Count = 0  # that neither has seen; 0 in records of 0.1.0 whose values are those of the two fits
    problem: str = ""  # why nothing was compared: no value decided

    def __str__(self) -> str:
        if self.problem:
            return f"{self.metric} was not compared with version {self.old_version}: {self.problem}"
        gain = f", at least {self.gain:g} better" if self.gain else ""
        if self.held_out:
            data = f"on the same {self.rows:,} held-out rows"
        else:
            data = "as their fits returned them, on different data"
        figures = f"{self.metric} {_shown(self.new)} against {_shown(self.old)} of version {self.old_version}"
        return f"{figures}{gain}, {data}"


class JobRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The record of a job. Times are UTC; `phases` holds the seconds of each phase.

    Without cycles, so the garbage collector need not walk the thousands in memory (`gc`).

    `phase` is the phase that runs, or ran last.
    """

    id: str
    algorithm: str
    model: str
    state: State
    created: Moment
    started: Moment | None = None
    ended: Moment | None = None
    rows: Count | None = None
    parameters: dict[str, str] = {}
    phase: str = ""
    phases: dict[str, float] = {}
    asynchronous: bool = False
    attempts: Count = 0  # how often it was started
    reserved: Count | None = None  # version number of the fit that runs; it may be committed already
    fingerprint: str = ""  # hash of data, parameters and code: an asynchronous job is not started twice
    step: float = 0.0  # steps done, of `total`; 0 of 0 when unknown
    total: float = 0.0
    metrics: dict[str, float] = {}  # of the newest step
    version: Count | None = None
    promoted: bool = False
    comparison: Comparison | None = None  # None without one, and in records of 0.1.0
    error: JobError | None = None
    request: str = ""
    message: str = ""
    owner: str = ""  # name of the token; empty in batch runs and in records of 0.1.0
    person: str = ""  # who used it, where a trusted proxy says so
    sid: str = ""  # of the search in Splunk, where the request has it
    queue_seconds: float | None = None  # until it began the last time
    gpu_seconds: float | None = None  # that its fits held a GPU of their own, on all servers

    @property
    def how_far(self) -> str:
        """Return the state, or while it runs the phase and its steps: ``fit, 9 of 40 steps``."""
        if self.state is not State.RUNNING or not self.phase:
            return str(self.state)
        return f"{self.phase}, {self.step:g} of {self.total:g} steps" if self.total else self.phase


def _shown(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4g}"
