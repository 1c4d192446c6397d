"""The pages, each from the operations of `/v1`."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dltk_runtime.access.holder import Right
from dltk_runtime.apply.drift_view import DriftView
from dltk_runtime.jobs.view import JobView
from dltk_runtime.names import ModelName
from dltk_runtime.server.console import assets, health, pictures, render
from dltk_runtime.server.console.algorithms import Algorithms
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.failures import FailedCell, cell_of
from dltk_runtime.server.console.session import Sessions, Visitor
from dltk_runtime.server.console.trying import PAGE, Tries
from dltk_runtime.server.v1_routes import Api
from dltk_runtime.service.service import Service
from dltk_runtime.store.card_text import markdown
from dltk_runtime.units import MIB

MAX_STREAMS = 50  # live pages at a time
MAX_SQUARES = 50  # fits of a model in one row
MAX_ROWS = 200  # jobs, or entries of histories, on one page
MAX_DEEDS = 20  # of a model's history on its page
MAX_LOG_CHARACTERS = 20_000  # of a job's log, its end
LIVE_SECONDS = 0.5  # between two looks at a job
Curves = dict[str, list[list[float | None]]]  # by name: steps, then values


@dataclass(frozen=True, slots=True)
class Printed:
    """What a job has printed: the end of its log, and its curves. `state` changes whenever they do."""

    state: Hashable
    log: str
    curves: Curves
    log_cut: bool = False


class Console:
    """The routes below ``/ui``, bound to one service."""

    def __init__(self, service: Service, api: Api, sessions: Sessions) -> None:
        self._service = service
        self._api = api
        self._entrance = Entrance(api.guard, sessions)
        self._page = self._entrance.page
        self._tries = Tries(service, api, self._entrance)
        self._streams = 0

    def routes(self) -> list[Route]:
        """Return the routes for Starlette."""
        reading: dict[str, Handler] = {
            "/ui": self.overview,
            "/ui/jobs": self.jobs,
            "/ui/jobs/{job}": self.job,
            "/ui/jobs/{job}/live": self.live,
            "/ui/models": self.models,
            "/ui/models/{algorithm}/{model}": self.model,
            "/ui/models/{algorithm}/{model}/versions/{number}/card": self.card,
            "/ui/models/{algorithm}/{model}/versions/{number}/card.md": self.card_file,
            "/ui/models/{algorithm}/{model}/versions/{number}/card.json": self.card_file,
            "/ui/drift": self.drift,
            "/ui/history": self.history,
            **Algorithms(self._api, self._entrance).reading(),
            PAGE: self._tries.form,
        }
        changing: dict[str, tuple[Handler, Right]] = {
            "/ui/jobs/{job}/cancel": (self.cancel, Right.ADMIN),
            "/ui/models/{algorithm}/{model}/promote/{number}": (self.promote, Right.PROMOTE),
            "/ui/models/{algorithm}/{model}/rollback": (self.rollback, Right.PROMOTE),
            "/ui/sign-out": (self._entrance.sign_out, Right.READ),
        }
        return [
            Route("/ui/files/{hash}/{name}", assets.send, methods=["GET"]),
            Route("/ui/sign-in", self._entrance.sign_in, methods=["GET", "POST"]),
            *(Route(path, self._entrance.seen(handler), methods=["GET"]) for path, handler in reading.items()),
            *(Route(path, self._entrance.changing(*each), methods=["POST"]) for path, each in changing.items()),
            self._tries.route(),
        ]

    # ------------------------------------------------------------ pages

    async def overview(self, request: Request, session: Visitor) -> Response:
        """Show one badge for each model, what runs, and what the machine has left."""
        models, jobs = await self._api.models(request), (await self._api.jobs(request)).jobs
        drift, of_model = await self._drift(request), _by_model(jobs)
        rows = []
        for model in models.models:
            own = of_model[model.algorithm, model.model]
            rows.append((model, health.badge(model, own, drift.get((model.algorithm, model.model))), _squares(own)))
        usage = self._service.pool.usage()
        return self._page(
            "overview.html",
            session,
            rows=sorted(rows, key=lambda row: -health.LEVELS.index(row[1].level)),
            active=[job for job in jobs if job.ended is None],
            failed=[job for job in jobs if job.state in ("failed", "lost")][:5],
            usage=usage,
            memory=usage.memory_bytes / MIB,
            gpus=[each.card for each in self._service.pool.gpus()],
            ready=self._service.ready,
        )

    async def jobs(self, request: Request, session: Visitor) -> Response:
        """Show the newest jobs."""
        state = request.query_params.get("state", "")
        limit = MAX_ROWS + 1  # one more than is shown: it tells that there are more
        found = (await asyncio.to_thread(self._api.listed, session.holder, state or None, limit)).jobs
        return self._page("jobs.html", session, jobs=found[:MAX_ROWS], more=len(found) > MAX_ROWS, state=state)

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
        given = (f"{name}={value} " for name, value in job.parameters.items() if name != "algo")
        return {
            "job": job,
            "seconds": _seconds(job),
            "clause": f"| fit MLTKContainer algo={job.algorithm} {''.join(given)}… into app:{job.model}",
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

    async def models(self, request: Request, session: Visitor) -> Response:
        """Show all models."""
        models, jobs = await self._api.models(request), _by_model((await self._api.jobs(request)).jobs)
        drift = await self._drift(request)
        rows = [
            (model, health.badge(model, jobs[model.algorithm, model.model], drift.get((model.algorithm, model.model))))
            for model in models.models
        ]
        return self._page("models.html", session, rows=rows)

    async def model(self, request: Request, session: Visitor) -> Response:
        """Show one model: versions with their figures, its drift, its last fits."""
        model = await self._api.model(request)
        name = ModelName(model.algorithm, model.model)
        jobs = (await asyncio.to_thread(self._api.listed, session.holder, None, MAX_SQUARES, name)).jobs
        drift = (await self._drift(request)).get((model.algorithm, model.model))
        names = list(dict.fromkeys(name for version in model.versions for name in version.metrics if name != "rows"))
        lines = {name: [version.metrics.get(name) for version in model.versions] for name in names}
        return self._page(
            "model.html",
            session,
            model=model,
            badge=health.badge(model, jobs, drift),
            drift=drift,
            names=names,
            lines=lines,
            squares=_squares(jobs),
            jobs=jobs[:10],
            history=(await self._api.history(request)).entries[:MAX_DEEDS],
        )

    async def card(self, request: Request, session: Visitor) -> Response:
        """Show a version's model card as plain text."""
        card = await self._api.card_of(request)
        return self._page("card.html", session, card=card, text=markdown(card))

    async def card_file(self, request: Request, _: Visitor) -> Response:
        """Send a version's model card as a file."""
        card = await self._api.card_of(request)
        json = request.url.path.endswith(".json")
        content = msgspec.json.encode(card) if json else markdown(card)
        name = f"model-card-{card.number}.{'json' if json else 'md'}"
        headers = render.HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/json" if json else "text/markdown", headers=headers)

    async def drift(self, request: Request, session: Visitor) -> Response:
        """Show how far the rows of applies are from those of the fits."""
        return self._page("drift.html", session, found=await self._api.drift(request))

    async def history(self, request: Request, session: Visitor) -> Response:
        """Show who did what to all models, and why."""
        found = await self._api.histories(request)
        return self._page(
            "history.html",
            session,
            entries=found.entries[:MAX_ROWS],
            more=len(found.entries) > MAX_ROWS,
            damaged=found.damaged_lines,
        )

    # ------------------------------------------------------------ changes

    async def cancel(self, request: Request, _: Visitor) -> Response:
        await self._api.cancel(request)
        return RedirectResponse(f"/ui/jobs/{quote(request.path_params['job'], safe='')}", 303)

    async def promote(self, request: Request, _: Visitor) -> Response:
        await self._api.promote(request)
        return RedirectResponse(_address(request), 303)

    async def rollback(self, request: Request, _: Visitor) -> Response:
        await self._api.rollback(request)
        return RedirectResponse(_address(request), 303)

    async def _drift(self, request: Request) -> dict[tuple[str, str], DriftView]:
        return {(each.algorithm, each.model): each for each in (await self._api.drift(request)).judgements}


