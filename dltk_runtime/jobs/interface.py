"""The interface of the job records; `store.JobStore` implements it by files.

Every operation may be called from any thread, and by several servers at once. A job is changed by
the server that created or adopted it, through its `Job`; every server can read all records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

from dltk_runtime.access.actor import NOBODY, Actor
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import JobRecord, MetricsByStep, State
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName

Records = list[JobRecord]  # inside `JobRecords`, `list` is a method
TOUCH_SECONDS = 10.0  # between two touches of a job by its server


class JobRecords(Protocol):
    """The records of all jobs, shared by all servers."""

    # ------------------------------------------------------------ read

    def get(self, job: str) -> JobRecord:
        """Return the record; its state is `LOST` when the job's server has stopped updating it.

        Raises:
            JobUnknown: there is none of that id, or its record cannot be read.
        """

    def list(
        self,
        limit: int | None = None,
        state: State | None = None,
        *,
        shown: Callable[[JobRecord], bool] | None = None,
    ) -> Records:
        """Return the `limit` newest records, of those in `state` and `shown` if given; newest first.

        No more records are read than it takes to find them.
        """

    def states(self) -> Counter[State]:
        """Return how many jobs are in each state; cheap enough for every call of ``/metrics``."""

    def unfinished(self) -> Records:
        """Return the jobs that wait or run, on any server; oldest first."""

    def log(self, job: str) -> str:
        """Return what the job's code has printed so far.

        Raises:
            JobUnknown: there is none of that id.
        """

    def metrics(self, job: str) -> MetricsByStep:
        """Return the metrics of each recorded step, in order.

        Raises:
            JobUnknown: there is none of that id.
        """

    def printed(self, job: str) -> Hashable:
        """Return a value that changes whenever `log` or `metrics` do; reads neither.

        Raises:
            JobUnknown: there is none of that id.
        """

    # ------------------------------------------------------------ write

    def create(self, name: ModelName, parameters: Mapping[str, str], request: str = "", actor: Actor = NOBODY) -> Job:
        """Create a job that its caller runs; `request` is the id of the request it came with.

        The record keeps who the `actor` is.

        Secrets among `parameters` are not stored. The oldest ended jobs beyond the bound are
        removed in the background.

        Raises:
            NotStored: the record cannot be written; then there is no job.
        """

    def submit(
        self,
        name: ModelName,
        parameters: Mapping[str, str],
        submission: Submission,
        request: str = "",
        actor: Actor = NOBODY,
    ) -> JobRecord:
        """Create an asynchronous job in the queue, from which any server adopts it.

        It is durable when this returns; the submission is kept until the job ends. Otherwise as
        `create`.

        Raises:
            NotStored: it cannot be written; then there is no job.
        """

    def adopt(self, job: str) -> Job | None:
        """Take an asynchronous job that is in the queue, or whose server is gone.

        Of several servers one gets it. The others, and a caller whose job has ended or still has a
        server, get None. What the former server does from now on does not reach the record.

        Raises:
            OSError: the volume does not answer.
        """

    def submission(self, job: str) -> Submission | None:
        """Return what an asynchronous job needs to run; None when that cannot be read."""

    def ask_to_cancel(self, job: str) -> None:
        """Request the end of a job on whichever server runs it, which polls `to_be_cancelled`.

        Raises:
            JobUnknown: there is none of that id.
            NotCancellable: it has ended.
        """

    def to_be_cancelled(self, job: str) -> bool:
        """Return whether the job's end was requested."""

    def touch(self) -> None:
        """Mark this server's jobs as alive, queued ones too; call it every `TOUCH_SECONDS`."""

    def flush(self) -> None:
        """Write the phases that this server's jobs have entered since their last write."""

    def prune(self) -> None:
        """Remove the oldest ended jobs beyond the bound, and what servers that ended have left."""

    def close(self) -> None:
        """End a removal that is in progress; nothing is removed any more."""
