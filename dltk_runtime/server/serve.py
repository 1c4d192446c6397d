"""The HTTP server: uvicorn around the application of one service."""

from __future__ import annotations

import ctypes
import gc
import ipaddress
import logging
import os
import platform
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from dltk_runtime import __version__, handover, home, landlock, logs, tls
from dltk_runtime.pool import memory
from dltk_runtime.pool.environment import hidden_paths
from dltk_runtime.renewal import Renewal
from dltk_runtime.server import splunk_routes
from dltk_runtime.server.admission import Admission, ConnectionBounds
from dltk_runtime.server.connection import BoundedConnection
from dltk_runtime.server.console.session import Sessions
from dltk_runtime.server.errors import AddressInvalid, TokenMissing
from dltk_runtime.server.listener import raise_descriptor_limit
from dltk_runtime.server.running import ReportingServer
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.checks import Checks, Run
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import Settings, cores, unknown_variables
from dltk_runtime.units import MIB

if TYPE_CHECKING:
    from dltk_runtime.server.shadow.shadow import Shadowing
    from dltk_runtime.service.service import Service

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_BYTES = 8 * MIB  # of freed memory
SHADOW_KEPT_BYTES = 32 * MIB  # where requests stay in memory until they are compared
# Objects made before the garbage collector looks at new ones, and looks before it takes older ones along.
# Python's own first number, 700, are two small requests.
GC_THRESHOLDS = (10_000, 10, 10)
TURN_SECONDS = 0.0005  # that a thread keeps the interpreter while another one waits; Python: 0.005


def serve(settings: Settings, files: Mapping[str, Path], checks: Run = tuple) -> None:
    """Serve until SIGTERM or SIGINT; `files` are those of secret settings, by field, `checks` for the console.

    Raises:
        TokenMissing, TokensDamaged, AddressInvalid, CertificateInvalid, VolumeUnwritable, VolumeFull,
            SettingInvalid: before anything is started.
    """
    if not settings.api_token:
        raise TokenMissing
    handover.hide()
    _keep_freed_memory(SHADOW_KEPT_BYTES if settings.shadow else KEPT_BYTES)
    secure = _secure(settings)
    home.prepare(settings.paths)
    logs.start(settings.log_level, settings.error_texts)
    sock = _bind(settings)
    scheme, port = "https" if secure else "http", sock.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    admission = Admission(ConnectionBounds.of(settings, raise_descriptor_limit()))
    tokens = Tokens(settings, files)
    sessions = Sessions(tokens, settings.paths.signed_out) if settings.console else None
    service = build(settings, tokens.named, Checks(checks))
    shadow = _shadow(service)
    config = uvicorn.Config(
        splunk_routes.application(service, admission, tokens, sessions, shadow),
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        lifespan="off",  # `ReportingServer` starts and ends the service
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the client's address as a proxy reports it
        timeout_keep_alive=75,
    )
    renewal = _load_certificate(config, settings) if secure else None
    _log_start(settings)
    _say_what_is_hidden(settings)
    url = f"{scheme}://{host}:{port}"
    _favour_the_event_loop()
    ReportingServer(config, url, service, renewal, admission, tokens, sessions, shadow).run(sockets=[sock])


def _shadow(service: Service) -> Shadowing | None:
    """Make the shadow; None for a server without one, which imports nothing of it."""
    if not service.settings.shadow:
        return None
    from dltk_runtime.server.shadow.shadow import Shadowing

    return Shadowing.of(service)


def _load_certificate(config: uvicorn.Config, settings: Settings) -> Renewal | None:
    """Give the server its certificate; return what renews it.

    Raises:
        CertificateInvalid: it cannot be used.
    """
    cert, key = tls.certificate(settings)
    config.ssl_certfile, config.ssl_keyfile = str(cert), str(key)
    config.load()  # makes the one context that all connections share
    if config.ssl is None:
        return None
    # No call of Splunk resumes a session, but a ticket is all that answers the end of a handshake: where none is sent,
    # a client without TCP_NODELAY holds its request until the delayed acknowledgement, 40 ms later.
    config.ssl.num_tickets = 1
    return Renewal(config.ssl, cert, key)


def _log_start(settings: Settings) -> None:
    """Log what runs here with which settings, and variables that are no settings."""
    fields: dict[str, Any] = {"version": __version__, "python": platform.python_version(), "cores": cores()}
    logs.event("starting", **fields, memory_bytes=memory.limit(), settings=settings.shown())
    for name, nearest in unknown_variables().items():
        logs.event("unknown setting", logging.WARNING, variable=name, nearest=nearest or None)


def _say_what_is_hidden(settings: Settings) -> None:
    """Log whether notebooks are kept from files of secrets."""
    hidden = [path for path in hidden_paths(settings, os.environ) if Path(path).exists()]
    if hidden and (absence := landlock.absence()):
        logs.event("notebooks can read files of secrets", logging.WARNING, files=hidden, reason=absence)
    elif hidden:
        logs.event("notebooks are kept from files of secrets", files=hidden)


def _keep_freed_memory(size: int) -> None:
    """Keep up to `size` bytes of freed memory, and take pieces of bodies from there.

    Otherwise glibc maps each piece of a large body anew, and the kernel zeroes it first.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # not in musl
        libc.mallopt(M_MMAP_THRESHOLD, size)
        libc.mallopt(M_TRIM_THRESHOLD, size)


def _favour_the_event_loop() -> None:
    """Keep its waits short while another thread lists thousands of records.

    It wants the interpreter several times for one answer. And the garbage collector, which stops
    all threads, need not walk the modules: nothing of them ever becomes garbage. It looks at new
    objects less often.
    """
    sys.setswitchinterval(TURN_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


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
