"""Large requests, taken apart while they arrive.

Splunk sends ``{"data": "<csv>", "meta": {…}}``. Which worker will read `data` is known only when `meta` has come, last.
So `data` is unescaped on its way, chunk by chunk, into a memory file that the worker will read::

    socket ─> chunk ─> JsonText ─> MemoryFile ─ descriptor ─> worker, which may read ahead (`reading_ahead`)
                          └─ rest: "meta" ─> protocol.decode

The event loop does this itself: a chunk takes a quarter of a millisecond at most, and a thread beside the loop would
hold the interpreter's lock for as long. A body in another form, which no Splunk sends, is gathered and read whole.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from dltk_runtime import protocol
from dltk_runtime.files.memory import MemoryFile
from dltk_runtime.protocol import Request
from dltk_runtime.server.json_text import JsonText

FROM = 512 * 1024  # bytes: smaller bodies are read whole, which costs less than a memory file
LARGE_REST = 1024**2  # bytes behind `data` from which on they are read in a thread
LONGEST_START = 64  # bytes in which `data` must have begun
_START = re.compile(rb'\s*\{\s*"data"\s*:\s*"')


Arrived = Callable[[MemoryFile], object]


async def decode(chunks: AsyncIterator[bytes], arrived: Arrived) -> Request:
    """The request in a large body; `arrived` hears each time that there is more in the file of its rows.

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
    apart = _Apart(arrived)
    apart.take(bytes(begun[start.end() :]))
    async for chunk in chunks:
        apart.take(chunk)
    return await apart.request()


class _Apart:
    """A body whose `data` has begun."""

    def __init__(self, arrived: Arrived) -> None:
        self._text = JsonText()
        self._file = MemoryFile()
        self._arrived = arrived

    def take(self, chunk: bytes) -> None:
        """Unescape a chunk.

        Raises:
            BodyInvalid, DataInvalid: as `JsonText.feed` does.
        """
        self._file.write(self._text.feed(chunk))
        self._arrived(self._file)

    async def request(self) -> Request:
        """The request, once everything was taken.

        Raises:
            BodyInvalid: naming the first thing that is not as Splunk sends it.
        """
        if len(self._text.rest) < LARGE_REST:
            return self._request()
        return await asyncio.to_thread(self._request)

    def _request(self) -> Request:
        if not self._text.ended:
            return protocol.decode(b'{"data": "')  # says that it is cut off
        request = protocol.decode(b'{"data": ""' + self._text.rest)
        if bytes(request.data.view() if isinstance(request.data, MemoryFile) else request.data) != b'""':
            return request  # `data` came twice, and the later one counts
        return replace(request, data=self._file, plain=True)
