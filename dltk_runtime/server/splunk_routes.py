"""The routes: Splunk's own, and the two probes. Endpoints raise; one handler answers.

On Splunk's routes every failure but a wrong token is HTTP 200 with ``status: "error"``: on any
other status the search shows only that it could not read JSON (protocol 1).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dltk_runtime import __version__, logs
from dltk_runtime.access.errors import RightMissing
from dltk_runtime.access.holder import INSIDE, Holder, Right, listed
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call
from dltk_runtime.call import Request as Sent
from dltk_runtime.errors import DltkError, RequestError, cut
from dltk_runtime.server import body, forecast_routes, metrics, protocol, refusals, tracing, v1_routes
from dltk_runtime.server.admission import Admission
from dltk_runtime.server.answering import picture, response_of, unless_gone
from dltk_runtime.server.by_path import by_path
from dltk_runtime.server.console.pages import Console
from dltk_runtime.server.console.session import Sessions
from dltk_runtime.server.doors import routes as door_routes
from dltk_runtime.server.doors import wording
from dltk_runtime.server.doors.door import Books
from dltk_runtime.server.entry import admit
from dltk_runtime.server.errors import OUTCOME_GONE
from dltk_runtime.server.mcp import routes as mcp_routes
from dltk_runtime.server.protocol import Answer
from dltk_runtime.server.request_id import RequestIds, request_id
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.service import Service

if TYPE_CHECKING:
    from dltk_runtime.server.shadow.shadow import Shadowing

RIGHTS = {"/fit": Right.FIT, "/apply": Right.APPLY}
MAX_LOGGED_PATH = 500  # characters: container engines cut lines of a log at 16 KiB
Run = Callable[[Sent, Call, Upload], Awaitable[Answer]]


def application(
    service: Service,
    admission: Admission,
    tokens: Tokens,
    sessions: Sessions | None = None,
    shadow: Shadowing | None = None,
) -> RequestIds:
    """Make the application: Splunk's routes, the probes, our own API, and the console with `sessions`.

    With `shadow` the old container answers Splunk's routes.
    """
    api = _Api(service, admission, tokens, shadow, console=sessions is not None)
    own = v1_routes.V1Api(service, tokens, api.books, shadow)
    pages = Console(service, own, sessions).routes() if sessions is not None else []
    routes = [
        Route("/apply", api.apply, methods=["POST"]),
        Route("/fit", api.fit, methods=["POST"]),
        Route("/compute", api.compute, methods=["POST"]),
        Route("/summary", api.summary, methods=["GET"]),
        Route("/", api.summary, methods=["GET"]),
        Route("/graphics/{file}", api.graphic, methods=["GET"]),
        Route("/metrics", api.metrics, methods=["GET"]),
        Route("/livez", alive, methods=["GET"]),
        Route("/readyz", api.ready, methods=["GET"]),
    ]
    every = [
        *routes,
        *door_routes.routes(service, api.check_token, api.books),
        *mcp_routes.routes(service, api.check_token, api.books),
        *forecast_routes.ForecastApi(service, tokens, api.account).routes(),
        *own.routes(),
        *pages,
    ]
    app = Starlette(routes=by_path(every), exception_handlers={HTTPException: api.refuse, Exception: api.refuse})
    app.router.redirect_slashes = False  # clients do not follow it for a POST, and it would name the request's host
    return RequestIds(app)


async def alive(_: Request) -> Response:
    """Answer: the event loop runs."""
    return JSONResponse({"status": "ok"})


class _Api:
    def __init__(
        self, service: Service, admission: Admission, tokens: Tokens, shadow: Shadowing | None, *, console: bool
    ) -> None:
        self._console = console
        self._shadow = shadow
        self._service = service
        self._tokens = tokens
        self._settings = service.settings
        self._metrics = metrics.Metrics(service, admission, tokens, shadow)
        self._tracing = tracing.Tracing.of(service.settings)

    @property
    def books(self) -> Books:
        """Where requests of other routes are counted."""
        return Books(self.account, self._metrics.refused)

    async def fit(self, request: Request) -> Response:
        return await self._serve(request, "/fit", self._service.fit)

    async def apply(self, request: Request) -> Response:
        return await self._serve(request, "/apply", self._service.apply)

    async def summary(self, request: Request) -> Response:
        if self._console and request.url.path == "/" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/ui", 303)  # a browser; Splunk's clients name no type, or JSON
        holder = self._admit(request)
        if (
            self._shadow is not None and holder.sees_all
        ):  # of which model the old container's answer is, it does not say
            return await self._shadow.get(request)
        described = await self._service.description(holder)
        fields = {
            "app": protocol.APP,
            "runtime": "dltk-runtime",
            "version": __version__,
            "model": described.model,
            "token": "valid",
            "model_summary": described.model_summary,
        }
        return Response(protocol.summary(fields), media_type="application/json")

    async def compute(self, _: Request) -> Response:
        raise HTTPException(410, "The route /compute was retired in DSDL 5.2.4.1; use fit and apply.")

    async def ready(self, _: Request) -> Response:
        if self._service.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        if not await asyncio.to_thread(self._service.store.present):
            return JSONResponse({"status": "the volume with the models is gone"}, 503)
        ready = self._service.ready
        return JSONResponse({"status": "ok" if ready else "loading models"}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        holder = INSIDE if self._settings.open_metrics else self._admit(request, Right.READ)
        return Response(await asyncio.to_thread(self._metrics.text, holder), media_type=metrics.CONTENT_TYPE)

    async def graphic(self, request: Request) -> Response:
        """Send a picture that a notebook stored.

        It needs no token: dashboards embed it in <img>, which sends no header.
        """
        if self._shadow is not None:
            return await self._shadow.picture(request)
        return picture(self._settings.paths.graphics / request.path_params["file"])

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Read the body, then answer with the error raised before; log it without headers.

        Of a fault, whose traceback uvicorn logs, Starlette keeps no body to read.
        """
        call, reason = request_id(request.scope), refusals.reason_of(error)
        if isinstance(error, HTTPException):
            refusal = error
            await body.discard(request)
        else:
            refusal = HTTPException(500, protocol.fault_sentence(call))
        self._metrics.refused(reason)
        client = request.client.host if request.client else None
        path = request.url.path[:MAX_LOGGED_PATH]
        fields = {"method": request.method, "path": path, "status": refusal.status_code, "client": client}
        cause = error.__cause__
        detail = cause.worded(self._settings.error_texts) if isinstance(cause, DltkError) else refusal.detail
        logs.event("refused", logging.WARNING, request=call, reason=reason, detail=cut(detail), **fields)
        body_of = wording.refusal(request.url.path, refusal.status_code, refusal.detail)
        return JSONResponse(body_of, refusal.status_code, headers=refusal.headers)

    def check_token(self, request: Request) -> None:
        """Check the token of a request whose body is not read yet.

        Raises:
            HTTPException: it is missing or wrong.
        """
        self._admit(request)

    def _admit(self, request: Request, right: Right | None = None) -> Holder:
        """Return who calls.

        Raises:
            HTTPException: 401 without an accepted token, 403 without the right.
        """
        holder = admit(request, self._tokens)
        try:
            if right is not None:
                holder.check(right)
        except RightMissing as error:
            raise HTTPException(error.http_status, error.sentence) from error
        return holder

    async def _serve(self, request: Request, route: str, run: Run) -> Response:
        """Receive a request, run it, and answer it."""
        holder = self._admit(request)
        call = Call(request_id(request.scope), route, holder=holder, actor=request.state.actor)
        began = time.monotonic()
        upload = self._service.upload(route)
        try:
            if not holder.may(right := RIGHTS[route]):
                await body.discard(request)
                raise RightMissing(holder.name, right, listed(holder.rights))
            if self._shadow is not None:
                return await self._shadow.post(request, holder)
            sent = await body.receive(request, self._settings.max_body, upload)
            call.client = request.client.host if request.client else "", sent.origin
            call.meta = sent.meta
            answer = await unless_gone(request, call, run(sent, call, upload), self._service)
            pieces, outcome = protocol.answered(route, answer), "success"
        except DltkError as error:
            pieces, outcome = protocol.failed(route, error), error.worded(self._settings.error_texts)
            if isinstance(error, RequestError):
                self._metrics.refused(refusals.reason_of(error))
        except ClientDisconnect:
            pieces, outcome = [b""], OUTCOME_GONE
        except Exception:  # noqa: BLE001 - Splunk shows no other answer than this route's own, not even a 500's
            logs.log.exception("fault in the runtime", extra={"fields": {"request": call.id}})
            self._metrics.refused(refusals.FAULT)
            pieces, outcome = protocol.fault(route, call.id), "fault"
        finally:
            upload.close()
        # Not now: at its next turn the event loop has the answer on its way.
        asyncio.get_running_loop().call_soon(self.account, call, outcome, time.monotonic() - began)
        return response_of(pieces)

    def account(self, call: Call, outcome: str, seconds: float) -> None:
        """Count, log, trace and report how a request went."""
        self._metrics.answered(call, outcome if outcome == "success" else "error", seconds)
        self._service.calls.add(call, outcome, seconds)
        _log(call, outcome, seconds)
        if self._tracing is not None:
            self._tracing.answered(call, outcome, seconds)
        if outcome not in ("success", OUTCOME_GONE):
            self._service.failed(call, cut(outcome))


def _log(call: Call, outcome: str, seconds: float) -> None:
    phases = {phase: round(spent, 6) for phase, spent in call.facts.phases.items()}
    level = logging.INFO if outcome == "success" and call.facts.damage is None else logging.WARNING
    facts = call.facts.known()
    logs.event(call.route, level, request=call.id, outcome=outcome, seconds=round(seconds, 6), phases=phases, **facts)
