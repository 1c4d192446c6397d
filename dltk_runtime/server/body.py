"""Receive a request's body: whole, within a limit, and to its end even when it is refused.

Splunk's client writes everything before it reads anything: an answer that comes earlier reaches it
as a reset connection, and the user never sees the text. So every refusal first reads what is sent:
up to several times the largest body with an accepted token, and up to `MAX_REFUSED_BYTES` without
one. Beyond that the connection closes behind the answer, which the client may not get to see.

Splunk sends ``{"data": "<csv>", "meta": {…}}``. Which worker will read `data` is known only when
`meta` has come, last. So large `data` is unescaped while it arrives, chunk by chunk, into an upload
that the worker will read::

    socket ─> chunk ─> JsonText ─> Upload ─> worker, which may read ahead (`apply/read_ahead.py`)
                          └─ rest: "meta" ─> protocol.decode

The event loop does this itself: a chunk takes a quarter of a millisecond at most, and a thread
beside the loop would hold the interpreter's lock for as long. A body in another form, which no
Splunk sends, is collected and read whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest

from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Request
from dltk_runtime.errors import BodyInvalid, BodyTooLarge, RequestError, shown
from dltk_runtime.payload import Payload
from dltk_runtime.server import protocol
from dltk_runtime.server.json_text import JsonText

MIN_UPLOAD_BYTES = 512 * 1024  # smaller bodies are read whole, which costs less than an upload
MAX_START_BYTES = 64  # in which `data` must have begun
DISCARD_FACTOR = 4  # a refused body with a token is read up to so many times the limit,
MIN_DISCARD_BYTES = 256 * 1024**2  # or up to so many bytes, before it is answered all the same
MAX_REFUSED_BYTES = 64 * 1024**2  # that are read of a request without an accepted token: 50,000 rows of 1,300 bytes
_START = re.compile(rb'\s*\{\s*"data"\s*:\s*"')


class _Chunks:
    """The chunks of a body, up to a limit.

    It is no async generator, as that of Starlette: the event loop keeps account of each of those, which
    takes longer than a small body.

    Raises:
        BodyTooLarge: there are more than `limit` bytes; then, and after other errors, the rest can be read.
        ClientDisconnect: the client hung up before the end.
    """

    def __init__(self, request: HttpRequest, limit: float) -> None:
        self._receive = request.receive
        self._limit = limit
        self._left = limit
        self._ended = False

    def allow(self, more: float) -> None:
        """Let so many more bytes be read."""
        self._limit = self._left = more

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._left -= len(chunk)
        if self._left < 0:
            raise BodyTooLarge(int(self._limit))
        return chunk


async def receive(request: HttpRequest, limit: int, upload: Upload) -> Request:
    """Receive the request in the body; rows of a large one go to `upload` while they arrive.

    Raises:
        BodyTooLarge: it has more than `limit` bytes.
        BodyInvalid, DataInvalid: it is not what Splunk sends.
        ClientDisconnect: the client hung up before the end.
    """
    chunks = _Chunks(request, limit)
    try:
        _refuse_encoded(request)
        if (size := _announced(request)) >= MIN_UPLOAD_BYTES:
            return await receive_large(chunks, size, upload)
        return await _decoded(b"".join([chunk async for chunk in chunks]))
    except RequestError:
        await _exhaust(chunks, max(DISCARD_FACTOR * limit, MIN_DISCARD_BYTES))
        raise


async def receive_rows(request: HttpRequest, limit: int, upload: Upload, prefix: bytes = b"") -> Payload:
    """Receive a body that is the rows and nothing else, behind `prefix`; a large one goes to `upload`.

    Raises:
        BodyTooLarge: it has more than `limit` bytes.
        BodyInvalid: it is compressed.
        ClientDisconnect: the client hung up before the end.
    """
    chunks = _Chunks(request, limit)
    begun, large = bytearray(prefix), False
    try:
        _refuse_encoded(request)
        async for chunk in chunks:
            if large:
                upload.write(chunk)
                continue
            begun += chunk
            if large := len(begun) >= MIN_UPLOAD_BYTES:
                upload.begin(_announced(request))
                upload.write(bytes(begun))
    except RequestError:
        await _exhaust(chunks, max(DISCARD_FACTOR * limit, MIN_DISCARD_BYTES))
        raise
    return upload.rows if large else Payload(bytes(begun), escaped=False)


async def receive_whole(request: HttpRequest, limit: int) -> bytes:
    """Receive a body of another format, whole.

    Raises:
        BodyTooLarge: it has more than `limit` bytes.
        ClientDisconnect: the client hung up before the end.
    """
    chunks = _Chunks(request, limit)
    try:
        return b"".join([chunk async for chunk in chunks])
    except BodyTooLarge:
        await _exhaust(chunks, max(DISCARD_FACTOR * limit, MIN_DISCARD_BYTES))
        raise


def _refuse_encoded(request: HttpRequest) -> None:
    """Refuse a compressed body: what it would become has no bound.

    Raises:
        BodyInvalid: with the encoding.
    """
    encoding = request.headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        raise BodyInvalid(
            f"The body has Content-Encoding {shown(encoding)}; expected JSON as it is, as Splunk sends it. "
            "Send it without compression."
        )


async def _decoded(body: bytes) -> Request:
    if protocol.is_heavy(body):
        return await asyncio.to_thread(protocol.decode, body)
    return protocol.decode(body)


async def receive_large(chunks: AsyncIterator[bytes], size: int, upload: Upload) -> Request:
    """Receive a large body of about `size` bytes.

    Raises:
        BodyInvalid, DataInvalid: naming the first part that is not as Splunk sends it.
    """
    begun = bytearray()
    async for chunk in chunks:
        begun += chunk
        if len(begun) >= MAX_START_BYTES:
            break
    start = _START.match(begun)
    if start is None:
        async for chunk in chunks:
            begun += chunk
        return await asyncio.to_thread(protocol.decode, begun)
    upload.begin(size)
    text = JsonText()
    upload.write(text.feed(bytes(begun[start.end() :])))
    async for chunk in chunks:
        upload.write(text.feed(chunk))
        protocol.check_size(text.rest)
    if protocol.is_heavy(text.rest):
        return await asyncio.to_thread(_uploaded, text, upload)
    return _uploaded(text, upload)


def _uploaded(text: JsonText, upload: Upload) -> Request:
    if not text.ended:
        raise BodyInvalid("The body is no JSON: it ends within the string 'data'.")
    request = protocol.decode(b'{"data": ""' + text.rest)
    if bytes(request.rows.view()) != b'""':
        return request  # `data` came twice, and the later one counts
    return replace(request, rows=upload.rows)


def _announced(request: HttpRequest) -> int:
    """Return the Content-Length; 0 if there is no valid one."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0


async def discard(request: HttpRequest) -> None:
    """Read the body of a refused request; a client that hangs up meanwhile is no error."""
    with contextlib.suppress(ClientDisconnect):
        await _exhaust(_Chunks(request, math.inf), MAX_REFUSED_BYTES)


async def _exhaust(chunks: _Chunks, most: int) -> None:
    """Read the rest of a body, up to about `most` bytes."""
    chunks.allow(most)
    with contextlib.suppress(BodyTooLarge):
        async for _ in chunks:
            pass
