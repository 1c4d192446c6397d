"""The page of the machines: what each has and runs, and which fits wait for a place and why, live."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.access.holder import Holder
from dltk_runtime.cluster.view import DEAD, JOINED, ClusterView, WaitingView
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.view import JobView
from dltk_runtime.server.console import render
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.console.streams import Part, Streams
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.service.service import Service

MAX_MACHINES = 200  # on the page
MAX_RUNNING = 20  # fits of one machine, and versions that it has loaded
MAX_WAITING = 50  # fits in the table of those that wait
LEVELS = {JOINED: "good", DEAD: "note"}  # of the badge of a state; all others are warnings
BEGINS = "a place is free: a server takes it up"


class ClusterPage:
    """The page, from the views of `/v1`, and its stream."""

    def __init__(self, service: Service, api: V1Api, entrance: Entrance, streams: Streams) -> None:
        self._service = service
        self._api = api
        self._entrance = entrance
        self._streams = streams

    def reading(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        return {"/ui/cluster": self.machines, "/ui/cluster-live": self.live}

    async def machines(self, request: Request, session: Visitor) -> Response:
        """Show the machines, what they run, and what waits."""
        return self._entrance.page("cluster.html", session, **await self._shown(request.state.holder))

    async def live(self, request: Request, session: Visitor) -> Response:
        """Send the same at each change, as server-sent events."""
        key = "cluster", session.holder.name, session.holder.models
        make = functools.partial(self._part, session.holder)
        return self._streams.answer(key, make, self._entrance.watcher(request))

    async def _part(self, holder: Holder) -> Part:
        values = await self._shown(holder)
        return await asyncio.to_thread(functools.partial(render.text, "cluster_part.html", **values)), True

    async def _shown(self, holder: Holder) -> dict[str, Any]:
        found = self._api.machines(holder)
        queued = await asyncio.to_thread(self._api.jobs.listed, holder, State.QUEUED, MAX_WAITING + 1)
        return _values(found, await self._waiting(found, queued.jobs[::-1]))

    async def _waiting(self, found: ClusterView, queued: Sequence[JobView]) -> list[WaitingView]:
        """Return what waits: those that have a turn in the line, then queued jobs, the oldest first."""
        known, places = {each.job for each in found.line}, self._service.places
        reasons: dict[str, str] = {}  # by algorithm: to read a notebook takes a moment
        rows = list(found.line)
        for job in queued:
            if job.id in known or len(rows) > MAX_WAITING:
                continue
            if places is not None and job.algorithm not in reasons:
                reasons[job.algorithm] = await places.why_queued(job.algorithm, job.parameters) or BEGINS
            why = reasons.get(job.algorithm, "")
            rows.append(WaitingView(job.algorithm, job.model, job.id, f"place {job.place} of the queue", why))
        return rows


def _values(found: ClusterView, waiting: list[WaitingView]) -> dict[str, Any]:
    """Return what the templates show."""
    return {
        "found": found,
        "machines": found.nodes[:MAX_MACHINES],
        "unshown": max(len(found.nodes) - MAX_MACHINES, 0),
        "waiting": waiting[:MAX_WAITING],
        "more": len(waiting) > MAX_WAITING,
        "levels": LEVELS,
        "max_running": MAX_RUNNING,
        "live": bool(found.cluster),
    }
