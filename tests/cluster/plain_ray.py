"""Ray nodes as an operator starts them, by ``ray start --block``: each with an environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.cluster.namespace import Namespace
from tests.cluster.ray_cluster import AGENT_PORTS, OBJECT_BYTES, SETTINGS, free_ports
from tests.support.service import until

ADDRESS = "127.0.0.1"
START_SECONDS = 180  # on a machine with other work
END_SECONDS = 5  # for a node to end by itself: Ray waits longer for its actor
STARTED = "Ray runtime started"  # which `ray start` prints
LOOK_SECONDS = 1.0  # between two looks for nodes that have ended


class PlainRay:
    """A head and nodes; `variables` are those of Ray, of every node and of the front, `host` is the head's address."""

    def __init__(self, root: Path, variables: dict[str, str], host: str = ADDRESS) -> None:
        self._root = root
        self._host = host
        self.variables = SETTINGS | variables
        (self._port,) = free_ports(1)
        self._kept: list[_Kept] = []
        self._ends = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        root.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    def head(self) -> None:
        """Start the head, which runs no fits."""
        self._start("head", {}, self._host, "--head", "--port", str(self._port), "--include-dashboard=false")
        until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._host, self._port)):
            return True
        return False

    def node(self, name: str, kind: str = "plain", within: Namespace | None = None) -> None:
        """Start a node for fits, with a home of its own, on this machine's network or another one."""
        home = self._root / name
        (home / "notebooks").mkdir(parents=True, exist_ok=True)
        own = {"DLTK_HOME": str(home), "DLTK_NOTEBOOKS": str(home / "notebooks"), "DLTK_SPARES": "0"}
        own |= {"DLTK_GPUS": "none", "DLTK_FIT_WORKERS": "1"}
        options = ["--address", self.address, "--resources", '{"dltk": 1}', "--labels", f"name={name},kind={kind}"]
        host = within.address if within else self._host
        self._start(name, own, host, *options, before=within.command if within else ())

    def _start(self, name: str, own: dict[str, str], host: str, *options: str, before: Sequence[str] = ()) -> None:
        ports = [f"--{port.replace('_', '-')}={free}" for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True)]
        command = [*before, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += ["--node-name", name, "--node-ip-address", host, "--num-cpus", "0", "--num-gpus", "0"]
        command += ["--object-store-memory", str(OBJECT_BYTES), *ports, *options]
        command += ["--min-worker-port", "0", "--max-worker-port", "0"]  # any: the nodes share an address
        environ = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        log = self._root / f"{name}.log"
        self._kept.append(_Kept(command, environ | self.variables | own, log))
        # Two that start at the same time on one machine may take the same socket, and one of them fails.
        until(lambda: STARTED in log.read_text(errors="replace"), START_SECONDS)

    def _supervise(self) -> None:
        """Start nodes again that have ended, as systemd or a container engine does."""
        while not self._ends.wait(LOOK_SECONDS):
            for each in self._kept:
                each.keep()

    def __enter__(self) -> Self:
        self._supervisor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._supervisor.join()
        for each in reversed(self._kept):
            _end(each.process)


class _Kept:
    """A command that is started again when it ends."""

    def __init__(self, command: list[str], environ: dict[str, str], log: Path) -> None:
        self._command, self._environ, self._log = command, environ, log
        self.process = self._start()

    def keep(self) -> None:
        if self.process.poll() is not None:
            self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with open(self._log, "ab") as log:
            return subprocess.Popen(self._command, env=self._environ, stdout=log, stderr=log, start_new_session=True)


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
    process.wait()
