"""The pages, each from the operations of `/v1`."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dltk_runtime.access.holder import Right
from dltk_runtime.apply.drift_view import DriftView
from dltk_runtime.names import ModelName
from dltk_runtime.server.console import assets, render
from dltk_runtime.server.console.algorithms import Algorithms
from dltk_runtime.server.console.cluster_page import ClusterPage
from dltk_runtime.server.console.compare_page import ComparePage
from dltk_runtime.server.console.drift_page import DriftPages
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.job_page import JobPage
from dltk_runtime.server.console.jobs_page import MAX_SQUARES, JobsPage, by_model, squares
from dltk_runtime.server.console.model_changes import ModelChanges
from dltk_runtime.server.console.session import Sessions, Visitor
from dltk_runtime.server.console.streams import Streams
from dltk_runtime.server.console.trying import PAGE, Tries
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.service.health import LEVELS, ModelHealth
from dltk_runtime.service.service import Service
from dltk_runtime.shadow.verdict import ComparisonVerdict
from dltk_runtime.store.card_text import markdown, sections
from dltk_runtime.store.view import ModelView

MAX_ROWS = 200  # jobs, or entries of histories, on one page
MAX_ACTIVE = 50  # fits that wait or run, on the overview
MAX_MODELS = 1000  # on the page of all
MAX_DEEDS = 20  # of a model's history on its page


class Console:
    """The routes below ``/ui``, bound to one service."""

    def __init__(self, service: Service, api: V1Api, sessions: Sessions) -> None:
        self._service = service
        self._api = api
        self._views = api.views
        self._entrance = Entrance(api.guard, sessions, clustered=bool(service.settings.cluster))
        self._page = self._entrance.page
        self._tries = Tries(service, api, self._entrance)
        streams = Streams(service)
        self._jobs = JobsPage(api, self._entrance, streams)
        self._job = JobPage(service, api, self._entrance, streams)
        self._cluster = ClusterPage(service, api, self._entrance, streams)
        self._drifts = DriftPages(api, self._entrance)
        self._changes = ModelChanges(api, self._entrance)
        self._compare = ComparePage(api.views, self._entrance)

    def routes(self) -> list[Route]:
        """Return the routes for Starlette."""
        reading: dict[str, Handler] = {
            "/ui": self.overview,
            **self._jobs.reading(),
            **self._job.reading(),
            "/ui/models": self.models,
            "/ui/models/{algorithm}/{model}": self.model,
            "/ui/models/{algorithm}/{model}/versions/{number}/card": self.card,
            "/ui/models/{algorithm}/{model}/versions/{number}/card.md": self.card_file,
            "/ui/models/{algorithm}/{model}/versions/{number}/card.json": self.card_file,
            **self._changes.reading(),
            **self._compare.reading(),
            **self._drifts.reading(),
            **self._cluster.reading(),
            "/ui/history": self.history,
            **Algorithms(self._api, self._entrance).reading(),
            PAGE: self._tries.form,
        }
        changing: dict[str, tuple[Handler, Right]] = {
            "/ui/jobs/{job}/cancel": (self._job.cancel, Right.ADMIN),
            **self._changes.changing(),
            "/ui/sign-out": (self._entrance.sign_out, Right.READ),
        }
        return [
            Route("/ui/", _overview, methods=["GET"]),
            Route("/ui/files/{hash}/{name}", assets.send, methods=["GET"]),
            Route("/ui/sign-in", self._entrance.form, methods=["GET"]),
            Route("/ui/sign-in", self._entrance.sign_in, methods=["POST"]),
            self._tries.route(),
            *(Route(path, self._entrance.seen(handler), methods=["GET"]) for path, handler in reading.items()),
            *(Route(path, self._entrance.changing(*each), methods=["POST"]) for path, each in changing.items()),
        ]

    # ------------------------------------------------------------ pages

    async def overview(self, request: Request, session: Visitor) -> Response:
        """Show one badge for each model, what runs, and what the machine has left."""
        rows, jobs = await self._judged(request), (await self._api.jobs.all(request)).jobs
        of_model, shown = by_model(jobs), rows[:MAX_ROWS]
        return self._page(
            "overview.html",
            session,
            rows=[(each, squares(of_model[each.algorithm, each.model])) for each in shown],
            more=len(rows) - len(shown),
            active=[job for job in jobs if job.ended is None][:MAX_ACTIVE],
            failed=[job for job in jobs if job.state in ("failed", "lost")][:5],
            checks=await self._views.checks(request),
            machine=await self._views.machine(request),
            traffic=await self._views.traffic(request),
        )

    async def _judged(self, request: Request) -> list[ModelHealth]:
        """Return the models with their badges, the worst first."""
        found = (await self._views.health(request)).models
        return sorted(found, key=lambda each: -LEVELS.index(each.level))

    async def models(self, request: Request, session: Visitor) -> Response:
        """Show all models."""
        rows = (await self._views.health(request)).models
        return self._page("models.html", session, rows=rows[:MAX_MODELS], more=len(rows) - MAX_MODELS)

    async def model(self, request: Request, session: Visitor) -> Response:
        """Show one model: versions with their figures, its drift, its last fits."""
        model = await self._api.model(request)
        name = ModelName(model.algorithm, model.model)
        jobs = (await asyncio.to_thread(self._api.jobs.listed, session.holder, None, MAX_SQUARES, name)).jobs
        drift = (await self._drift(request)).get((model.algorithm, model.model))
        names = _names_of_figures(model)
        return self._page(
            "model.html",
            session,
            model=model,
            badge=await self._views.health_of(name),
            drift=drift,
            names=names,
            lines={name: _lines_of(model, name) for name in names},
            squares=squares(jobs),
            compared=_first_compared(model),
            warnings=await self._views.warnings(request),
            pins=self._service.settings.pins_code,
            jobs=jobs[:10],
            history=(await self._api.history(request)).entries[:MAX_DEEDS],
        )

    async def card(self, request: Request, session: Visitor) -> Response:
        """Show a version's model card."""
        card = await self._api.card_of(request)
        return self._page("card.html", session, card=card, parts=sections(card))

    async def card_file(self, request: Request, _: Visitor) -> Response:
        """Send a version's model card as a file."""
        card = await self._api.card_of(request)
        json = request.url.path.endswith(".json")
        content = msgspec.json.encode(card) if json else markdown(card)
        name = f"model-card-{card.number}.{'json' if json else 'md'}"
        headers = render.HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/json" if json else "text/markdown", headers=headers)

    async def history(self, request: Request, session: Visitor) -> Response:
        """Show who did what to all models, and why; the calls answered last; how answers compare with the old ones."""
        found, calls = await self._api.histories(request), await self._views.calls(request)
        return self._page(
            "history.html",
            session,
            entries=found.entries[:MAX_ROWS],
            more=len(found.entries) > MAX_ROWS,
            damaged=found.damaged_lines,
            calls=msgspec.structs.replace(calls, calls=calls.calls[:MAX_ROWS]),
            replicas=len({each.replica for each in calls.calls}) > 1,
            shadow=await self._api.shadow(request),
            verdicts=list(ComparisonVerdict),
        )

    async def _drift(self, request: Request) -> dict[tuple[str, str], DriftView]:
        return {(each.algorithm, each.model): each for each in (await self._api.drift(request)).judgements}


