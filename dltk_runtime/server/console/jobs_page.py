"""The page of all jobs: the newest ones, live, and the last fits of each model as squares."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.access.holder import Holder
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.view import JobView
from dltk_runtime.server.console import pictures, render
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.console.streams import Part, Streams
from dltk_runtime.server.v1_asked import MAX_LISTED
from dltk_runtime.server.v1_routes import V1Api

MAX_SQUARES = 50  # fits of a model in one row
MAX_ROWS = 200  # jobs on the page
MAX_LIVE = 30  # of them in the live table: those that wait or run, and the newest
MAX_MODELS = 200  # with a row of squares
Names = tuple[str, str]


class JobsPage:
    """The page, from the views of `/v1`, and its stream."""

    def __init__(self, api: V1Api, entrance: Entrance, streams: Streams) -> None:
        self._api = api
        self._entrance = entrance
        self._page = entrance.page
        self._streams = streams

    def reading(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        return {"/ui/jobs": self.jobs, "/ui/jobs-live": self.live}

    async def jobs(self, request: Request, session: Visitor) -> Response:
        """Show the newest jobs, and the last fits of each model."""
        state, limit = _state(request), MAX_ROWS + 1  # one more than is shown: it tells that there are more
        jobs = (await asyncio.to_thread(self._api.jobs.listed, session.holder, None, MAX_LISTED)).jobs
        found = jobs[:limit]
        if state is not None:
            found = (await asyncio.to_thread(self._api.jobs.listed, session.holder, state, limit)).jobs
        return self._page("jobs.html", session, state=state or "", **_shown(found), models=_models(jobs))

    async def live(self, request: Request, session: Visitor) -> Response:
        """Send the live table at each change, as server-sent events."""
        state = _state(request)
        key = session.holder.name, session.holder.models, state or ""
        make = functools.partial(self._part, session.holder, state)
        return self._streams.answer(key, make, self._entrance.watcher(request))

    async def _part(self, holder: Holder, state: State | None) -> Part:
        jobs = (await asyncio.to_thread(self._api.jobs.listed, holder, state, MAX_ROWS + 1)).jobs
        values = {"live": _shown(jobs)["live"], "state": state or ""}
        return await asyncio.to_thread(functools.partial(render.text, "jobs_part.html", **values)), True


def by_model(jobs: Iterable[JobView]) -> defaultdict[Names, list[JobView]]:
    """Return the jobs of each model, in their order."""
    found: defaultdict[Names, list[JobView]] = defaultdict(list)
    for job in jobs:
        found[job.algorithm, job.model].append(job)
    return found


def squares(jobs: Sequence[JobView]) -> Markup:
    """Draw the newest jobs of a model, given the newest first, as squares from the oldest on."""
    newest = list(itertools.islice(jobs, MAX_SQUARES))[::-1]
    return pictures.squares([(job.state, f"{job.id}: {job.state}") for job in newest])


def _state(request: Request) -> State | None:
    """Return the state that the query asks for; None for any."""
    text = request.query_params.get("state", "")
    return State(text) if text in list(State) else None


def _shown(jobs: Sequence[JobView]) -> dict[str, Any]:
    """Return the rows of the live table and of the other one; `more` is whether there are others."""
    active = [job for job in jobs if job.ended is None]
    live = [*active, *(job for job in jobs if job.ended is not None)][: max(MAX_LIVE, min(len(active), MAX_ROWS))]
    known = {job.id for job in live}
    rest = [job for job in jobs[:MAX_ROWS] if job.id not in known]
    return {"live": live, "rest": rest, "more": len(jobs) > MAX_ROWS}


def _models(jobs: Sequence[JobView]) -> list[tuple[Names, Markup]]:
    """Return a row of squares for each model, the one fitted last first."""
    found = itertools.islice(by_model(jobs).items(), MAX_MODELS)
    return [(names, squares(own)) for names, own in found]
