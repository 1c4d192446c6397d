"""One end of the socket between a front and its helper process.

A thread receives, so that neither end's event loop ever blocks on the other; the messages and
their rows travel as `worker.channel` sends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.worker import channel

Received = TypeVar("Received")


class Link(Generic[Received]):
    """Sends messages, and passes each received one to `take` in the event loop that made it.

    `closed` is called once, when the other end has closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        decoder: msgspec.msgpack.Decoder[Received],
        take: Callable[[Received, Payload], None],
        closed: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._decoder = decoder
        self._take = take
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()
        self._reader = threading.Thread(target=self._receive, name="cluster-link", daemon=True)
        sock.setblocking(True)
        self._reader.start()

    async def send(self, message: msgspec.Struct, rows: Payload = NO_ROWS) -> None:
        """Send a message with its rows; to a closed link, nothing: `closed` has been called, or will be."""
        async with self._sending:
            with contextlib.suppress(channel.ChannelClosed):
                await asyncio.to_thread(channel.send, self._sock, message, rows)

    async def close(self) -> None:
        """Close this end."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(self._reader.join)
        self._sock.close()

    def _receive(self) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            try:
                while True:
                    received = channel.receive(self._sock, self._decoder)
                    for descriptor in received.files:
                        os.close(descriptor)
                    self._loop.call_soon_threadsafe(self._take, received.message, received.rows)
            except channel.ChannelClosed:
                self._loop.call_soon_threadsafe(self._closed)
