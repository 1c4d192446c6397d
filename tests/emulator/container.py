"""A stand-in for a container that checks the wire format of protocol 1 and runs no notebook.

It records every request, refuses those that Splunk's client would not send, and sends the answer that a
test sets.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "standin-token"  # made up


def counted(path: str, payload: dict[str, Any]) -> tuple[int, bytes]:
    """Answer one row per row of the data, as `barebone_template` does; the summary has no model."""
    if path == "/summary":
        return 200, json.dumps(json.dumps({"app": "standin", "model": "no model exists", "token": "valid"})).encode()
    rows = len(payload["data"].splitlines()) - 1
    results = "index\n" + "".join(f"{number}\n" for number in range(rows))
    reply = {"status": "success", "message": f"{path} done successfully", "results": results}
    return 200, json.dumps(reply).encode()


@dataclass
class Standin:
    """State of the stand-in: `answer` maps path and payload to status and body."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    answer: Callable[[str, dict[str, Any]], tuple[int, bytes]] = counted

    def says(self, status: str, message: str = "", results: str | None = None) -> None:
        """Answer every following call with this."""
        reply = {"status": status, "message": message} | ({} if results is None else {"results": results})
        self.answer = lambda path, payload: (200, json.dumps(reply).encode())

    def sends(self, status: int, body: bytes) -> None:
        self.answer = lambda path, payload: (status, body)

    @property
    def payload(self) -> dict[str, Any]:
        """Return the payload of the last call."""
        return self.requests[-1][1]


@contextmanager
def standin() -> Iterator[Standin]:
    """Start a stand-in on a free port of 127.0.0.1."""
    state = Standin()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert state.faults == []


def _handler(state: Standin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.faults += [] if body.isascii() else ["the body is not ASCII"]
            payload = json.loads(body)
            state.faults += [] if list(payload) == ["data", "meta"] else [f"keys {list(payload)}"]
            self._serve(payload)

        def _serve(self, payload: dict[str, Any]) -> None:
            wanted = {"Content-Type": "application/json", "Connection": "close", "Accept-Encoding": "identity"}
            state.faults += [name for name, value in wanted.items() if self.headers[name] != value]
            state.requests.append((self.path, payload))
            status, body = state.answer(self.path, payload)
            if self.headers["Authorization"] != TOKEN:
                status, body = 401, b'{"detail": "invalid token"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", state.url + "/elsewhere")
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked has given up
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    return Handler
