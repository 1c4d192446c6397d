"""Changes of models under ``/v1``: which version serves, which code applies run, what is removed."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dltk_runtime.access.actor import Actor
from dltk_runtime.access.holder import Right
from dltk_runtime.server import v1_asked as asked
from dltk_runtime.server.openapi import Operation
from dltk_runtime.service.service import Service
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.store.view import ModelView


class Changes:
    """The changes of one service's models."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> list[Operation]:
        """List the routes, in the order of the document."""
        model = "/v1/models/{algorithm}/{model}"
        return [
            Operation(
                "DELETE",
                f"{model}/versions/{{number}}",
                "Delete one version that neither is current nor was so before.",
                self.delete_version,
                ModelView,
                Right.ADMIN,
                query=(asked.REASON,),
            ),
            Operation(
                "POST",
                f"{model}/promote/{{number}}",
                "Make a version current.",
                self.promote,
                ModelView,
                Right.PROMOTE,
                query=(asked.REASON,),
            ),
            Operation(
                "POST",
                f"{model}/rollback",
                "Back to the version before.",
                self.rollback,
                ModelView,
                Right.PROMOTE,
                query=(asked.REASON,),
            ),
            Operation(
                "POST",
                f"{model}/code/{{choice}}",
                "Choose the code of applies: pinned (the version's), live (the notebook's), or auto.",
                self.choose_code,
                ModelView,
                Right.PROMOTE,
                query=(asked.REASON,),
            ),
        ]

    async def promote(self, request: Request) -> ModelView:
        name, number = asked.name_of(request), asked.number_of(request.path_params["number"])
        actor: Actor = request.state.actor
        view = await asyncio.to_thread(self._models(actor).promote, name, number, actor.reason)
        version = await asyncio.to_thread(self._service.store.get, name, number)
        self._service.promoted(version, "promote", actor)
        return view

    async def rollback(self, request: Request) -> ModelView:
        name = asked.name_of(request)
        actor: Actor = request.state.actor
        view = await asyncio.to_thread(self._models(actor).rollback, name, actor.reason)
        version = await asyncio.to_thread(self._service.store.serving_or_0, name)
        self._service.promoted(version, "rollback", actor)
        return view

    async def choose_code(self, request: Request) -> ModelView:
        """Store the choice in the path.

        Raises:
            HTTPException: it is none.
            VersionUnknown, NotStored: as `ModelStore.choose_code`.
        """
        if (choice := request.path_params["choice"]) not in asked.CHOICES:
            raise HTTPException(404, f"The code of applies is one of {', '.join(asked.CHOICES)}.")
        actor: Actor = request.state.actor
        name = asked.name_of(request)
        return await asyncio.to_thread(self._models(actor).choose_code, name, asked.CHOICES[choice], actor.reason)

    async def delete(self, request: Request) -> None:
        """Remove a model with all its versions."""
        await asyncio.to_thread(self._service.delete, asked.name_of(request), request.state.actor)

    async def delete_version(self, request: Request) -> ModelView:
        name, number = asked.name_of(request), asked.number_of(request.path_params["number"])
        actor: Actor = request.state.actor
        return await asyncio.to_thread(self._models(actor).delete_version, name, number, actor.reason)

    def _models(self, actor: Actor) -> LocalModels:
        return LocalModels(self._service.store, actor)
