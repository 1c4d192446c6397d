"""Errors of jobs."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.errors import NOT_FITTED, DltkError, RequestError, shown


class FitCancelled(DltkError):
    """The fit was ended on request, or by a search that hung up."""

    http_status = 409
    opening = NOT_FITTED

    def __init__(self, job: str, why: str) -> None:
        super().__init__(f"Job {job} was cancelled: {why} Nothing was stored.")


class ServerStops(DltkError):
    """The fit did not finish before the server was stopped."""

    http_status = 503
    opening = NOT_FITTED

    def __init__(self, job: str) -> None:
        super().__init__(f"The server was stopped before job {job} came to its end. Nothing was stored; fit again.")


class JobTaken(DltkError):
    """Another server took the fit up, because this one did not touch it for a while."""

    http_status = 409
    opening = NOT_FITTED

    def __init__(self, job: str) -> None:
        super().__init__(f"Job {job} was taken up by another server, because this one had not touched it for a while.")


class QueueFull(RequestError):
    """Too many asynchronous fits are queued."""

    http_status = 503
    opening = NOT_FITTED

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting} asynchronous fits wait already, and nothing was submitted. "
            "Try again later, or raise DLTK_MAX_QUEUED on the container."
        )


class NotCancellable(DltkError):
    """The job has ended, or is storing its model."""

    http_status = 409

    def __init__(self, job: str, state: str) -> None:
        super().__init__(f"Job {job} cannot be cancelled: it {state}.")


class JobUnknown(DltkError):
    """There is no job of that id."""

    http_status = 404

    def __init__(self, job: str) -> None:
        super().__init__(f"No job {shown(job)}. List all jobs with 'dltk jobs'.")


class JobDamaged(JobUnknown):
    """The job has a record that cannot be read."""

    http_status = 409  # as a damaged version

    def __init__(self, record: Path) -> None:
        DltkError.__init__(
            self,
            f"The record of job {record.parent.name} is damaged: {record} is no job record. Its log is the file "
            f"'log' beside it. Restore the record from a backup, or remove the folder.",
        )
