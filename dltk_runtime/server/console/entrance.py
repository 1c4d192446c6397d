"""The way into the console: signing in and out, who sees a page, and who may change something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dltk_runtime.access.errors import RightMissing
from dltk_runtime.access.holder import Right
from dltk_runtime.errors import DltkError
from dltk_runtime.server import body
from dltk_runtime.server.console import forms, render, streams
from dltk_runtime.server.console.session import COOKIE, SESSION_SECONDS, Sessions, Throttle, Visitor
from dltk_runtime.server.guard import Guard

MAX_FORM_BYTES = 8 * 1024
OTHER_FORM = "This form is not of your session. Go back, load the page again."
READS_ALONE = "This session may read alone. Sign in with DLTK_ADMIN_TOKEN, or with a token that has the right '{}'."
TOO_LARGE = "This is larger than the {:,} KiB that a page takes. Send fewer rows, or send them to /v1."
Handler = Callable[[Request, Visitor], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Entrance:
    """Leads visitors to handlers of pages."""

    def __init__(self, guard: Guard, sessions: Sessions, *, clustered: bool = False) -> None:
        self._guard = guard
        self._sessions = sessions
        self._clustered = clustered  # whether pages lead to that of the machines
        self._throttle = Throttle()

    def seen(self, handler: Handler) -> Endpoint:
        """Return the endpoint of a page; who is not signed in is led to the form."""

        async def endpoint(request: Request) -> Response:
            visitor = self._visitor(request)
            if visitor is None and streams.KIND in request.headers.get("accept", ""):
                return streams.ended()
            if visitor is None:
                return RedirectResponse(f"/ui/sign-in?to={quote(request.url.path, safe='/')}", 303)
            return await self._handled(handler, request, visitor, Right.READ)

        return endpoint

    def changing(self, handler: Handler, right: Right, limit: int = MAX_FORM_BYTES) -> Endpoint:
        """Return the endpoint of a form of up to `limit` bytes, which its own session alone may send.

        The handler finds the fields in `request.state.form`.
        """

        async def endpoint(request: Request) -> Response:
            visitor = self._visitor(request)
            if visitor is None:
                await body.discard(request)
                return RedirectResponse("/ui/sign-in", 303)
            form = await forms.received(request, limit)
            if form is None:
                return await render.written(self.problem(visitor, TOO_LARGE.format(limit // 1024), 413), request)
            request.state.form = form
            if not self._sessions.is_form_of(visitor.session, form.get("form", "")):
                return await render.written(self.problem(visitor, OTHER_FORM, 403), request)
            return await self._handled(handler, request, visitor, right, form.get("reason", ""))

        return endpoint

    async def _handled(
        self, handler: Handler, request: Request, visitor: Visitor, right: Right, reason: str = ""
    ) -> Response:
        return await render.written(await self._answer(handler, request, visitor, right, reason), request)

    async def _answer(
        self, handler: Handler, request: Request, visitor: Visitor, right: Right, reason: str
    ) -> Response:
        request.state.holder, request.state.actor = visitor.holder, visitor.actor.because(reason)
        try:
            await asyncio.to_thread(self._guard.check, request, visitor.holder, right)
            return await handler(request, visitor)
        except RightMissing as error:
            alone = visitor.holder.rights == {Right.READ}
            return self.problem(visitor, READS_ALONE.format(right) if alone else error.sentence, 403)
        except DltkError as error:
            return self.problem(visitor, error.sentence, error.http_status)
        except HTTPException as error:
            return self.problem(visitor, str(error.detail), error.status_code)

    def watcher(self, request: Request) -> Callable[[], bool]:
        """Return what says whether who sent a request is signed in still."""
        return lambda: self._visitor(request) is not None

    def page(self, name: str, visitor: Visitor, status: int = 200, **values: Any) -> Response:
        """Return a page for somebody who is signed in, yet to be written."""
        form, here = self._sessions.form_token(visitor.session), name.removesuffix(".html")
        always = {"session": visitor, "form": form, "here": here, "clustered": self._clustered}
        return render.Unwritten(name, status, {**always, **values})

    def problem(self, visitor: Visitor, sentence: str, status: int) -> Response:
        """Return the page that says what is wrong."""
        return self.page("problem.html", visitor, status, sentence=sentence)

    async def form(self, request: Request) -> Response:
        """Show the form that asks for a token."""
        return self._asking(_target(request), "")

    async def sign_in(self, request: Request) -> Response:
        """Take a token, and the name of the person for the history."""
        to = _target(request)
        form = await forms.received(request, MAX_FORM_BYTES) or {}  # first: attempts at the same time count, too
        address = request.client.host if request.client else ""
        if (wait := self._throttle.wait(address)) > 0:
            return self._asking(to, f"Too many wrong tokens. Try again in {wait:.0f} s.", 429)
        cookie = self._sessions.begin(form.get("token", ""), form.get("person", ""))
        if not cookie:
            self._throttle.wrong(address)
            return self._asking(to, "This is not a token that is wanted here.", 401)
        answer = RedirectResponse(to, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, cookie, SESSION_SECONDS, path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    async def sign_out(self, _: Request, visitor: Visitor) -> Response:
        """End the session on every replica."""
        await asyncio.to_thread(self._sessions.end, visitor.session)
        answer = RedirectResponse("/ui/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    def _asking(self, to: str, problem: str, status: int = 200) -> Response:
        tokens = self._sessions.tokens
        kinds = {"admin": bool(tokens.admins), "named": bool(tokens.named)}
        return render.page("sign_in.html", status, to=to, problem=problem, **kinds)

    def _visitor(self, request: Request) -> Visitor | None:
        return self._sessions.proxied(request) or self._sessions.visitor(request.cookies.get(COOKIE, ""))


def _target(request: Request) -> str:
    """Return the page that is shown after signing in: one of ours, whatever the query says."""
    to = request.query_params.get("to", "/ui")
    return to if to.startswith("/ui") and "//" not in to and "\\" not in to else "/ui"
