"""Receiving a request's body: whole, within a limit, and to its end even when it is refused.

Splunk's client writes everything before it reads anything: an answer that comes earlier reaches it as
a reset connection, and the user never sees the text. So every refusal first takes in what is sent.
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from dltk_runtime.errors import BodyTooLarge

PATIENCE = 4  # a body that nobody wants is taken in up to so many times the limit,
PATIENCE_AT_LEAST = 256 * 1024**2  # or up to so many bytes, before it is answered all the same


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
        else:
            body.clear()
            if size > _patience(limit):
                break
    if size > limit:
        raise BodyTooLarge(limit)
    return body


async def discard(request: Request, limit: int) -> None:
    """Take in a body that nobody will read; a client that hangs up meanwhile is no error."""
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > _patience(limit):
                return
    except ClientDisconnect:
        return


def _patience(limit: int) -> int:
    return max(PATIENCE * limit, PATIENCE_AT_LEAST)
