"""Jobs of a container, read and cancelled over ``/v1``."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from urllib.parse import quote

from dltk_runtime.client.answers import read, refused
from dltk_runtime.client.http import Container
from dltk_runtime.jobs.view import JobList, JobView
from dltk_runtime.settings import ClientSettings

POLL_SECONDS = 0.5
ANSWER_SECONDS = 30.0
Steps = list[dict[str, float]]


class JobsClient:
    """The jobs of one container.

    Raises:
        Unreachable: every method, when the container does not answer.
        ApiRefused: every method, with the container's explanation.
        ReplyUnreadable: every method, when the answer is not one of the container's API.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._container = Container.of(settings, ANSWER_SECONDS)

    def list(self) -> list[JobView]:
        """Return all jobs, newest first."""
        return read(self._container.get("/v1/jobs"), JobList).jobs

    def get(self, job: str) -> JobView:
        """Return one job."""
        return read(self._container.get(_path(job)), JobView)

    def log(self, job: str) -> str:
        """Return the output of the job's code."""
        reply = self._container.get(_path(job) + "/log")
        if reply.status != 200:
            raise refused(reply)
        return reply.body.decode("utf-8", "replace")

    def metrics(self, job: str) -> Steps:
        """Return the metrics of each step."""
        return read(self._container.get(_path(job) + "/metrics"), Steps)

    def cancel(self, job: str) -> JobView:
        """Cancel the job; return its state before it ends."""
        return read(self._container.delete(_path(job)), JobView)

    def watch(self, job: str) -> Iterator[JobView]:
        """Yield the job repeatedly until it has ended."""
        pause = Event()
        while True:
            view = self.get(job)
            yield view
            if view.ended is not None or view.state == "lost":
                return
            pause.wait(POLL_SECONDS)


def _path(job: str) -> str:
    return f"/v1/jobs/{quote(job, safe='')}"
