"""Pass requests on to the old container, and its answers back: status, type and bytes as they are."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from dltk_runtime import logs
from dltk_runtime.access.actor import NOBODY
from dltk_runtime.server.request_id import request_id
from dltk_runtime.server.shadow.kept import KeptRequest, KeptRoom
from dltk_runtime.server.shadow.pace import Pace
from dltk_runtime.server.shadow.upstream import AnswerCut, Body, Header, NoAnswer, Upstream, UpstreamAnswer

# Headers of a request that go with it; cookies, which are the console's, do not.
PASSED_ON = {
    b"accept",
    b"accept-encoding",
    b"authorization",
    b"content-encoding",
    b"content-type",
    b"traceparent",
    b"tracestate",
    b"user-agent",
    b"x-dltk-shadow",
    b"x-request-id",
}
# Headers of an answer that go back with it. What it may do in a browser is not the old container's to say.
PASSED_BACK = {b"content-disposition", b"content-encoding", b"content-type", b"retry-after", b"www-authenticate"}
HARMLESS = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox")]
MARK = b"x-dltk-shadow"  # on each forwarded request, with who forwarded it
UNREACHABLE, CUT, GONE = "unreachable", "cut", "hung up"  # outcomes beside the status of an answer
OUTCOMES = ("answered", UNREACHABLE, CUT, GONE)


class Forwarding:
    """Forwards the requests of one server.

    `begun` takes each fit and apply before the old container gets it, `done` after its answer is on
    its way to the client.
    """

    def __init__(
        self,
        upstream: Upstream,
        token: str,
        room: KeptRoom,
        pace: Pace,
        begun: Callable[[KeptRequest], None],
        done: Callable[[KeptRequest], None],
    ) -> None:
        self._upstream = upstream
        self._token = token.encode()
        self._room = room
        self._pace = pace
        self._begun = begun
        self._done = done
        self._mark = secrets.token_hex(8).encode()
        self.counts = dict.fromkeys(OUTCOMES, 0)

    async def post(self, request: Request, whole: bytes | None = None) -> Response:
        """Forward a fit or an apply, and keep what is compared later; `whole` is its body if it was read."""
        headers = self._headers(request)
        authorization = next((value for name, value in headers if name == b"authorization"), b"")
        actor = getattr(request.state, "actor", NOBODY)
        kept = KeptRequest(self._room, request.url.path, request_id(request.scope), authorization, actor)
        if whole is None:
            body = Body(_copied(request, kept), _announced(request))
        else:
            body = Body.whole(whole)
            kept.add_sent(whole)
            kept.complete = True
        return await self._forward(request, "POST", headers, body, kept)

    async def get(self, request: Request) -> Response:
        """Forward ``GET /summary`` or ``GET /``."""
        return await self._forward(request, "GET", self._headers(request), Body(None, None))

    async def picture(self, request: Request) -> Response:
        """Forward ``GET /graphics/<file>``, which needs no token: none of ours goes with it."""
        if request.path_params["file"] in (".", ".."):
            raise HTTPException(404, "There is no such picture.")
        headers = [(name, value) for name, value in self._headers(request) if name != b"authorization"]
        return await self._forward(request, "GET", headers, Body(None, None))

    def _headers(self, request: Request) -> list[Header]:
        """Return the headers that go with a request, with the old container's token where one is set."""
        passed = [(name, value) for name, value in request.headers.raw if name in PASSED_ON]
        if self._token:
            passed = [(name, value) for name, value in passed if name != b"authorization"]
            passed.append((b"authorization", self._token))
        return [*passed, (MARK, self._mark)]

    async def _forward(
        self, request: Request, method: str, headers: list[Header], body: Body, kept: KeptRequest | None = None
    ) -> Response:
        if (MARK, self._mark) in request.headers.raw:
            await body.read_rest()
            text = f"DLTK_SHADOW={self._upstream.shown} is this container itself. Name the old container there."
            return JSONResponse({"detail": text}, 508)
        ended = _Ended(self, kept, request)
        try:
            answer = await _unless_gone(request, body, self._upstream.send(method, _path(request), headers, body))
        except NoAnswer as error:
            ended(UNREACHABLE, str(error))
            text = f"The old container (DLTK_SHADOW={self._upstream.shown}) does not answer: {error}."
            return JSONResponse({"detail": text}, 502)
        except ClientDisconnect:
            ended(GONE)
            return Response(b"")
        except BaseException:
            ended(GONE)
            raise
        return _Passed(answer, ended)

    def open(self, kept: KeptRequest | None) -> None:
        """Note that a request is on its way."""
        self._pace.opened()
        if kept is not None:
            self._begun(kept)

    def end(self, kept: KeptRequest | None, outcome: str) -> None:
        """Note that it has ended."""
        self.counts[outcome] += 1
        self._pace.closed()
        if kept is not None:
            kept.gone = outcome == GONE
            asyncio.get_running_loop().call_soon(self._done, kept)  # at its next turn the answer is on its way


