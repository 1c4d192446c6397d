"""The messages to and from one worker process, over its socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.worker import channel
from dltk_runtime.worker.messages import FromWorker, ToWorker

THREAD_COPY_BYTES = 1024**2  # rows from this size on are copied in a thread, beside the event loop
Take = Callable[[FromWorker, Payload], None]


class Conversation:
    """Sends messages, and passes each received one to `take`.

    `closed` is called when the other side closes.
    """

    def __init__(self, sock: socket.socket, take: Take, closed: Callable[[], None]) -> None:
        self._sock = sock
        self._take = take
        self._closed = closed
        asyncio.get_running_loop().add_reader(sock, self._on_readable)

    async def send(self, message: ToWorker, rows: Payload = NO_ROWS) -> None:
        """Send a message with its rows; ignore a closed channel: the worker's end follows."""
        with contextlib.suppress(channel.ChannelClosed):
            if isinstance(rows.data, bytes | memoryview) and len(rows) >= THREAD_COPY_BYTES:
                await asyncio.to_thread(channel.send, self._sock, message, rows)
            else:
                channel.send(self._sock, message, rows)

    def send_files(self, message: ToWorker, files: Sequence[int]) -> None:
        """Send a message with file descriptors."""
        with contextlib.suppress(channel.ChannelClosed):
            channel.send(self._sock, message, files=files)

    def receive_rest(self) -> None:
        """Take what was sent before the process ended: an answer among it counts."""
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
