"""Run a request as long as somebody waits for it, and answer it piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from dltk_runtime.call import Call
from dltk_runtime.server.connection import KEY, BoundedConnection
from dltk_runtime.service.service import Service
from dltk_runtime.store import drawn

PIECE_BYTES = 1024**2  # of a large answer that are given to the connection at once
Result = TypeVar("Result")


async def unless_gone(request: Request, call: Call, running: Awaitable[Result], service: Service) -> Result:
    """Run a call to its end; drop it when the client hangs up while it still waits for a worker.

    Raises:
        ClientDisconnect: it was dropped.
    """
    task = asyncio.current_task()
    connection: BoundedConnection = request.scope[KEY]
    dropped = False

    def hang_up() -> None:
        nonlocal dropped
        if not call.given_up():
            service.hung_up(call)
        elif task is not None:
            dropped = task.cancel()

    connection.when_lost(hang_up)
    try:
        return await running
    except asyncio.CancelledError:
        if dropped and task is not None and not task.uncancel():
            raise ClientDisconnect from None
        raise  # the server stops
    finally:
        connection.when_lost(None)


def response_of(
    pieces: Sequence[bytes | memoryview],
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make the response of some pieces; a large one is given to the connection piece by piece."""
    size = sum(map(len, pieces))
    if size <= PIECE_BYTES:
        return Response(b"".join(pieces), media_type=media_type, headers=headers)
    sized = {**(headers or {}), "content-length": str(size)}
    return StreamingResponse(_stream(pieces), media_type=media_type, headers=sized)


def picture(path: Path | None) -> Response:
    """Make the response with a picture that a notebook drew.

    Raises:
        HTTPException: there is none, or the file is something else.
    """
    if path is None or (opened := drawn.opened(path)) is None:
        raise HTTPException(404, "There is no such picture.")
    return _Opened(*opened)


class _Opened(FileResponse):
    """The answer with a file that is open: the one that was found to be a picture, whatever has its name now."""

    def __init__(self, file: IO[bytes], kind: str) -> None:
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        super().__init__(f"/proc/self/fd/{file.fileno()}", media_type=kind, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


async def _stream(pieces: Sequence[bytes | memoryview]) -> AsyncIterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), PIECE_BYTES):
            yield bytes(piece[start : start + PIECE_BYTES])