def _event(text: str) -> bytes:
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.splitlines()) + b"\n"


def _by_model(jobs: Iterable[JobView]) -> defaultdict[tuple[str, str], list[JobView]]:
    found: defaultdict[tuple[str, str], list[JobView]] = defaultdict(list)
    for job in jobs:
        found[job.algorithm, job.model].append(job)
    return found


def _squares(jobs: list[JobView]) -> Markup:
    newest = list(itertools.islice(jobs, MAX_SQUARES))[::-1]
    return pictures.squares([(job.state, f"{job.id}: {job.state}") for job in newest])


def _seconds(job: JobView) -> float | None:
    return None if job.started is None else ((job.ended or datetime.now(UTC)) - job.started).total_seconds()


def _curves(steps: list[dict[str, float]]) -> Curves:
    """Return the metrics of each step by name: steps, then values; `null` where a step lacks one."""
    names = list(dict.fromkeys(name for step in steps for name in step if name not in ("step", "total", "time")))
    across: list[float | None] = [step.get("step", number) for number, step in enumerate(steps, 1)]
    return {name: [across, [step.get(name) for step in steps]] for name in names}


def _address(request: Request) -> str:
    names = (quote(request.path_params[name], safe="") for name in ("algorithm", "model"))
    return "/ui/models/" + "/".join(names)
