"""A proxy before an object store that drops, delays, repeats and cuts answers, also after the write was done.

moto compares the tag of an object and writes it in two steps. So the proxy lets one write of a key through
at a time: what the tests show holds for stores whose single operations are atomic. Azurite 3.35.0 needs no
such help by its source (`LokiBlobMetadataStore.createBlob` looks, compares and inserts without giving way to
another request), but is treated alike.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SHARES = {"drop": 0.01, "lose": 0.01, "cut": 0.01, "repeat": 0.02, "delay": 0.03}  # of all requests
MAX_DELAY_SECONDS = 0.05
SETTLE_SECONDS = 60.0
WRITES = ("PUT", "DELETE", "POST")
_OWN_HEADERS = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")
Answer = tuple[int, list[tuple[str, str]], bytes]


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server on this machine; `busy` counts those on their way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = port
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.busy = 0
        self._chance = random.Random(seed)
        self._locks = defaultdict[str, threading.Lock](threading.Lock)
        self._counts = threading.Lock()

    def fault(self) -> str:
        with self._counts:
            return self._chance.choices([*SHARES, ""], [*SHARES.values(), 1 - sum(SHARES.values())])[0]

    def lock(self, method: str, path: str) -> threading.Lock:
        with self._counts:
            return self._locks[path.partition("?")[0]] if method in WRITES else threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._counts:
            self.busy += 1
        try:
            yield
        finally:
            with self._counts:
                self.busy -= 1

    def settle(self) -> None:
        """Wait until no request is on its way: clients that were killed left some."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.busy and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not self.busy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed, or an answer that was cut."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        with self.server.counted():
            length = int(self.headers.get("Content-Length") or 0)
            body, how = self.rfile.read(length), self.server.fault()
            if how == "drop" or len(body) < length:
                self.close_connection = True
                return
            if how == "delay":
                time.sleep(random.uniform(0, MAX_DELAY_SECONDS))
            answer = self._forward(body)
            if how == "repeat":
                answer = self._forward(body)
        if how == "lose":
            self.close_connection = True
            return
        self._answer(*answer, cut=how == "cut")

    def _forward(self, body: bytes) -> Answer:
        with self.server.lock(self.command, self.path):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def proxied(port: int, seed: int) -> Iterator[Proxy]:
    """Yield a proxy before the server on `port` of this machine."""
    with Proxy(port, seed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            with suppress(AssertionError):
                server.settle()
            server.shutdown()
