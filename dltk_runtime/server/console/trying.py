"""*Try it*: rows of a form go through a model, by the way that every door takes, and come back as a page."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dltk_runtime.access.holder import Right
from dltk_runtime.apply.apply import Applied
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call
from dltk_runtime.call import Request as Sent
from dltk_runtime.errors import DataInvalid, DltkError
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.payload import Form, Forms, Payload
from dltk_runtime.server import protocol
from dltk_runtime.server.console import forms, results
from dltk_runtime.server.console.entrance import Entrance
from dltk_runtime.server.console.failures import FailedCell, cell_of
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.doors.asked import version_of
from dltk_runtime.server.doors.door import Books, Door, Wanted
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.service.service import Service
from dltk_runtime.store.view import ModelView

PAGE = "/ui/models/{algorithm}/{model}/try"
MAX_BYTES = 2 * 1024**2  # of the form, with the rows
MAX_KEPT_CHARACTERS = 100_000  # of pasted rows that stay in the form of the answer
MARK = b"\xef\xbb\xbf"  # with which some programs begin a file in UTF-8
NO_ROWS = "There are no rows: paste CSV with a line of field names, or choose a file."


class Trying(Door):
    """The door of one try: it keeps what came of it."""

    route = "/ui/try"

    def __init__(self, service: Service, books: Books) -> None:
        super().__init__(service, books)
        self.applied: Applied | None = None
        self.error: DltkError | None = None
        self.sentence = ""

    async def asked(self, request: Request, _: Upload) -> Sent:
        """Take the rows of the form: those of a file, else those that were pasted.

        Raises:
            DataInvalid: there are none.
        """
        form = request.state.form
        rows = forms.bytes_of(form.get("file", "") or form.get("rows", "")).removeprefix(MARK)
        if not rows.strip():
            raise DataInvalid(NO_ROWS)
        path = request.path_params
        wanted = Wanted(ModelName(path["algorithm"], path["model"]), version_of(form.get("version") or None))
        return wanted.request(Payload(rows, escaped=False), Forms(Form.CSV, Form.CSV), {})

    def answered(self, _: Sent, applied: Applied, /) -> Response:
        """Keep the results."""
        self.applied = applied
        return Response()

    def refused(self, request: Request, error: DltkError) -> Response:
        """Keep the error; only the status of the answer counts."""
        self.error, self.sentence = error, error.sentence
        return super().refused(request, error)

    def fault(self, request: Request, call: Call) -> Response:
        """Keep the sentence; only the status of the answer counts."""
        self.sentence = protocol.fault_sentence(call.id)
        return super().fault(request, call)


class Tries:
    """The pages on which models are tried."""

    def __init__(self, service: Service, api: V1Api, entrance: Entrance) -> None:
        self._service = service
        self._api = api
        self._entrance = entrance

    def route(self) -> Route:
        """Return the route of the form that is sent; `form` is the page that shows it."""
        return Route(PAGE, self._entrance.changing(self.tried, Right.APPLY, MAX_BYTES), methods=["POST"])

    async def form(self, request: Request, visitor: Visitor) -> Response:
        """Show the form."""
        return await self._page(request, visitor, version=request.query_params.get("version", ""))

    async def tried(self, request: Request, visitor: Visitor) -> Response:
        """Apply the model to the rows; show the results, or what is wrong with the cell and line."""
        door = Trying(self._service, self._api.rows.books)
        answer = await door.handle(request)
        sent = request.state.form
        pasted = "" if sent.get("file") else sent.get("rows", "")
        table = await asyncio.to_thread(results.table_of, door.applied.results.view()) if door.applied else None
        return await self._page(
            request,
            visitor,
            answer.status_code,
            version=sent.get("version", ""),
            pasted=pasted if len(pasted) <= MAX_KEPT_CHARACTERS else "",
            applied=door.applied,
            table=table,
            sentence=door.sentence,
            traceback=getattr(door.error, "traceback", ""),
            cell=await self._cell(request, door.error),
        )

    async def _page(self, request: Request, visitor: Visitor, status: int = 200, **values: Any) -> Response:
        model = await self._api.model(request)
        shown = {"pasted": "", "applied": None, "table": None, "sentence": "", "traceback": "", "cell": None} | values
        fields = await self._fields(request, model, shown["version"])
        return self._entrance.page("try.html", visitor, status, model=model, fields=fields, **shown)

    async def _fields(self, request: Request, model: ModelView, version: str) -> list[str]:
        """Return the fields that the version reads; none where that is not known."""
        number = version or str(model.current or "")
        of_version = Request({**request.scope, "path_params": {**request.path_params, "number": number}})
        try:
            manifest = (await self._api.version(of_version)).manifest if number.isdigit() else None
        except DltkError:  # damaged or removed, which the answer to rows says
            return []
        return [each.name for each in manifest.features if each.name not in manifest.targets] if manifest else []

    async def _cell(self, request: Request, error: DltkError | None) -> FailedCell | None:
        if not isinstance(error, AlgorithmFailed):
            return None
        paths = self._service.settings.paths
        return await asyncio.to_thread(cell_of, error.coordinates, request.path_params["algorithm"], paths)
