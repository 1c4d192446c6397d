"""The HTTP server: uvicorn around the application of one service."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from dltk_runtime import handover, landlock, logs, tls
from dltk_runtime.pool.environment import hidden_paths
from dltk_runtime.renewal import Renewal
from dltk_runtime.server import splunk_routes, tokens
from dltk_runtime.server.admission import Admission, Bounds
from dltk_runtime.server.connection import Connection
from dltk_runtime.server.errors import AddressInvalid, TokenMissing
from dltk_runtime.server.listener import Listener, raise_descriptor_limit
from dltk_runtime.service.service import Service, build
from dltk_runtime.settings import Settings
from dltk_runtime.units import MIB

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_BYTES = 8 * MIB  # of freed memory
ANSWER_SECONDS = 5  # that the answers of requests ended after DLTK_GRACE may take


def application(service: Service) -> Starlette:
    """Make the application of a service, which starts and ends with it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.close()

    return splunk_routes.application(service, lifespan)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        TokenMissing, AddressInvalid: before anything is started.
    """
    if not settings.api_token:
        raise TokenMissing
    handover.hide()
    _keep_freed_memory()
    secure = _secure(settings)
    logs.start()
    sock = _bind(settings)
    scheme, port = "https" if secure else "http", sock.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    admission = Admission(Bounds.of(settings, raise_descriptor_limit()))
    service = build(settings)
    _say_what_is_hidden(settings)
    config = uvicorn.Config(
        application(service),
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the client's address as a proxy reports it
        timeout_graceful_shutdown=round(settings.grace) + ANSWER_SECONDS,
        timeout_keep_alive=75,
    )
    renewal = _load_certificate(config, settings) if secure else None
    _Server(config, f"{scheme}://{host}:{port}", service, renewal, admission).run(sockets=[sock])


class _Server(uvicorn.Server):
    """uvicorn that reports on stdout when it is ready, and exits with 0 after SIGTERM or SIGINT."""

    def __init__(
        self, config: uvicorn.Config, url: str, service: Service, renewal: Renewal | None, admission: Admission
    ) -> None:
        super().__init__(config)
        self._admission = admission
        self._renewal = renewal
        self._renewing: asyncio.Task[None] | None = None
        self._url = url
        self._service = service
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])  # nothing to listen on: `Listener` does
        self.servers = [self._listener(sock) for sock in sockets or []] if self.started else []
        if self.started and self._renewal:
            self._renewing = asyncio.create_task(self._renewal.run())  # ends with the loop
        if self.started:
            sys.stdout.write(f"listening on {self._url}\n")
            sys.stdout.flush()
            logs.event("ready", url=self._url)

    def _listener(self, sock: socket.socket) -> Any:
        """Accept connections on `sock`; uvicorn closes the result like an `asyncio.Server`."""
        make = functools.partial(
            Connection,
            admission=self._admission,
            is_accepted=functools.partial(tokens.are_accepted, tokens=tokens.accepted_by(self._service.settings)),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        return Listener(sock, self.config.ssl, make, self._admission)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # the second time
        self.should_exit = True
        self._draining = self._draining or asyncio.get_running_loop().create_task(self._service.drain())


def _load_certificate(config: uvicorn.Config, settings: Settings) -> Renewal | None:
    """Give the server its certificate; return what renews it.

    Raises:
        CertificateInvalid: it cannot be used.
    """
    cert, key = tls.certificate(settings)
    config.ssl_certfile, config.ssl_keyfile = str(cert), str(key)
    config.load()  # makes the one context that all connections share
    return Renewal(config.ssl, cert, key) if config.ssl else None


def _say_what_is_hidden(settings: Settings) -> None:
    """Log whether notebooks are kept from files of secrets."""
    hidden = [path for path in hidden_paths(settings, os.environ) if Path(path).exists()]
    if hidden and (absence := landlock.absence()):
        logs.event("notebooks can read files of secrets", logging.WARNING, files=hidden, reason=absence)
    elif hidden:
        logs.event("notebooks are kept from files of secrets", files=hidden)


def _keep_freed_memory() -> None:
    """Keep up to `KEPT_BYTES` of freed memory, and take pieces of bodies from there.

    Otherwise glibc maps each piece of a large body anew, and the kernel zeroes it first.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # not in musl
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def _secure(settings: Settings) -> bool:
    """Return whether to serve with TLS.

    Raises:
        AddressInvalid: ENABLE_HTTPS is not set, and the address can be reached from other machines.
    """
    if settings.https is not None:
        return settings.https
    if not _is_loopback(settings.host):
        raise AddressInvalid(
            f"DLTK_HOST={settings.host} can be reached from other machines, and the token would travel in the clear. "
            "Set ENABLE_HTTPS=true, or ENABLE_HTTPS=false if something before this server adds TLS."
        )
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(settings: Settings) -> socket.socket:
    """Return a listening socket.

    Raises:
        AddressInvalid: the address is taken, or not one of this machine.
    """
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise AddressInvalid(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
            "Choose another address with --host and --port, or end the program that uses it."
        ) from error
    sock.set_inheritable(False)
    return sock
