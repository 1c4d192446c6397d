"""JupyterLab's server (tornado) serves a renewed certificate, and never half of a renewal."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from dltk_runtime import renewal, tls
from dltk_runtime.lab import certificate
from dltk_runtime.settings import Settings
from tests.support.service import until


def served(port: int) -> str:
    """Return the certificate of a new connection as PEM; "" if the connection fails."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=60)
    except OSError:
        return ""


def test_a_renewal_is_served_when_both_halves_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(renewal, "CHECK_SECONDS", 0.01)
    cert, key = tls.certificate(Settings(home=tmp_path / "old"))
    new_cert, new_key = tls.certificate(Settings(home=tmp_path / "new"))
    old, new = cert.read_text(), new_cert.read_text()

    async def renew(port: int) -> None:
        assert await asyncio.to_thread(served, port) == old
        new_cert.replace(cert)
        await asyncio.to_thread(until, lambda: "certificate not renewed" in caplog.messages)
        assert await asyncio.to_thread(served, port) == old
        new_key.replace(key)
        await asyncio.to_thread(until, lambda: served(port) != old)
        assert await asyncio.to_thread(served, port) == new

    async def run() -> None:
        options = {"certfile": str(cert), "keyfile": str(key)}
        (sock,) = bind_sockets(0, "127.0.0.1")
        http_server = HTTPServer(Application(), ssl_options=options)
        http_server.add_socket(sock)
        # Of Jupyter's server the extension touches these alone.
        server = SimpleNamespace(ssl_options=options, http_server=http_server, **options)
        await certificate._start_jupyter_server_extension(server)
        await renew(sock.getsockname()[1])
        http_server.stop()

    asyncio.run(run())
