"""The requests to one worker process: sent, and taken back as long as it has not begun them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from typing import NamedTuple

from dltk_runtime import logs
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.worker import channel
from dltk_runtime.worker.messages import ToWorker

THREAD_COPY_BYTES = 1024**2  # rows from this size on are copied in a thread, beside the event loop


class TakenBack(NamedTuple):
    """Numbers of requests."""

    taken: int
    lost: int  # ahead of them: they could not be put back, so that the worker does not get them either


class Requests:
    """Sends requests.

    Args:
        sock: the end that is written to.
        unread: the end from which the worker reads; what is received here, it does not get.
    """

    def __init__(self, sock: socket.socket, unread: socket.socket) -> None:
        self._sock = sock
        self._unread = unread

    async def send(self, message: ToWorker, rows: Payload = NO_ROWS) -> None:
        """Send a request with its rows; ignore a closed channel: the worker's end follows."""
        with contextlib.suppress(channel.ChannelClosed):
            if isinstance(rows.data, bytes | memoryview) and len(rows) >= THREAD_COPY_BYTES:
                await asyncio.to_thread(channel.send, self._sock, message, rows)
            else:
                channel.send(self._sock, message, rows)

    def send_behind(self, message: ToWorker, rows: Payload) -> None:
        """Send a request before the one ahead of it is answered.

        Raises:
            ChannelClosed: the channel is closed.
        """
        channel.send(self._sock, message, rows, follows=True)

    def send_files(self, message: ToWorker, files: Sequence[int]) -> None:
        """Send a message with file descriptors, to which no answer is due."""
        with contextlib.suppress(channel.ChannelClosed):
            channel.send(self._sock, message, files=files)

    def take_back(self, most: int = 1) -> TakenBack:
        """Take back at most so many requests, those that were sent last, unless the worker has begun them."""
        unread = channel.take_back(self._unread)
        kept = max(sum(each.is_request for each in unread) - most, 0)
        taken = lost = 0
        for each in unread:
            if each.is_request and kept == 0:
                taken += 1
                continue
            kept -= each.is_request
            lost += not self._put_back(each) and each.is_request
        _close_files(unread)
        return TakenBack(taken, lost)

    def _put_back(self, unread: channel.Unread) -> bool:
        """Return whether the worker will get it."""
        try:
            channel.put_back(self._sock, unread)
        except channel.ChannelClosed as error:
            reason = str(error.__cause__ or error)
            logs.event("a message to a worker is lost", logging.ERROR, request=unread.is_request, reason=reason)
            return False
        return True

    def drop(self) -> int:
        """Take back all; return the number of requests among them, which were the last ones sent."""
        unread = channel.take_back(self._unread)
        _close_files(unread)
        return sum(each.is_request for each in unread)

    def close(self) -> None:
        """Close both ends."""
        self._sock.close()
        self._unread.close()


def _close_files(unread: Sequence[channel.Unread]) -> None:
    for each in unread:
        for descriptor in each.files:
            os.close(descriptor)
