"""uvicorn's server with our start and end.

The end, after SIGTERM::

    SIGTERM ──> /readyz 503, new requests are still taken ──> port closed ──> answers, fits ──> exit 0
                └────────── DLTK_DRAIN ──────────┘
                └───────────────────────── DLTK_GRACE ────────────────────────────┘

SIGINT closes the port at once. A second signal ends what is left at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import uvicorn

from dltk_runtime import logs
from dltk_runtime.renewal import Renewal
from dltk_runtime.server.admission import Admission
from dltk_runtime.server.connection import BoundedConnection
from dltk_runtime.server.console.session import Sessions
from dltk_runtime.server.listener import SocketListener
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.service import Service

if TYPE_CHECKING:
    from dltk_runtime.server.shadow.shadow import Shadowing

ANSWER_SECONDS = 5  # that the answers of requests ended after DLTK_GRACE may take
FORCED_SECONDS = 3.0  # that an end after a second signal may take; what is left then is killed
CLOSE_HEADER = (b"connection", b"close")


class ReportingServer(uvicorn.Server):
    """Reports on stdout when it is ready, and exits with 0 after SIGTERM or SIGINT.

    Its service starts and ends with it: what `Service.start` raises, `run` raises.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        url: str,
        service: Service,
        renewal: Renewal | None,
        admission: Admission,
        tokens: Tokens,
        sessions: Sessions | None,
        shadow: Shadowing | None = None,
    ) -> None:
        super().__init__(config)
        self._admission = admission
        self._tokens = tokens
        self._sessions = sessions
        self._shadow = shadow
        self._renewal = renewal
        self._watching: list[asyncio.Task[None]] = []
        self._url = url
        self._service = service
        self._ending: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._service.start()
        if self._shadow is not None:
            await self._shadow.start()
        await super().startup([])  # nothing to listen on: `SocketListener` does
        self.servers = [self._listener(sock) for sock in sockets or []]
        watches = [self._tokens.watch(), *([self._renewal.run()] if self._renewal else [])]
        self._watching = [asyncio.create_task(each) for each in watches]  # end with the loop
        sys.stdout.write(f"listening on {self._url}\n")
        sys.stdout.flush()
        logs.event("ready", url=self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self._shadow is not None:
            await self._shadow.close()
        await self._service.close()

    def _listener(self, sock: socket.socket) -> Any:
        """Accept connections on `sock`; uvicorn closes the result like an `asyncio.Server`."""
        make = functools.partial(
            BoundedConnection,
            admission=self._admission,
            is_accepted=self._is_accepted,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        return SocketListener(sock, self.config.ssl, make, self._admission)

    def _is_accepted(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return whether the headers of a request carry a token, or the cookie of the console."""
        given = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
        if self._tokens.holder(given) is not None:
            return True
        return self._sessions is not None and self._sessions.accepts(headers)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        if not (sys.stdin and sys.stdin.isatty()):  # a terminal that closes ends what runs in it
            loop.add_signal_handler(signal.SIGHUP, self._look)
        yield

    def _look(self) -> None:
        """Read tokens and the certificate again now, not at their next turn."""
        looks = [self._tokens.look, *([self._renewal.look] if self._renewal else [])]
        for look in looks:
            asyncio.get_running_loop().run_in_executor(None, look)

    def _stop(self, number: signal.Signals) -> None:
        name = signal.Signals(number).name
        if self._ending is not None:
            self._end_at_once(name)
            return
        settings = self._service.settings
        drain = min(settings.drain, settings.grace) if number == signal.SIGTERM and self.started else 0.0
        logs.event("stopping", signal=name, drain=drain, grace=settings.grace)
        self._service.stop()
        if self._shadow is not None:
            self._shadow.stop()
        self._ending = asyncio.get_running_loop().create_task(self._end(drain))

    async def _end(self, drain: float) -> None:
        """Take new requests for `drain` more seconds, then close the port and end the fits."""
        self.config.encoded_headers.append(CLOSE_HEADER)  # no client should send more on its connection
        await asyncio.sleep(drain)
        self.config.timeout_graceful_shutdown = round(self._service.grace_left) + ANSWER_SECONDS
        self.should_exit = True
        await self._service.drain()

    def _end_at_once(self, name: str) -> None:
        """End after a second signal: no request or fit is waited for."""
        logs.event("stopping at once", signal=name)
        self.force_exit = self.should_exit = True
        if self._ending is not None:
            self._ending.cancel()
        self._service.hurry()
        last = threading.Timer(FORCED_SECONDS, os._exit, (0,))
        last.daemon = True
        last.start()
