"""Views under ``/v1`` that the console's pages are made of, beside those of `v1_routes`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.apply.drift_view import ModelDrift, for_card, of_version
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.server import v1_asked as asked
from dltk_runtime.server.answering import picture
from dltk_runtime.server.openapi import Operation
from dltk_runtime.service.service import Service
from dltk_runtime.store import drawn
from dltk_runtime.store.card import CardDrift
from dltk_runtime.store.compared import Compared
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.local_models import LocalModels

PICTURES = tuple(dict.fromkeys(drawn.TYPES.values()))  # media types


class Views:
    """The views of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> list[Operation]:
        """List the routes, in the order of the document."""
        model = "/v1/models/{algorithm}/{model}"
        return [
            Operation("GET", f"{model}/compare/{{old}}/{{new}}", "Two versions compared.", self.compare, Compared),
            Operation("GET", f"{model}/drift", "Drift of the current version by field.", self.drift, ModelDrift),
            Operation(
                "GET",
                f"{model}/warnings",
                "What to know before a version is made current, by its number.",
                self.warnings,
                dict[str, str],
            ),
            Operation(
                "GET",
                f"{model}/versions/{{number}}/pictures/{{file}}",
                "A picture that a version's fit drew.",
                self.picture,
                also=PICTURES,
            ),
        ]

    async def compare(self, request: Request) -> Compared:
        return await self.compared(request, request.path_params["old"], request.path_params["new"])

    async def compared(self, request: Request, old: str, new: str) -> Compared:
        """Compare two versions of the model in a request's path."""
        models = LocalModels(self._service.store, judged=self._judged)
        numbers = asked.number_of(old), asked.number_of(new)
        return await asyncio.to_thread(models.compare, asked.name_of(request), *numbers)

    async def drift(self, request: Request) -> ModelDrift:
        return await asyncio.to_thread(self.drift_of, asked.name_of(request))

    def drift_of(self, name: ModelName, only: Sequence[str] | None = None) -> ModelDrift:
        """Return the drift of a model's current version, of the fields `only` if given; reads the disk.

        Raises:
            VersionUnknown, StoreDamaged: no version serves under this name.
        """
        version = self._service.store.current(name)
        if version is None:
            raise VersionUnknown(f"{name} has no version whose drift could be judged: fit it first.")
        return of_version(version, self._service.drift, values=self._service.settings.keep_values, only=only)

    async def warnings(self, request: Request) -> dict[str, str]:
        return await asyncio.to_thread(LocalModels(self._service.store).warnings, asked.name_of(request))

    async def picture(self, request: Request) -> Response:
        name, number = asked.name_of(request), asked.number_of(request.path_params["number"])
        version = await asyncio.to_thread(self._service.store.get, name, number)
        return picture(await asyncio.to_thread(drawn.path_of, version, request.path_params["file"]))

    def _judged(self, version: VersionId) -> CardDrift | None:
        return for_card(self._service.drift.judgements(), version)
