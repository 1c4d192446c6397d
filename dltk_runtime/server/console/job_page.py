"""The page of one job: its curves and log, live while it runs, and the cell in which it failed."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from dltk_runtime.errors import DltkError
from dltk_runtime.jobs.view import JobView
from dltk_runtime.notebook import algorithm
from dltk_runtime.server.console import render
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.v1_routes import Api
from dltk_runtime.service.service import Service

MAX_STREAMS = 50  # live pages at a time
MAX_LOG_CHARACTERS = 20_000  # of a job's log, its end
LIVE_SECONDS = 0.5  # between two looks at a job
Curves = dict[str, list[list[float | None]]]  # by name: steps, then values
_PLACE = re.compile(r", cell (\d{1,6})[^,]{0,200}, line (\d{1,6})")


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A cell of a notebook and the line, from 1, in which a fit failed."""

    number: int
    name: str
    line: int
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Printed:
    """What a job has printed: the end of its log, and its curves. `state` changes whenever they do."""

    state: Hashable
    log: str
    curves: Curves
    log_cut: bool = False


class JobPage:
    """The page, its stream, and the form that ends a job."""

    def __init__(self, service: Service, api: Api, entrance: Entrance) -> None:
        self._service = service
        self._api = api
        self._page = entrance.page
        self._streams = 0

    def reading(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        return {"/ui/jobs/{job}": self.job, "/ui/jobs/{job}/live": self.live}

    async def job(self, request: Request, session: Visitor) -> Response:
        """Show one job: its phases, curves, log, and the cell in which it failed."""
        values = await self._of_job(request, await self._printed(request))
        return self._page("job.html", session, **values)

    async def _printed(self, request: Request, before: Printed | None = None) -> Printed:
        """Return what a job has printed; the same as before where that has not changed."""
        state = await asyncio.to_thread(self._service.jobs.printed, request.path_params["job"])
        if before is not None and before.state == state:
            return before
        log = bytes((await self._api.log(request)).body).decode("utf-8", "replace")
        end = log[-MAX_LOG_CHARACTERS:]
        return Printed(state, end, _curves(await self._api.metrics(request)), log_cut=len(end) < len(log))

    async def _of_job(self, request: Request, printed: Printed) -> dict[str, Any]:
        job = await self._api.job(request)
        clause = " ".join(f"{name}={value}" for name, value in job.parameters.items() if name != "algo")
        return {
            "job": job,
            "seconds": _seconds(job),
            "clause": f"| fit MLTKContainer algo={job.algorithm} {clause} … into app:{job.model}",
            "log": printed.log,
            "log_cut": printed.log_cut,
            "curves": printed.curves,
            "running": job.ended is None,
            "cell": await asyncio.to_thread(self._cell, job),
        }

    def _cell(self, job: JobView) -> FailedCell | None:
        """Return the cell in which a fit failed, as the notebook has it now."""
        found = _PLACE.search(job.error.coordinates) if job.error else None
        if found is None:
            return None
        try:
            source = algorithm.source_of(job.algorithm, self._service.settings.paths)
        except DltkError:
            return None
        number, line = int(found[1]), int(found[2])
        cell = next((each for each in source.cells if each.number == number), None)
        return FailedCell(number, cell.name, line, cell.source.splitlines()) if cell else None

    async def live(self, request: Request, _: Visitor) -> Response:
        """Send the job's part of its page at each change, as server-sent events."""
        await self._api.job(request)
        if self._streams >= MAX_STREAMS:
            raise HTTPException(503, "Too many live pages are open. Load the page again later.")
        headers = render.HEADERS | {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._changes(request), media_type="text/event-stream", headers=headers)

    async def _changes(self, request: Request) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            last, printed = "", None
            while not self._service.stopping:
                printed = await self._printed(request, printed)
                values = await self._of_job(request, printed)
                part = await asyncio.to_thread(functools.partial(render.text, "job_part.html", **values))
                if part != last:
                    yield _event(part)
                if not values["running"]:
                    yield b"event: done\ndata: done\n\n"
                    return
                last = part
                await asyncio.sleep(LIVE_SECONDS)
        finally:
            self._streams -= 1

    async def cancel(self, request: Request, _: Visitor) -> Response:
        await self._api.cancel(request)
        return RedirectResponse(f"/ui/jobs/{quote(request.path_params['job'], safe='')}", 303)


def _event(text: str) -> bytes:
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.splitlines()) + b"\n"


def _seconds(job: JobView) -> float | None:
    return None if job.started is None else ((job.ended or datetime.now(UTC)) - job.started).total_seconds()


def _curves(steps: list[dict[str, float]]) -> Curves:
    """Return the metrics of each step by name: steps, then values; `null` where a step lacks one."""
    names = list(dict.fromkeys(name for step in steps for name in step if name not in ("step", "total", "time")))
    across: list[float | None] = [step.get("step", number) for number, step in enumerate(steps, 1)]
    return {name: [across, [step.get(name) for step in steps]] for name in names}