class _Ended:
    """Takes the end of one forwarded request, once, and logs it."""

    def __init__(self, forwarding: Forwarding, kept: KeptRequest | None, request: Request) -> None:
        self.kept = kept
        self._forwarding = forwarding
        self._began = time.monotonic()
        self._route = request.url.path
        self._request = request_id(request.scope)
        self._over = False
        forwarding.open(kept)

    def __call__(self, outcome: str, reason: str | None = None, status: int | None = None) -> None:
        if self._over:
            return
        self._over = True
        self._forwarding.end(self.kept, outcome)
        seconds = round(time.monotonic() - self._began, 6)
        facts: dict[str, Any] = {"outcome": outcome, "status": status, "reason": reason}
        logs.event("forwarded", request=self._request, route=self._route, seconds=seconds, **facts)


class _Passed(Response):
    """The old container's answer, sent on as it comes."""

    def __init__(self, answer: UpstreamAnswer, ended: _Ended) -> None:
        super().__init__(status_code=answer.status)
        self._answer = answer
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        answer, kept, outcome = self._answer, self._ended.kept, CUT
        if kept is not None:
            kept.status = answer.status
        headers = [(name, value) for name, value in answer.headers if name in PASSED_BACK or name == b"content-length"]
        if scope["path"].startswith("/graphics/"):
            headers += HARMLESS
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for piece in answer.body():
                if kept is not None:
                    kept.add_answer(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if kept is not None:
                kept.end_answer()
            outcome = "answered"
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except AnswerCut as error:  # the server then closes the connection: the client sees what we saw
            self._ended(CUT, str(error), answer.status)
            raise ConnectionAbortedError(f"the old container's answer was cut: {error}") from error
        finally:
            answer.close()
            self._ended(outcome, status=answer.status)


async def _copied(request: Request, kept: KeptRequest) -> AsyncIterator[bytes]:
    """Yield a request's body while it arrives, and keep it."""
    async for chunk in request.stream():
        kept.add_sent(chunk)
        yield chunk
    kept.complete = True


async def _unless_gone(request: Request, body: Body, sending: Coroutine[Any, Any, UpstreamAnswer]) -> UpstreamAnswer:
    """Return the answer; give it up when the client hangs up before it begins.

    Raises:
        ClientDisconnect: it did.
        NoAnswer: there is none.
    """
    answered, gone = asyncio.ensure_future(sending), asyncio.ensure_future(_hung_up(request, body))
    try:
        await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise ClientDisconnect
        return answered.result()
    finally:
        gone.cancel()
        answered.cancel()


async def _hung_up(request: Request, body: Body) -> None:
    """Wait until the client is gone; its body is read by somebody else."""
    await body.over.wait()
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _announced(request: Request) -> int | None:
    """Return the Content-Length; None if the body comes in chunks."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None


def _path(request: Request) -> str:
    """Return the path with its query, encoded; a picture's name cannot leave its folder."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"]) + (f"?{query}" if query else "")
