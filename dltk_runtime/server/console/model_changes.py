"""What the page of a model changes: the version that serves, the code of applies, and what is deleted."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dltk_runtime.access.holder import Right
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.store.view import ModelView

WHOLE = "all"  # versions, of the model
PAGE = "/ui/models/{algorithm}/{model}"
NO_REASON = "Say why: the reason stands in the history."
NOT_CONFIRMED = "Nothing was deleted: write the model's name, {}, to confirm."


class ModelChanges:
    """The forms, bound to the operations of `/v1`."""

    def __init__(self, api: V1Api, entrance: Entrance) -> None:
        self._api = api
        self._changes = api.changes
        self._entrance = entrance

    def reading(self) -> dict[str, Handler]:
        """Return the pages by path."""
        return {f"{PAGE}/delete": self.form}

    def changing(self) -> dict[str, tuple[Handler, Right]]:
        """Return the forms by path, with the right that each needs."""
        return {
            f"{PAGE}/promote/{{number}}": (self.promote, Right.PROMOTE),
            f"{PAGE}/rollback": (self.rollback, Right.PROMOTE),
            f"{PAGE}/code": (self.choose_code, Right.PROMOTE),
            f"{PAGE}/delete": (self.delete, Right.ADMIN),
        }

    async def promote(self, request: Request, _: Visitor) -> Response:
        await self._changes.promote(request)
        return RedirectResponse(_address(request), 303)

    async def rollback(self, request: Request, _: Visitor) -> Response:
        await self._changes.rollback(request)
        return RedirectResponse(_address(request), 303)

    async def choose_code(self, request: Request, _: Visitor) -> Response:
        await self._changes.choose_code(_with(request, choice=request.state.form.get("choice", "")))
        return RedirectResponse(_address(request), 303)

    async def form(self, request: Request, visitor: Visitor, sentence: str = "", status: int = 200) -> Response:
        """Show what would be deleted, what stays, and who asks for the model."""
        model = await self._api.model(request)
        asked = (await self._api.views.calls(request)).calls
        mine = [each for each in asked if (each.algorithm, each.model) == (model.algorithm, model.model)]
        sent = getattr(request.state, "form", {})
        shown = {"sentence": sentence, "calls": mine, "reason": sent.get("reason", "")}
        choices = removable(model)
        return self._entrance.page("delete.html", visitor, status, model=model, removable=choices, **shown)

    async def delete(self, request: Request, visitor: Visitor) -> Response:
        """Delete the model or one version, once its name confirms it and there is a reason."""
        sent, name = request.state.form, request.path_params["model"]
        if not sent.get("reason", "").strip():
            return await self.form(request, visitor, NO_REASON, 400)
        if sent.get("confirm", "").strip() != name:
            return await self.form(request, visitor, NOT_CONFIRMED.format(name), 400)
        if (number := sent.get("version", "")) != WHOLE:
            await self._changes.delete_version(_with(request, number=number))
            return RedirectResponse(_address(request), 303)
        await self._changes.delete(request)
        return RedirectResponse("/ui/models", 303)


def removable(model: ModelView) -> list[int]:
    """Return the versions of which one may be deleted by itself, as far as a view knows: not the current one."""
    return [each.number for each in model.versions if each.number != model.current]


def _with(request: Request, **names: str) -> Request:
    """Return the request with more in its path, as the route of `/v1` has it."""
    return Request({**request.scope, "path_params": {**request.path_params, **names}})


def _address(request: Request) -> str:
    names = (quote(request.path_params[name], safe="") for name in ("algorithm", "model"))
    return "/ui/models/" + "/".join(names)
