"""The page of one job: its curves and log, live while it runs, and the cell in which it failed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dltk_runtime.jobs.view import JobView
from dltk_runtime.server.console import render
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.failures import FailedCell, cell_of
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.console.streams import MAX_STREAMS, Streams
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.service.service import Service
from dltk_runtime.store.search_words import parameter_word, word

MAX_LOG_CHARACTERS = 20_000  # of a job's log, its end
Curves = dict[str, list[list[float | None]]]  # by name: steps, then values


@dataclass(frozen=True, slots=True)
class JobOutput:
    """What a job has printed: the end of its log, and its curves. `state` changes whenever they do."""

    state: Hashable
    log: str
    curves: Curves
    log_cut: bool = False


class JobPage:
    """The page, its stream, and the form that ends a job."""

    def __init__(self, service: Service, api: V1Api, entrance: Entrance, streams: Streams) -> None:
        self._service = service
        self._api = api
        self._entrance = entrance
        self._page = entrance.page
        self._streams = streams
        self._known: dict[str, JobOutput] = {}  # of jobs that are watched

    def reading(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        return {"/ui/jobs/{job}": self.job, "/ui/jobs/{job}/live": self.live}

    async def job(self, request: Request, session: Visitor) -> Response:
        """Show one job: its phases, curves, log, and the cell in which it failed."""
        values = await self._of_job(request, await self._printed(request))
        return self._page("job.html", session, **values)

    async def _printed(self, request: Request, before: JobOutput | None = None) -> JobOutput:
        """Return what a job has printed; the same as before where that has not changed."""
        state = await asyncio.to_thread(self._service.jobs.printed, request.path_params["job"])
        if before is not None and before.state == state:
            return before
        log = bytes((await self._api.jobs.log(request)).body).decode("utf-8", "replace")
        end = log[-MAX_LOG_CHARACTERS:]
        return JobOutput(state, end, _curves(await self._api.jobs.metrics(request)), log_cut=len(end) < len(log))

    async def _of_job(self, request: Request, printed: JobOutput) -> dict[str, Any]:
        job = await self._api.jobs.job(request)
        given = {name: value for name, value in job.parameters.items() if name != "algo"}
        clause = "".join(f"{name}={parameter_word(value)} " for name, value in given.items())
        return {
            "job": job,
            "seconds": _seconds(job),
            "given": given,
            "clause": f"| fit MLTKContainer algo={word(job.algorithm)} {clause}… into app:{job.model}",
            "log": printed.log,
            "log_cut": printed.log_cut,
            "curves": printed.curves,
            "running": job.ended is None,
            "cell": await self._cell(job),
        }

    async def _cell(self, job: JobView) -> FailedCell | None:
        if job.error is None:
            return None
        paths = self._service.settings.paths
        return await asyncio.to_thread(cell_of, job.error.coordinates, job.algorithm, paths)

    async def live(self, request: Request, _: Visitor) -> Response:
        """Send the job's part of its page at each change, as server-sent events."""
        await self._api.jobs.job(request)
        make, watcher = functools.partial(self._part, request), self._entrance.watcher(request)
        return self._streams.answer(request.path_params["job"], make, watcher)

    async def _part(self, request: Request) -> tuple[str, bool]:
        job = request.path_params["job"]
        if len(self._known) > MAX_STREAMS:
            self._known.clear()
        printed = self._known[job] = await self._printed(request, self._known.get(job))
        values = await self._of_job(request, printed)
        text = await asyncio.to_thread(functools.partial(render.text, "job_part.html", **values))
        return text, bool(values["running"])

    async def cancel(self, request: Request, _: Visitor) -> Response:
        await self._api.jobs.cancel(request)
        return RedirectResponse(f"/ui/jobs/{quote(request.path_params['job'], safe='')}", 303)


def _seconds(job: JobView) -> float | None:
    return None if job.started is None else ((job.ended or datetime.now(UTC)) - job.started).total_seconds()


def _curves(steps: list[dict[str, float]]) -> Curves:
    """Return the metrics of each step by name: steps, then values; `null` where a step lacks one."""
    names = list(dict.fromkeys(name for step in steps for name in step if name not in ("step", "total", "time")))
    across: list[float | None] = [step.get("step", number) for number, step in enumerate(steps, 1)]
    return {name: [across, [step.get(name) for step in steps]] for name in names}
