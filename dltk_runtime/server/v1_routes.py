"""Our own API under ``/v1``: jobs, models, algorithms, and its OpenAPI document.

The token is one of the container's own, of which changes need `DLTK_ADMIN_TOKEN` where it is set,
or a named one with the right that each operation states. Failures have the status of their kind and
a JSON body ``{"detail": …}``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dltk_runtime import __version__
from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.apply.drift import DRIFT_INDEX
from dltk_runtime.apply.drift_view import DriftList, DriftView, for_card, waiting_of
from dltk_runtime.cluster.view import ClusterView
from dltk_runtime.errors import DltkError
from dltk_runtime.names import VersionId
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.catalogue import CatalogueEntry, entry
from dltk_runtime.notebook.clause import WrittenSearch
from dltk_runtime.notebook.errors import AlgorithmUnknown, NotebookError
from dltk_runtime.server import openapi, searches
from dltk_runtime.server import v1_asked as asked
from dltk_runtime.server.doors.door import UNKEPT, Books
from dltk_runtime.server.doors.rows import FORMS, Rows
from dltk_runtime.server.guard import Guard, sees
from dltk_runtime.server.openapi import Operation
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.server.v1_changes import Changes
from dltk_runtime.server.v1_jobs import Jobs
from dltk_runtime.server.v1_views import Views
from dltk_runtime.service.service import Service
from dltk_runtime.shadow import Records, ShadowReport, report
from dltk_runtime.store import card_text
from dltk_runtime.store.card import CardDrift, ShownCard
from dltk_runtime.store.deeds import History
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.store.view import ModelList, ModelView, VersionDetail

if TYPE_CHECKING:
    from dltk_runtime.server.shadow.shadow import Shadowing

MARKDOWN = "text/markdown"
ROWS = tuple(FORMS)  # media types


class V1Api:
    """The routes, bound to one service."""

    def __init__(
        self, service: Service, tokens: Tokens, books: Books = UNKEPT, shadow: Shadowing | None = None
    ) -> None:
        """Make the routes; `books` is where applies are counted."""
        self._shadow = shadow
        self._service = service
        self.guard = Guard(service, tokens)
        self._settings = service.settings
        self.rows = Rows(service, books)
        self.jobs = Jobs(service)
        self.views = Views(service)
        self.changes = Changes(service)

    def operations(self) -> list[Operation]:
        """List every route, in the order of the document."""
        model = "/v1/models/{algorithm}/{model}"
        return [
            *self.jobs.operations(),
            Operation("GET", "/v1/models", "All models.", self.models, ModelList),
            Operation("GET", model, "One model and its versions.", self.model, ModelView),
            Operation("GET", f"{model}/versions/{{number}}", "All of one version.", self.version, VersionDetail),
            Operation(
                "GET",
                f"{model}/versions/{{number}}/card",
                "The model card of one version, as JSON or Markdown.",
                self.card,
                ShownCard,
                also=(MARKDOWN,),
            ),
            Operation("GET", f"{model}/history", "Who did what to one model, and why.", self.history, History),
            Operation(
                "GET",
                "/v1/history",
                "Who did what to all models, the newest first.",
                self.histories,
                History,
                query=(asked.LIMIT,),
            ),
            Operation(
                "POST",
                f"{model}/apply",
                "Apply the model to rows.",
                self.rows.handle,
                right=Right.APPLY,
                query=(asked.VERSION, asked.PARAMETERS),
                content=ROWS,
            ),
            Operation(
                "POST",
                f"{model}/versions/{{number}}/apply",
                "The same by one version.",
                self.rows.handle,
                right=Right.APPLY,
                query=(asked.PARAMETERS,),
                content=ROWS,
            ),
            Operation(
                "DELETE",
                model,
                "Delete a model with all versions.",
                self.delete,
                ModelList,
                Right.ADMIN,
                query=(asked.REASON,),
            ),
            *self.changes.operations(),
            *self.views.operations(),
            Operation("GET", "/v1/drift", "How far applied rows are from those of the fits.", self.drift, DriftList),
            Operation("GET", "/v1/cluster", "The machines on which fits run.", self.cluster, ClusterView),
            Operation(
                "GET",
                "/v1/shadow",
                "How answers compare with the old container's.",
                self.shadow,
                ShadowReport,
                query=(asked.SINCE,),
            ),
            Operation("GET", "/v1/algorithms", "All algorithms.", self.algorithms, list[CatalogueEntry]),
            Operation("GET", "/v1/algorithms/{algorithm}", "One algorithm.", self.algorithm, CatalogueEntry),
            Operation(
                "GET", searches.PATH, "The search that fits it.", self.search, WrittenSearch, query=searches.QUERY
            ),
            Operation("GET", "/v1/openapi.json", "This document.", self.document, dict[str, Any]),
        ]

    def routes(self) -> list[Route]:
        """Return the routes for Starlette."""
        return [
            Route(each.path, self._guarded(each), methods=[each.method], name=each.summary)
            for each in self.operations()
        ]

    def _guarded(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            holder = self.guard.admit(request, operation.right)
            try:
                asked.check_query(request, operation.query)
                await asyncio.to_thread(self.guard.check, request, holder, operation.right)
                found = await operation.handler(request)
            except DltkError as error:
                raise HTTPException(error.http_status, error.sentence) from error
            return found if isinstance(found, Response) else await asyncio.to_thread(_json, found)

        return endpoint

    # ------------------------------------------------------------ models

    async def models(self, request: Request) -> ModelList:
        views = await asyncio.to_thread(LocalModels(self._service.store).list)
        return ModelList([each for each in views if sees(request.state.holder, each.algorithm, each.model)])

    async def model(self, request: Request) -> ModelView:
        return await asyncio.to_thread(LocalModels(self._service.store).get, asked.name_of(request))

    async def version(self, request: Request) -> VersionDetail:
        number = asked.number_of(request.path_params["number"])
        return await asyncio.to_thread(LocalModels(self._service.store).version, asked.name_of(request), number)

    async def card(self, request: Request) -> ShownCard | Response:
        card = await self.card_of(request)
        wanted = MARKDOWN in request.headers.get("accept", "").lower()
        return Response(card_text.markdown(card), media_type=MARKDOWN) if wanted else card

    async def card_of(self, request: Request) -> ShownCard:
        """Return the model card of the version in a request's path."""
        name, number = asked.name_of(request), asked.number_of(request.path_params["number"])
        models = LocalModels(self._service.store, values=self._settings.keep_values, judged=self._judged)
        return await asyncio.to_thread(models.card, name, number)

    def _judged(self, version: VersionId) -> CardDrift | None:
        return for_card(self._service.drift.judgements(), version)

    async def delete(self, request: Request) -> ModelList:
        await self.changes.delete(request)
        return await self.models(request)

    async def history(self, request: Request) -> History:
        return await asyncio.to_thread(LocalModels(self._service.store).history, asked.name_of(request))

    async def histories(self, request: Request) -> History:
        return await asyncio.to_thread(
            self._service.store.histories, asked.limit_of(request), request.state.holder.covers
        )

    async def drift(self, request: Request) -> DriftList:
        holder: Holder = request.state.holder
        found = (pair for pair in self._service.drift.judgements() if holder.covers(pair[0].name))
        judged = sorted(found, key=lambda pair: pair[0])
        views = [DriftView(key.algorithm, key.model, key.version, each.rows, each.levels) for key, each in judged]
        waits = [each for each in waiting_of(self._service.drift) if sees(holder, each.algorithm, each.model)]
        return DriftList(DRIFT_INDEX, views, waits)

    async def cluster(self, request: Request) -> ClusterView:
        return self.machines(request.state.holder)

    def machines(self, holder: Holder) -> ClusterView:
        """Return the machines as this holder may see them."""
        return self._service.machines().shown_to(functools.partial(sees, holder))

    async def shadow(self, request: Request) -> ShadowReport:
        found = await asyncio.to_thread(self._compared, asked.since_of(request))
        shown = [each for each in found.models if sees(request.state.holder, each.algorithm, each.model)]
        return msgspec.structs.replace(found, models=shown)

    def _compared(self, since: datetime | None) -> ShadowReport:
        if self._shadow is not None:
            return self._shadow.report(since)
        return report(Records(self._settings.paths.shadow, self._settings.shadow_disk).all(), since)

    # ------------------------------------------------------------ algorithms

    async def algorithms(self, _: Request) -> list[CatalogueEntry]:
        names = await asyncio.to_thread(algorithm.algorithms, self._settings.paths)
        return [await asyncio.to_thread(self._entry, name) for name in names]

    async def algorithm(self, request: Request) -> CatalogueEntry:
        return await asyncio.to_thread(self._entry, request.path_params["algorithm"])

    async def search(self, request: Request) -> WrittenSearch:
        return searches.of(await self.algorithm(request), request.query_params)

    def _entry(self, name: str) -> CatalogueEntry:
        try:
            return entry(name, self._settings.paths)
        except AlgorithmUnknown:
            raise
        except NotebookError as error:
            return CatalogueEntry(name, "", "", "", (), (), None, (error.sentence,))

    async def document(self, _: Request) -> dict[str, Any]:
        return openapi.document(self.operations(), __version__, asked.IN_PATHS)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
