"""Jobs under ``/v1``: lists, one job and what it printed and measured, its changes, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.jobs.view import JobList, JobView
from dltk_runtime.names import ModelName
from dltk_runtime.server import v1_asked as asked
from dltk_runtime.server.guard import sees
from dltk_runtime.server.openapi import Operation
from dltk_runtime.service.service import Service

WATCH_SECONDS = 0.3  # between two looks at a watched job


class Jobs:
    """The jobs of one service's home."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> list[Operation]:
        """List the routes, in the order of the document."""
        job = "/v1/jobs/{job}"
        return [
            Operation(
                "GET", "/v1/jobs", "All jobs, the newest first.", self.all, JobList, query=(asked.STATE, asked.LIMIT)
            ),
            Operation("GET", job, "One job.", self.job, JobView),
            Operation("DELETE", job, "Cancel a job.", self.cancel, JobView, Right.ADMIN),
            Operation("GET", f"{job}/log", "What the job's code has printed.", self.log),
            Operation("GET", f"{job}/metrics", "The metrics of each step.", self.metrics, list[dict[str, float]]),
            Operation("GET", f"{job}/events", "The job's record at each change, as server-sent events.", self.events),
        ]

    async def all(self, request: Request) -> JobList:
        state, limit = asked.state_of(request), asked.limit_of(request)
        return await asyncio.to_thread(self.listed, request.state.holder, state, limit)

    async def job(self, request: Request) -> JobView:
        return await self._job(request.path_params["job"])

    async def cancel(self, request: Request) -> JobView:
        job = request.path_params["job"]
        self._service.jobs.get(job)
        self._service.fitting.cancel(job)
        return await self._job(job)

    async def log(self, request: Request) -> Response:
        return PlainTextResponse(await asyncio.to_thread(self._service.jobs.log, request.path_params["job"]))

    async def metrics(self, request: Request) -> list[dict[str, float]]:
        return await asyncio.to_thread(self._service.jobs.metrics, request.path_params["job"])

    async def events(self, request: Request) -> Response:
        job = request.path_params["job"]
        self._service.jobs.get(job)
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(self._changes(job), media_type="text/event-stream", headers=headers)

    async def _changes(self, job: str) -> AsyncIterator[bytes]:
        """Yield each new state of a job until the job or the server ends."""
        last: JobView | None = None
        while not self._service.stopping:
            view = await self._job(job)
            if view != last:
                yield b"event: job\ndata: " + msgspec.json.encode(view) + b"\n\n"
            if State(view.state).ended:
                return
            last = view
            await asyncio.sleep(WATCH_SECONDS)

    async def _job(self, job: str) -> JobView:
        record = await asyncio.to_thread(self._service.jobs.get, job)
        if record.state is not State.QUEUED:
            return JobView.of(record, 0)
        return JobView.of(record, (await asyncio.to_thread(self._queue)).get(job, 0))

    def listed(self, holder: Holder, state: State | None, limit: int, name: ModelName | None = None) -> JobList:
        """Return the newest of the jobs that a holder may see, of one model if given; reads the disk."""
        shown = None if name is None and holder.sees_all else partial(_is_seen, holder=holder, name=name)
        records = self._service.jobs.list(limit, state, shown=shown)
        places = self._queue() if any(each.state is State.QUEUED for each in records) else {}
        return JobList([JobView.of(each, places.get(each.id, 0)) for each in records])

    def _queue(self) -> dict[str, int]:
        """Return the place of each queued job, from 1 on."""
        queued = (each.id for each in self._service.jobs.unfinished() if each.state is State.QUEUED)
        return {job: place for place, job in enumerate(queued, 1)}


def _is_seen(record: JobRecord, holder: Holder, name: ModelName | None) -> bool:
    """Return whether a job is one of this model, if given, and of the holder's models."""
    if name is not None and (record.algorithm, record.model) != (name.algorithm, name.model):
        return False
    return sees(holder, record.algorithm, record.model)
