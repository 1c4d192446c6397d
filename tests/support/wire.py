"""What tests of the wire share: notebooks for a server that many tests use, raw requests, and gates."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.service import Service, meta_for, until

# An algorithm that answers with the `meta` it was given, as JSON in one cell, and with where it was seen.
ECHO = {
    "init": "def init(df, param): return {'init': param}",
    "fit": "def fit(model, df, param): return {}",
    "apply": """
        def apply(model, df, param):
            return pd.DataFrame({"init": [json.dumps(model.get("init"))], "apply": [json.dumps(param)]})
    """,
}

# An algorithm whose applies wait until somebody opens the gate.
GATED = {
    "apply": """
        def apply(model, df, param):
            open("/srv/gate").read()
            return df
    """,
}

# An algorithm whose fits wait until somebody opens the gate.
GATED_FIT = {
    "fit": """
        def fit(model, df, param):
            open("/srv/gate").read()
            return {"rows": len(df)}
    """,
    "apply": "def apply(model, df, param): return df",
}


def encoded(data: str, algo: str, model: str = "m", **params: str) -> bytes:
    """The body of a request."""
    return json.dumps({"data": data, "meta": meta_for(data, model, {"algo": algo, **params})}).encode()


def post(service: Service, body: bytes, path: str = "/fit") -> dict[str, Any]:
    """The answer to a body; HTTP 200 and JSON it is in any case."""
    answer: dict[str, Any] = json.loads(service.send(path, body))
    assert set(answer) <= {"status", "message", "results"}
    return answer


def refused(service: Service, body: bytes, path: str = "/fit") -> str:
    """The message of an answer that must be an error."""
    answer = post(service, body, path)
    assert answer["status"] == "error", answer
    assert answer["message"].startswith(f"{path}: ERROR: unable to ")
    assert "fault in the runtime" not in answer["message"]
    return str(answer["message"])


class Gate:
    """Holds the code that reads ``/srv/gate``, a named pipe, until it is opened."""

    def __init__(self, home: Path) -> None:
        self.path = home / "gate"
        home.mkdir(parents=True, exist_ok=True)
        os.mkfifo(self.path)

    def open_for_one(self) -> None:
        """Wait until somebody stands before the gate, and let it pass."""
        os.close(until(self._reader))

    def _reader(self) -> int | None:
        with contextlib.suppress(OSError):  # ENXIO: nobody reads
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        return None

    def is_read_by(self, pid: int) -> bool:
        """Return whether a process holds the gate's file open, as the code that stands before it does."""
        with contextlib.suppress(OSError):  # a process that ends meanwhile
            return any(link.readlink() == self.path for link in Path(f"/proc/{pid}/fd").iterdir())
        return False

    def wait_for_one(self) -> int:
        """Wait until somebody stands before the gate; closing the descriptor lets it pass."""
        return int(until(self._reader))


@contextlib.contextmanager
def connection(service: Service) -> Iterator[socket.socket]:
    """A connection to the server."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as sock:
        yield sock


def head(service: Service, path: str, headers: Mapping[str, str | bytes], method: str = "POST") -> bytes:
    """The head of a request with the server's token, unless `headers` say otherwise."""
    lines = [f"{method} {path} HTTP/1.1".encode()]
    for name, value in {"Host": "x", "Authorization": service.token, **headers}.items():
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def send_and_keep(service: Service, path: str, body: bytes) -> socket.socket:
    """Send a whole request and give back its connection without reading the answer."""
    with connection(service) as sock:
        sock.sendall(head(service, path, {"Content-Length": str(len(body))}) + body)
        return sock.dup()


def read_all(sock: socket.socket | ssl.SSLSocket) -> bytes:
    """Everything until the other side closes."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def one_event(service: Service, **wanted: Any) -> dict[str, Any]:
    """The log line that has these fields, once it is there."""

    def found() -> dict[str, Any] | None:
        return next((each for each in service.events() if wanted.items() <= each.items()), None)

    event: dict[str, Any] = until(found)
    return event
