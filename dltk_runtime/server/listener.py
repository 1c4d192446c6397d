"""Accept connections within the bounds of `admission`, TLS handshakes included.

uvicorn's own server would end nothing before a handshake is over, and know no bound on what it
accepts.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import ssl
import time
from collections.abc import Callable

from dltk_runtime import logs
from dltk_runtime.server.admission import LOG_SECONDS, Admission
from dltk_runtime.server.connection import BoundedConnection

MAX_ACCEPTS = 16  # at one turn of the event loop
PAUSE_SECONDS = 0.2  # without accepting, once descriptors or memory have run out
MAX_SWEEP_SECONDS = 1.0  # between two looks for connections whose time is over
MOST_DESCRIPTORS = 1024**2  # that are asked for where the system knows no limit
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Make = Callable[[socket.socket], BoundedConnection]


def raise_descriptor_limit() -> int:
    """Raise the limit of open descriptors to the hard one; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else MOST_DESCRIPTORS
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class SocketListener:
    """Accepts the connections of one socket, in place of uvicorn's `asyncio.Server`."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, make: Make, admission: Admission) -> None:
        self._sock = sock
        self._context = context
        self._make = make
        self._admission = admission
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._logged = 0.0
        sock.setblocking(False)
        self._resume()
        self._sweeping = self._loop.create_task(self._sweep())

    def close(self) -> None:
        """Accept no more connections; those that are open stay."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        """End the looks for overdue connections, too."""
        self._sweeping.cancel()

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._open(sock)

    def _open(self, sock: socket.socket) -> None:
        """Begin to serve an accepted connection, unless there are too many."""
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._make(sock)
        except OSError:  # it has ended already
            sock.close()
            return
        if not self._admission.enter(connection):
            sock.close()
            return
        task = self._loop.create_task(self._connect(connection, sock))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, connection: BoundedConnection, sock: socket.socket) -> None:
        seconds = self._admission.bounds.head_seconds if self._context else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection, sock, ssl=self._context, ssl_handshake_timeout=seconds
            )
        except (OSError, asyncio.CancelledError):  # of TLS: no handshake, or none in time
            self._admission.leave(connection)

    def _pause(self, error: OSError) -> None:
        """Accept nothing for `PAUSE_SECONDS`: descriptors or memory have run out."""
        self._loop.remove_reader(self._sock)
        self._loop.call_later(PAUSE_SECONDS, self._resume)
        if error.errno in EXHAUSTED:
            self._admission.make_room()
        now = time.monotonic()
        if now >= self._logged:
            fields = {"reason": error.strerror, "connections": len(self._admission)}
            logs.event("no connection can be accepted", logging.ERROR, **fields)
        self._logged = now + LOG_SECONDS  # not again before it has been well for so long

    async def _sweep(self) -> None:
        bounds = self._admission.bounds
        pause = min(MAX_SWEEP_SECONDS, bounds.head_seconds / 4, bounds.body_seconds / 4)
        while True:
            await asyncio.sleep(pause)
            self._admission.end_overdue(self._loop.time())
