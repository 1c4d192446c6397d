"""moto's S3 server, from an environment of its own (``make objects``)."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.service import ROOT

SERVER = ROOT / ".venv-objects" / "bin" / "moto_server"
BUCKET = "models"
START_SECONDS = 120
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "made-up-5d3a0e11", "AWS_REGION": "us-east-1"}


@contextmanager
def moto() -> Iterator[int]:
    """Yield the port of a server with an empty bucket."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with subprocess.Popen(
        [SERVER, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            _make_bucket(port)
            yield port
        finally:
            server.kill()


def _make_bucket(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")).close()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
