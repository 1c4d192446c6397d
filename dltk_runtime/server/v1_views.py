"""Views under ``/v1`` that the console's pages are made of, beside those of `v1_routes`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.access.holder import Holder
from dltk_runtime.apply.drift_files import MAX_PAST
from dltk_runtime.apply.drift_view import ModelDrift, for_card, of_version
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.server import v1_asked as asked
from dltk_runtime.server.answering import picture
from dltk_runtime.server.guard import sees
from dltk_runtime.server.openapi import Operation
from dltk_runtime.service.calls import CallList, Traffic
from dltk_runtime.service.checks import CheckList
from dltk_runtime.service.health import HealthList, ModelHealth
from dltk_runtime.service.machine import Machine, machine_of
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
            Operation("GET", "/v1/health", "One badge for each model, and why.", self.health, HealthList),
            Operation("GET", "/v1/machine", "Workers, memory and GPUs of this replica.", self.machine, Machine),
            Operation("GET", "/v1/checks", "What the quick checks of the doctor found.", self.checks, CheckList),
            Operation(
                "GET",
                "/v1/calls",
                "The calls that this replica answered last.",
                self.calls,
                CallList,
                query=(asked.LIMIT,),
            ),
            Operation("GET", "/v1/traffic", "Requests, rows and p99 of this replica now.", self.traffic, Traffic),
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

    async def health(self, request: Request) -> HealthList:
        holder: Holder = request.state.holder
        return await asyncio.to_thread(self._service.health.collect, holder.covers)

    async def health_of(self, name: ModelName) -> ModelHealth:
        """Return the badge of one model."""
        found = await asyncio.to_thread(self._service.health.collect, lambda _: True, [name])
        return found.models[0]

    async def machine(self, _: Request) -> Machine:
        return await asyncio.to_thread(machine_of, self._service.pool, ready=self._service.ready)

    async def checks(self, request: Request) -> CheckList:
        """Return the findings; to a token for some models none: they name others."""
        holder: Holder = request.state.holder
        return self._service.checks.latest() if holder.sees_all else CheckList(None, [])

    async def calls(self, request: Request) -> CallList:
        return self._service.calls.listed(partial(sees, request.state.holder), asked.limit_of(request))

    async def traffic(self, request: Request) -> Traffic:
        return self._service.calls.traffic(partial(sees, request.state.holder))

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
        service = self._service
        past = [*service.drift_files.past(version.id), *service.drift.past(version.id)][-MAX_PAST:]
        return of_version(version, service.drift, past, values=service.settings.keep_values, only=only)

    async def warnings(self, request: Request) -> dict[str, str]:
        return await asyncio.to_thread(LocalModels(self._service.store).warnings, asked.name_of(request))

    async def picture(self, request: Request) -> Response:
        name, number = asked.name_of(request), asked.number_of(request.path_params["number"])
        version = await asyncio.to_thread(self._service.store.get, name, number)
        return picture(await asyncio.to_thread(drawn.path_of, version, request.path_params["file"]))

    def _judged(self, version: VersionId) -> CardDrift | None:
        return for_card(self._service.drift.judgements(), version)
