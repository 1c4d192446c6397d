"""Receiving a request's body: whole, within a limit, and to its end even when it is refused.

Splunk's client writes everything before it reads anything: an answer that comes earlier reaches it as
a reset connection, and the user never sees the text. So every refusal first takes in what is sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, Request

from dltk_runtime import protocol
from dltk_runtime.errors import BodyTooLarge, RequestError
from dltk_runtime.files.memory import MemoryFile
from dltk_runtime.server import intake

PATIENCE = 4  # a body that nobody wants is taken in up to so many times the limit,
PATIENCE_AT_LEAST = 256 * 1024**2  # or up to so many bytes, before it is answered all the same


def ignore(_file: MemoryFile, _expected: int) -> None:
    """What hears of rows that nobody reads while they arrive."""


async def receive(
    request: Request, limit: int, arrived: Callable[[MemoryFile, int], object] = ignore
) -> protocol.Request:
    """The request in the body, which is taken apart while it arrives when it is large.

    `arrived` hears each time that there is more in the file of its rows, and how much will be in it at most.

    Raises:
        BodyTooLarge: it has more than `limit` bytes.
        BodyInvalid, DataInvalid: it is not what Splunk sends.
        ClientDisconnect: the client hung up half-way.
    """
    stream = request.stream()
    chunks = _limited(stream, limit)
    try:
        if (size := _announced(request)) >= intake.FROM:
            return await intake.decode(chunks, lambda file: arrived(file, size))
        return protocol.decode(b"".join([chunk async for chunk in chunks]))
    except RequestError:
        await _exhaust(stream, limit)
        raise


async def _limited(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """The chunks of a body, until there are more than `limit` bytes of them."""
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        yield chunk


def _announced(request: Request) -> int:
    """The Content-Length; 0 when there is none that can be understood."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0


async def discard(request: Request, limit: int) -> None:
    """Take in a body that nobody will read; a client that hangs up meanwhile is no error."""
    with contextlib.suppress(ClientDisconnect):
        await _exhaust(request.stream(), limit)


async def _exhaust(stream: AsyncIterator[bytes], limit: int) -> None:
    """Take in what is left of a body, as far as patience goes."""
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > max(PATIENCE * limit, PATIENCE_AT_LEAST):
            return
