"""dltk_runtime.jobs.errors."""

from __future__ import annotations

from dltk_runtime.errors import NOT_FITTED, DltkError, RequestError, shown


class FitCancelled(DltkError):
    """Somebody ended the fit."""

    http_status = 409
    opening = NOT_FITTED

    def __init__(self, job: str, why: str) -> None:
        super().__init__(f"Job {job} was cancelled: {why} Nothing was stored.")


class ServerStops(DltkError):
    """The fit did not come to its end before the server was stopped."""

    http_status = 503
    opening = NOT_FITTED

    def __init__(self, job: str) -> None:
        super().__init__(f"The server was stopped before job {job} came to its end. Nothing was stored; fit again.")


class QueueFull(RequestError):
    """Too many asynchronous fits wait already."""

    http_status = 503
    opening = NOT_FITTED

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting} asynchronous fits wait already, and nothing was submitted. "
            "Try again later, or raise DLTK_MAX_QUEUED on the container."
        )


class NotCancellable(DltkError):
    """The job has ended, or is past the point where it can be cancelled."""

    http_status = 409

    def __init__(self, job: str, state: str) -> None:
        super().__init__(f"Job {job} cannot be cancelled: it {state}.")


class JobUnknown(DltkError):
    """No job of that id."""

    http_status = 404

    def __init__(self, job: str) -> None:
        super().__init__(f"No job {shown(job)}. List the jobs there are with 'dltk jobs'.")
