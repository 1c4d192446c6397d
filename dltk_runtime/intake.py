"""Large requests, taken apart while they arrive.

Splunk sends ``{"data": "<csv>", "meta": {…}}``. Which worker will read `data` is known only when `meta` has come, last.
So `data` is unescaped on its way, in a thread beside the event loop, into a memory file that the worker will read::

    socket ─> event loop ─> pieces ─> thread: JsonText ─> MemoryFile ─ descriptor ─> worker
                                                 └─ rest: "meta" ─> protocol.decode

A body in another form, which no Splunk sends, is gathered and read whole.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

from dltk_runtime import protocol
from dltk_runtime.json_text import JsonText
from dltk_runtime.memory_file import MemoryFile
from dltk_runtime.protocol import Request

FROM = 512 * 1024  # bytes: smaller bodies are read whole, which costs less than a thread
PIECE = (
    1024**2
)  # bytes handed to the thread at once, as the connection's chunks: small ones stay in the processor's cache
LONGEST_START = 64  # bytes in which `data` must have begun
_START = re.compile(rb'\s*\{\s*"data"\s*:\s*"')


async def decode(chunks: AsyncIterator[bytes]) -> Request:
    """The request in a large body.

    Raises:
        BodyInvalid, DataInvalid: naming the first thing that is not as Splunk sends it.
    """
    begun = bytearray()
    async for chunk in chunks:
        begun += chunk
        if len(begun) >= LONGEST_START:
            break
    start = _START.match(begun)
    if start is None:
        async for chunk in chunks:
            begun += chunk
        return await asyncio.to_thread(protocol.decode, begun)
    return await _Apart(begun[start.end() :]).take(chunks)


class _Apart:
    """A body whose `data` has begun."""

    def __init__(self, begun: bytearray) -> None:
        self._pending = [bytes(begun)]
        self._waiting = len(begun)  # bytes in `_pending`
        self._text = JsonText()
        self._file = MemoryFile()

    async def take(self, chunks: AsyncIterator[bytes]) -> Request:
        """Receive and unescape at the same time: a thread has one piece while the next one comes."""
        working: asyncio.Future[None] | None = None
        try:
            async for chunk in chunks:
                self._pending.append(chunk)
                self._waiting += len(chunk)
                if self._waiting >= PIECE:
                    if working is not None:
                        await working
                    working = asyncio.ensure_future(self._work())
        finally:
            if working is not None:
                await working
        await self._work()
        return await asyncio.to_thread(self._request)

    async def _work(self) -> None:
        chunks, self._pending, self._waiting = self._pending, [], 0
        await asyncio.to_thread(self._unescape, chunks)

    def _unescape(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._file.write(self._text.feed(chunk))

    def _request(self) -> Request:
        if not self._text.ended:
            return protocol.decode(b'{"data": "')  # says that it is cut off
        request = protocol.decode(b'{"data": ""' + self._text.rest)
        if bytes(request.data.view() if isinstance(request.data, MemoryFile) else request.data) != b'""':
            return request  # `data` came twice, and the later one counts
        return replace(request, data=self._file, plain=True)
