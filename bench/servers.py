"""The two servers, started in processes of their own and spoken to in the same way."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltk_runtime.paths import SITE
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.settings import Settings

TOKEN = "bench"
START = 60.0  # seconds within which a server must answer


class Failed(Exception):
    """A server did not do what is measured."""


@dataclass
class Server:
    """A server that runs."""

    name: str
    process: subprocess.Popen[str]
    port: int
    home: Path
    notebooks: Path
    tls: bool = False

    def connect(self) -> http.client.HTTPConnection:
        """A new connection, which stays open until it is closed."""
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=_any_certificate(), timeout=600)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def post(self, path: str, body: bytes, connection: http.client.HTTPConnection | None = None) -> bytes:
        """POST on a connection that stays, or on one of its own; the answer, which must be a success.

        Raises:
            Failed: it is none.
        """
        used = connection or self.connect()
        used.request("POST", path, body, HEADERS)
        answer = used.getresponse().read()
        if connection is None:
            used.close()
        if not answer.startswith(b'{"status":') or b"success" not in answer[:24]:
            raise Failed(f"{self.name} answered {path} with {answer[:500]!r}")
        return answer

    def timed(self, path: str, body: bytes, connection: http.client.HTTPConnection | None = None) -> float:
        """Seconds that a POST takes."""
        began = time.perf_counter()
        self.post(path, body, connection)
        return time.perf_counter() - began

    def fit(self, body: bytes) -> None:
        """Fit a model."""
        self.post("/fit", body)

    def processes(self) -> dict[int, str]:
        """The server's process and its workers, each with its name."""
        import psutil

        found = {self.process.pid: "front"}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "dltk_runtime.worker" in child.cmdline():
                    found[child.pid] = "worker"
        return found


HEADERS = {"Authorization": TOKEN, "Content-Type": "application/json"}


@contextlib.contextmanager
def service(folder: Path, notebooks: Path, **variables: str) -> Iterator[Server]:
    """``dltk serve`` with settings of its own beside the defaults."""
    tls = variables.get("ENABLE_HTTPS") == "true"
    environ = _environ() | {"api_token": TOKEN, "DLTK_MAX_WAITING": "1000", "DLTK_DRAIN": "0"} | variables
    command = [sys.executable, "-m", "dltk_runtime.cli", "serve", "--port", "0"]
    command += ["--home", str(folder), "--notebooks", str(notebooks)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{folder.name}.log", "a") as log:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("listening"):
                raise Failed(f"the service does not start: see {log.name}")
            port = int(line.rsplit(":", 1)[1])
            yield Server("the service", process, port, folder, notebooks, tls)
        finally:
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()


@contextlib.contextmanager
def naive(folder: Path, notebooks: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """The server as people build it by hand; `certificate` (chain, key) makes it speak TLS."""
    (folder / "app" / "model" / "data").mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "bench.naive", str(port), *map(str, certificate or ())]
    process = subprocess.Popen(command, env=environment(folder, notebooks), text=True)
    try:
        wait_for(port, process)
        yield Server("the naive server", process, port, folder, notebooks, certificate is not None)
    finally:
        process.terminate()
        process.wait()


def environment(home: Path, notebooks: Path) -> dict[str, str]:
    """What a process needs to import the notebooks as ``app.model.<name>``, with the threads of an apply worker."""
    given = worker_environment(Settings(home=home, notebooks=notebooks), threads=1)
    return _environ() | given | {"PYTHONPATH": os.pathsep.join([str(SITE), str(Path(__file__).parent.parent)])}


def results(answer: bytes) -> str:
    """The rows in an answer, as CSV."""
    return str(json.loads(answer)["results"])


def _environ() -> dict[str, str]:
    ours: Mapping[str, Any] = os.environ
    return {name: value for name, value in ours.items() if not name.startswith(("DLTK_", "api_"))}


@functools.cache
def _any_certificate() -> ssl.SSLContext:
    """What accepts any certificate; made once, since making it takes longer than many a request."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def free_port() -> int:
    """Return a port of the loopback address that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[Any], seconds: float = START) -> None:
    """Wait until the process accepts connections.

    Raises:
        Failed: it does not within `seconds`, or has ended.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise Failed("the server does not start")
