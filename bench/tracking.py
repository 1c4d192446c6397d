"""What an MLflow server costs applies: none, one that answers, one that hangs, and one that is down.

Each way is a server of its own over a home of its own. A fit precedes each block of applies, so that its run is on the
way to MLflow, or waits for it, while they are timed; the fit itself is not timed. The one that answers works on the
same processors, so no bar holds its row; one that hangs takes connections and never answers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import servers, tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import Server
from bench.world import World

BLOCKS, BLOCK, ROWS = 30, 40, 1000
MOST_TIMES = 1.05
MLFLOW_START = 300.0  # seconds within which MLflow must accept connections
WITHOUT, HEALTHY = "without MLflow", "beside an MLflow that answers"
HANGING, DOWN = "beside an MLflow that hangs", "beside an MLflow that is down"


def measure(world: World) -> list[Figure]:
    """A figure for each server."""
    body = tables.body(tables.csv(ROWS), "one")
    with contextlib.ExitStack() as stack:
        addresses = {
            WITHOUT: "",
            HEALTHY: stack.enter_context(_healthy(world.home())),
            HANGING: stack.enter_context(_hanging()),
            DOWN: f"http://127.0.0.1:{servers.free_port()}",
        }
        ways = {name: _way(world, stack.enter_context(_service(world, at)), body) for name, at in addresses.items()}
        in_turn(ways, 1)
        values = in_turn(ways, world.rounds(BLOCKS))
    return [_figure(name, values) for name in (HEALTHY, HANGING, DOWN)]


def _service(world: World, address: str) -> contextlib.AbstractContextManager[Server]:
    return world.service(**({"MLFLOW_TRACKING_URI": address} if address else {}))


def _way(world: World, server: Server, body: bytes) -> Callable[[], float]:
    """Return what fits, so that there is a run to send, and gives the median of some applies in seconds."""

    def block() -> float:
        server.fit(body)
        return statistics.median(server.timed("/apply", body) for _ in range(world.rounds(BLOCK)))

    return block


def _figure(name: str, values: dict[str, list[float]]) -> Figure:
    bar = Bar("× without it", ratio(values, name, WITHOUT), MOST_TIMES)
    what = f"apply, {ROWS:,} rows, {name}, with a run to send (naive: {WITHOUT})"
    return Figure(
        what, "s", Spread.of(values[name]), Spread.of(values[WITHOUT]), bars=() if name == HEALTHY else (bar,)
    )


@contextlib.contextmanager
def _healthy(folder: Path) -> Iterator[str]:
    """An MLflow server with one worker; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port = servers.free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=dict(os.environ), text=True)
        try:
            servers.wait_for(port, process, MLFLOW_START)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _hanging() -> Iterator[str]:
    """A server that takes connections, reads nothing and never answers; its address."""
    taken: list[socket.socket] = []

    def take() -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                taken.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in taken:
                each.close()
