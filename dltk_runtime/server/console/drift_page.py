"""The pages about drift: of all models, and of one by field."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.apply.drift_view import DriftView, ModelDrift
from dltk_runtime.errors import DltkError
from dltk_runtime.names import ModelName
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.v1_routes import V1Api

MAX_DETAILED = 20  # models whose worst fields are drawn on the page of all
MAX_LISTED = 200  # models on it
WORST_FIELDS = 3


class DriftPages:
    """The pages, from the views of `/v1`."""

    def __init__(self, api: V1Api, entrance: Entrance) -> None:
        self._api = api
        self._page = entrance.page

    def reading(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        return {"/ui/drift": self.all, "/ui/models/{algorithm}/{model}/drift": self.model}

    async def all(self, request: Request, session: Visitor) -> Response:
        """Show the models, the one that has drifted furthest first."""
        found = await self._api.drift(request)
        judged = sorted(found.judgements, key=lambda each: -each.levels[0].index)
        return self._page(
            "drift.html",
            session,
            limit=found.limit,
            details=await asyncio.to_thread(self._details, judged[:MAX_DETAILED]),
            others=judged[MAX_DETAILED:MAX_LISTED],
            waiting=found.waiting[:MAX_LISTED],
        )

    def _details(self, judged: Iterable[DriftView]) -> list[ModelDrift]:
        """Return the worst fields of each model; a version that was replaced or removed meanwhile is left out."""
        found = []
        for each in judged:
            worst = [level.feature for level in each.levels[:WORST_FIELDS]]
            with suppress(DltkError):
                view = self._api.views.drift_of(ModelName(each.algorithm, each.model), worst)
                found += [view] if view.version == each.version else []
        return found

    async def model(self, request: Request, session: Visitor) -> Response:
        """Show one model by field."""
        return self._page("model_drift.html", session, found=await self._api.views.drift(request))
