"""The floor: the same work called directly in one process, and a bare transfer of the same bytes.

    python -m bench.direct DESCRIPTOR

The process is told what to do over a pipe (`Direct`); it times the work itself.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.servers import environment


class Direct:
    """The process that does the work directly."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def load(self, algorithm: str, name: str) -> None:
        """Load a model as an apply worker does, once."""
        self._call("load", algorithm, name)

    def work(self, literal: bytes, meta: dict[str, Any]) -> float:
        """Seconds to decode the JSON string of `data`, parse it, apply the model, and write the results."""
        return float(self._call("work", literal, meta))

    def function(self, literal: bytes, meta: dict[str, Any]) -> float:
        """Seconds of the notebook's apply alone."""
        return float(self._call("function", literal, meta))

    def _call(self, *message: Any) -> Any:
        self._pipe.send(message)
        return self._pipe.recv()


@contextlib.contextmanager
def direct(home: Path, notebooks: Path) -> Iterator[Direct]:
    """The process, with the notebooks and models of a server."""
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        command = [sys.executable, "-m", "bench.direct", str(theirs.fileno())]
        with subprocess.Popen(command, env=environment(home, notebooks), pass_fds=[theirs.fileno()]) as process:
            try:
                yield Direct(ours)
            finally:
                process.kill()


def transfer(there: bytes, back: int) -> float:
    """Seconds to send `there` over the loopback, and to get `back` bytes once all has arrived."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = threading.Thread(target=_take_and_give, args=(server, len(there), bytes(back)))
        other.start()
        with socket.create_connection(server.getsockname()) as sock:
            began = time.perf_counter()
            sock.sendall(there)
            _take(sock, back)
            seconds = time.perf_counter() - began
        other.join()
    return seconds


def _take_and_give(server: socket.socket, size: int, answer: bytes) -> None:
    sock, _ = server.accept()
    with sock:
        _take(sock, size)
        sock.sendall(answer)


def _take(sock: socket.socket, size: int) -> None:
    buffer = memoryview(bytearray(size))
    while buffer and (taken := sock.recv_into(buffer)):
        buffer = buffer[taken:]


def main(descriptor: str) -> None:
    from dltk_runtime.tables import table

    pipe = Connection(int(descriptor))
    module: Any = None
    model: Any = None
    while True:
        match pipe.recv():
            case "load", algorithm, name:
                module = importlib.import_module(f"app.model.{algorithm}")
                model = module.load(name)
                pipe.send(None)
            case "work", literal, meta:
                began = time.perf_counter()
                table.write(table.to_frame(module.apply(model, table.read(table.unescape(literal)), meta)))
                pipe.send(time.perf_counter() - began)
            case "function", literal, meta:
                frame = table.read(json.loads(literal).encode())
                began = time.perf_counter()
                module.apply(model, frame, meta)
                pipe.send(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
