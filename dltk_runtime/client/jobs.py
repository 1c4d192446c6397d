"""Jobs as ``dltk jobs`` sees them: over a container's ``/v1``."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import TypeVar

import msgspec

from dltk_runtime.client import http
from dltk_runtime.client.errors import ApiRefused, ReplyUnreadable
from dltk_runtime.client.http import Reply
from dltk_runtime.jobs.view import JobList, JobView
from dltk_runtime.settings import ClientSettings

ASK_EVERY = 0.5  # seconds
TIMEOUT = 30.0  # seconds for one answer


class JobsClient:
    """The jobs of one container.

    Each method raises `Unreachable` when nobody answers, `ApiRefused` with the container's own sentence, and
    `ReplyUnreadable` when something else than our container answers.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings

    def list(self) -> list[JobView]:
        """All jobs, the newest first."""
        return _read(self._get("/v1/jobs"), JobList).jobs

    def get(self, job: str) -> JobView:
        """One job."""
        return _read(self._get(f"/v1/jobs/{job}"), JobView)

    def log(self, job: str) -> str:
        """What its code has printed."""
        reply = self._get(f"/v1/jobs/{job}/log")
        if reply.status != 200:
            raise _refused(reply)
        return reply.body.decode("utf-8", "replace")

    def metrics(self, job: str) -> Steps:
        """The metrics of each step."""
        return _read(self._get(f"/v1/jobs/{job}/metrics"), Steps)

    def cancel(self, job: str) -> JobView:
        """End it; its state as it was then."""
        settings = self._settings
        reply = http.delete(settings.url, settings.token, f"/v1/jobs/{job}", TIMEOUT, settings.cafile)
        return _read(reply, JobView)

    def watch(self, job: str) -> Iterator[JobView]:
        """The job again and again until it has ended."""
        pause = Event()
        while True:
            view = self.get(job)
            yield view
            if view.ended is not None or view.state == "lost":
                return
            pause.wait(ASK_EVERY)

    def _get(self, path: str) -> Reply:
        return http.get(self._settings.url, self._settings.token, path, TIMEOUT, self._settings.cafile)


Steps = list[dict[str, float]]
Answer = TypeVar("Answer")


def _read(reply: Reply, kind: type[Answer]) -> Answer:
    if reply.status != 200:
        raise _refused(reply)
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except msgspec.DecodeError as error:
        raise ReplyUnreadable(reply.url, f"HTTP {reply.status}", reply.body.decode("utf-8", "replace")) from error


def _refused(reply: Reply) -> ApiRefused:
    try:
        detail = str(msgspec.json.decode(reply.body)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        detail = reply.reason
    return ApiRefused(reply.url, reply.status, detail)
