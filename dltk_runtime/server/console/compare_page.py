"""The page that compares two versions of a model, and the pictures on it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.v1_views import Views

MAX_NAMED = 200  # rows of a table of differences


class ComparePage:
    """The page, from the view of `/v1`."""

    def __init__(self, views: Views, entrance: Entrance) -> None:
        self._views = views
        self._page = entrance.page

    def reading(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        model = "/ui/models/{algorithm}/{model}"
        return {
            f"{model}/compare": self.compare,
            f"{model}/versions/{{number}}/pictures/{{file}}": self.picture,
        }

    async def compare(self, request: Request, session: Visitor) -> Response:
        """Show the two versions that the query names as `old` and `new`."""
        old, new = (request.query_params.get(name, "") for name in ("old", "new"))
        if not old or not new:
            raise HTTPException(400, "Choose two versions on the model's page.")
        return self._page("compare.html", session, found=await self._views.compared(request, old, new), most=MAX_NAMED)

    async def picture(self, request: Request, _: Visitor) -> Response:
        """Send a picture that a version's fit drew."""
        return await self._views.picture(request)
