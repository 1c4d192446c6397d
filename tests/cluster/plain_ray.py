"""Ray nodes as an operator starts them, by ``ray start --block``: each with an environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.cluster.ray_cluster import AGENT_PORTS, OBJECT_BYTES, SETTINGS, free_ports
from tests.support.service import until

ADDRESS = "127.0.0.1"
START_SECONDS = 180  # on a machine with other work
END_SECONDS = 30


class PlainRay:
    """A head and nodes; `variables` are those of Ray, of every node and of the front."""

    def __init__(self, root: Path, variables: dict[str, str]) -> None:
        self._root = root
        self.variables = SETTINGS | variables
        (self._port,) = free_ports(1)
        self._started: list[subprocess.Popen[bytes]] = []
        root.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"{ADDRESS}:{self._port}"

    def head(self) -> None:
        """Start the head, which runs no fits."""
        self._start("head", {}, "--head", "--port", str(self._port), "--include-dashboard=false")
        until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, self._port)):
            return True
        return False

    def node(self, name: str) -> None:
        """Start a node for fits, with a home of its own."""
        home = self._root / name
        (home / "notebooks").mkdir(parents=True)
        own = {"DLTK_HOME": str(home), "DLTK_NOTEBOOKS": str(home / "notebooks"), "DLTK_SPARES": "0"}
        own |= {"DLTK_GPUS": "none"}
        self._start(name, own, "--address", self.address, "--resources", '{"dltk": 1}', "--labels", f"name={name}")

    def _start(self, name: str, own: dict[str, str], *options: str) -> None:
        ports = [f"--{port.replace('_', '-')}={free}" for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True)]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += ["--node-name", name, "--node-ip-address", ADDRESS, "--num-cpus", "0", "--num-gpus", "0"]
        command += ["--object-store-memory", str(OBJECT_BYTES), *ports, *options]
        command += ["--min-worker-port", "0", "--max-worker-port", "0"]  # any: the nodes share an address
        environ = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        with open(self._root / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command, env=environ | self.variables | own, stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._started):
            _end(process)


# AGENT_PORTS, as the command line calls them.
PORTS = [*(port for port in AGENT_PORTS if port != "metrics_agent_port"), "dashboard_agent_grpc_port"]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a node with everything that Ray started there."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    for each in family:
        with contextlib.suppress(psutil.Error):
            each.kill()
    process.kill()
    process.wait(END_SECONDS)
