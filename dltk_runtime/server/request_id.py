"""``X-Request-ID``: taken from a request, returned with its answer, and kept in log and job records.

A request without one, or with one that is no plain text, gets an id of ours, which is not returned.
"""

from __future__ import annotations

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_ID_CHARACTERS = 128
_HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._:/=+-]{1,%d}" % MAX_ID_CHARACTERS)
_KEY = "dltk.request_id"


class RequestIds:
    """Middleware that gives each request its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _given(scope)
        scope[_KEY] = given.decode() if given else secrets.token_hex(6)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_HEADER, given)]
            await send(message)

        await self._app(scope, receive, send_with_id if given else send)


def request_id(scope: Scope) -> str:
    """Return the id of the request of this scope."""
    return str(scope[_KEY])


def _given(scope: Scope) -> bytes:
    """Return the id that a request brings; empty if there is none, or one that is not plain."""
    found = [value for name, value in scope["headers"] if name == _HEADER]
    return found[0] if len(found) == 1 and _ID.fullmatch(found[0]) else b""
