"""Live parts of pages as server-sent events. What several browsers watch is made once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from dltk_runtime.server.console import render
from dltk_runtime.service.service import Service

MAX_STREAMS = 50  # live pages at a time
LIVE_SECONDS = 0.5  # between two looks
SHARED_SECONDS = 0.9 * LIVE_SECONDS  # for which a part is also that of other browsers
QUIET_SECONDS = 15.0  # after which proxies end a stream that says nothing
SESSION_SECONDS = 5.0  # between two looks whether the session goes on
KIND = "text/event-stream"
DONE = b"event: done\ndata: done\n\n"  # the page opens no other stream
ENDED = '<p role="alert" class="problem">The session has ended. <a href="/ui/sign-in">Sign in</a> again.</p>'
Part = tuple[str, bool]  # HTML, and whether more may come
Make = Callable[[], Awaitable[Part]]


class Streams:
    """All open streams of one server; they end when it stops."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = 0
        self._shared: dict[Hashable, tuple[float, asyncio.Future[Part]]] = {}

    def answer(self, key: Hashable, make: Make, signed_in: Callable[[], bool]) -> Response:
        """Return the answer that sends the part of `key` at each change; `make` makes it now.

        It ends when the server stops, and soon after the browser is `signed_in` no more, which the page then says.

        Raises:
            HTTPException: too many are open.
        """
        if self._open >= MAX_STREAMS:
            raise HTTPException(503, "Too many live pages are open. Load the page again later.")
        headers = render.HEADERS | {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(key, make, signed_in), media_type=KIND, headers=headers)

    async def part(self, key: Hashable, make: Make) -> Part:
        """Return what `make` makes, or what it made a moment ago for another browser."""
        now = asyncio.get_running_loop().time()
        known = self._shared.get(key)
        if known is None or now - known[0] >= SHARED_SECONDS:
            if len(self._shared) > 2 * MAX_STREAMS:
                self._shared.clear()  # of pages that nobody watches any more
            known = self._shared[key] = now, asyncio.ensure_future(make())
        return await asyncio.shield(known[1])  # who leaves takes it from nobody

    async def _events(self, key: Hashable, make: Make, signed_in: Callable[[], bool]) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            last, said, looked = "", 0.0, asyncio.get_running_loop().time()
            while not self._service.stopping:
                part, more = await self.part(key, make)
                now = asyncio.get_running_loop().time()
                if now - looked > SESSION_SECONDS:
                    looked = now
                    if not await asyncio.to_thread(signed_in):
                        yield event(ENDED) + DONE
                        return
                if part != last:
                    yield event(part)
                elif now - said > QUIET_SECONDS:
                    yield b": nothing new\n\n"
                else:
                    now = said
                said = now
                if not more:
                    yield DONE
                    return
                last = part
                await asyncio.sleep(LIVE_SECONDS)
        finally:
            self._open -= 1
            if not self._open:
                self._shared.clear()


def ended() -> Response:
    """Return the answer to a page whose session ended before it asked for its stream again."""
    return Response(event(ENDED) + DONE, media_type=KIND, headers=render.HEADERS)


def event(text: str) -> bytes:
    """Return a text as one server-sent event."""
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.splitlines()) + b"\n"
