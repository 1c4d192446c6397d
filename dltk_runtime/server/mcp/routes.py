"""``POST /mcp``: the token and the size are checked here, the protocol is the helper's."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dltk_runtime import __version__, logs
from dltk_runtime.errors import BodyTooLarge, DltkError, RequestError
from dltk_runtime.pool.environment import hidden_paths
from dltk_runtime.server import body, refusals
from dltk_runtime.server.doors.door import Books
from dltk_runtime.server.doors.wording import refusal
from dltk_runtime.server.mcp.child import Child
from dltk_runtime.server.mcp.tools import ROUTE, ServiceTools
from dltk_runtime.server.mcp.wire import HelperAnswer, Opening
from dltk_runtime.service.service import Service
from dltk_runtime.settings import Settings

MAX_BODY_BYTES = 4 * 1024**2  # of one request: the SDK's own bound
MORE_SECONDS = 30.0  # beyond DLTK_APPLY_TIMEOUT, in which the helper process must answer
PASSED_ON = ("accept", "content-type", "host", "origin")  # and those of the protocol: mcp-…
PASSED_BACK = ("content-type", "allow")  # and those of the protocol
OWN = "mcp-"
JSON = "application/json"
PACKAGE = "mcp"
MISSING = (
    "DLTK_MCP is on, and the package mcp is not installed here. The image has it; "
    "in a clone of dltk-runtime run pip install '.[mcp]'."
)


class SdkMissing(DltkError):
    """This installation has no SDK."""

    http_status = 501


class AskTooLarge(RequestError):
    """More bytes than `MAX_BODY_BYTES`."""

    http_status = 413

    def __init__(self) -> None:
        super().__init__(
            f"A request to /mcp may have {MAX_BODY_BYTES:,} bytes. "
            "Send fewer rows, or use POST /v1/models/{algorithm}/{model}/apply."
        )


class Endpoint:
    """The endpoint of one server."""

    def __init__(self, service: Service, check_token: Callable[[Request], None], books: Books) -> None:
        settings = service.settings
        self._check_token = check_token
        self._books = books
        self._limit = min(MAX_BODY_BYTES, settings.max_body)
        self._tools = ServiceTools(service, books)
        self._child = Child(_opening(settings), settings.apply_timeout + MORE_SECONDS)
        self._missing = importlib.util.find_spec(PACKAGE) is None
        if self._missing:
            logs.event("no MCP", logging.ERROR, error=MISSING)

    async def handle(self, request: Request) -> Response:
        """Answer one request; a failure is an error of JSON-RPC.

        Raises:
            HTTPException: the token is missing or wrong; the body is not read yet.
        """
        self._check_token(request)
        try:
            sent = await self._received(request)
            if self._missing:
                raise SdkMissing(MISSING)
            run = functools.partial(self._tools.run, request)
            return _response(await self._child.ask(_passed_on(request), sent, run))
        except DltkError as error:
            if isinstance(error, RequestError):
                self._books.refused(refusals.reason_of(error))
            return JSONResponse(refusal(ROUTE, error.http_status, error.sentence), error.http_status)

    async def _received(self, request: Request) -> bytes:
        try:
            return await body.receive_whole(request, self._limit)
        except BodyTooLarge as error:
            if self._limit < MAX_BODY_BYTES:
                raise
            raise AskTooLarge from error


def routes(service: Service, check_token: Callable[[Request], None], books: Books) -> list[Route]:
    """Return the route for Starlette; none where `DLTK_MCP` is off."""
    if not service.settings.mcp:
        return []
    return [Route(ROUTE, Endpoint(service, check_token, books).handle, methods=["POST"])]


def _opening(settings: Settings) -> Opening:
    return Opening(list(settings.mcp_hosts), __version__, hidden_paths(settings, os.environ))


def _passed_on(request: Request) -> list[tuple[str, str]]:
    """Return the headers that the helper gets: no token, no cookie."""
    return [(name, text) for name, text in request.headers.items() if name in PASSED_ON or name.startswith(OWN)]


def _response(answer: HelperAnswer) -> Response:
    """Return the answer; what the SDK says in plain words becomes an error of JSON-RPC."""
    headers = {name: text for name, text in answer.headers if name in PASSED_BACK or name.startswith(OWN)}
    if answer.status >= 400 and not headers.get("content-type", "").startswith(JSON):
        words = answer.body.decode("utf-8", "replace") or "The request is none that this server takes."
        return JSONResponse(refusal(ROUTE, answer.status, words), answer.status)
    return Response(answer.body, answer.status, headers)
