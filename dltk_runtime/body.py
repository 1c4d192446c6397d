"""Receiving a request's body: whole, within a limit, and to its end even when it is refused.

Splunk's client writes everything before it reads anything: an answer that comes earlier reaches it as
a reset connection, and the user never sees the text. So every refusal first takes in what is sent.
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from dltk_runtime.errors import BodyTooLarge

PATIENCE = 4  # a body too large is read up to so many times the limit before the connection is given up


async def receive(request: Request, limit: int) -> bytearray:
    """The whole body.

    Raises:
        BodyTooLarge: it has more than `limit` bytes.
        ClientDisconnect: the client hung up half-way.
    """
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            body += chunk
        elif size > limit * PATIENCE:
            break
        else:
            body = bytearray()  # only its end is awaited
    if size > limit:
        raise BodyTooLarge(limit)
    return body


async def discard(request: Request, limit: int) -> None:
    """Take in a body that nobody will read, up to `limit` bytes."""
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                return
    except ClientDisconnect:
        return