async def _overview(_: Request) -> Response:
    """Lead on who wrote a slash at the end of the address."""
    return RedirectResponse("/ui", 303)


def _names_of_figures(model: ModelView) -> list[str]:
    """Return the names of the figures, but rows: those of train, and of held-out rows where train has none of them."""
    names: dict[str, None] = {}
    for each in model.versions:
        held = each.holdout.metrics if each.holdout else {}
        names |= dict.fromkeys([*each.metrics, *(() if held.keys() & each.metrics.keys() - {"rows"} else held)])
    return [name for name in names if name != "rows"]


def _lines_of(model: ModelView, name: str) -> dict[str, list[float | None]]:
    """Return a figure of each version, the oldest first, by its origins: ``train``, ``held out``."""
    train = [each.metrics.get(name) for each in model.versions]
    held = [each.holdout.metrics.get(name) if each.holdout else None for each in model.versions]
    return {origin: values for origin, values in (("train", train), ("held out", held)) if set(values) != {None}}


def _first_compared(model: ModelView) -> tuple[int | None, int | None]:
    """Return the versions that are chosen for a comparison at first: the one before the newest, and the newest."""
    numbers = [each.number for each in model.versions if not each.damage]
    return (numbers[-2], numbers[-1]) if len(numbers) > 1 else (None, None)
