"""The program of the image's HEALTHCHECK, as the engine runs it: with all variables of the container."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.service import ROOT

pytestmark = pytest.mark.process

NO_PROXY = "http://127.0.0.1:9"  # nothing listens there
PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), NO_PROXY)


class Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        assert self.path == "/readyz"
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def checked(port: int, home: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-I", str(ROOT / "container" / "healthcheck.py")]
    given = {"api_token": "t" * 20, "DLTK_PORT": str(port), "DLTK_HOME": str(home), "ENABLE_HTTPS": "false"}
    environ = {**os.environ, **PROXIES, **given}
    return subprocess.run(program, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_it_asks_no_proxy_for_the_containers_own_loopback(port: int, tmp_path: Path) -> None:
    done = checked(port, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_says_what_it_was_answered(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answering, "status", 503)
    done = checked(port, tmp_path)
    assert (done.returncode, done.stderr) == (1, f"http://127.0.0.1:{port}/readyz: HTTP 503\n")


def test_it_says_that_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = checked(port, tmp_path)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
