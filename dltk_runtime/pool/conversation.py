"""The messages from one worker process, over its socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from dltk_runtime.payload import Payload
from dltk_runtime.worker import channel
from dltk_runtime.worker.messages import FromWorker

Take = Callable[[FromWorker, Payload], None]


class Conversation:
    """Passes each received message to `take`.

    `closed` is called when the other side closes.
    """

    def __init__(self, sock: socket.socket, take: Take, closed: Callable[[], None]) -> None:
        self._sock = sock
        self._take = take
        self._closed = closed
        asyncio.get_running_loop().add_reader(sock, self._on_readable)

    def receive_rest(self) -> None:
        """Take all that was sent until now: when the process has ended, an answer among it counts."""
        with contextlib.suppress(channel.ChannelClosed, BlockingIOError):
            while True:
                self._receive()

    def close(self) -> None:
        """Close this side."""
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def _on_readable(self) -> None:
        try:
            with contextlib.suppress(BlockingIOError):
                self._receive()
        except channel.ChannelClosed:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._closed()

    def _receive(self) -> None:
        received = channel.receive(self._sock, channel.FROM_WORKER)
        self._take(received.message, received.rows)
