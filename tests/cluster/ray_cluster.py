"""A Ray cluster of logical nodes on this machine, for the tests of `make cluster-test`."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import secrets
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

NEEDS_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="no Ray here: make cluster-test")
NEEDS_TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="no torch here: make cluster-test")
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",  # after which nodes and drivers end without their head
}
OBJECT_BYTES = 80 * 1024**2
AGENT_PORTS = ("metrics_agent_port", "runtime_env_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
TRIES = 3  # to start a node
START_SECONDS = 120  # of a node, beside other work


def free_ports(count: int) -> list[int]:
    """Return ports of this machine on which nothing listens."""
    with contextlib.ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in servers]


@functools.cache
def _patient_cluster() -> type[Any]:
    """Return Ray's class of clusters, which waits as long as starts take beside other work.

    Two limits of Ray 2.60 have no variable. Its raylet ends when its agent, which imports much, has not written
    after 15 seconds at which port it listens: of three such ports only two can be given, and the third is written
    here before. And whoever starts a node gives it up after 30 seconds, at two places.
    """
    from ray._private import services
    from ray.cluster_utils import Cluster

    ask, start = services.get_node, services.start_raylet
    signature = inspect.signature(start)

    def get_node(gcs_address: str, node_id: str) -> Any:
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                return ask(gcs_address, node_id)
            except RuntimeError:  # it has not come yet
                if time.monotonic() > ends:
                    raise
            time.sleep(0.2)

    def start_raylet(*given: Any, **named: Any) -> Any:
        known = signature.bind(*given, **named).arguments
        port = Path(known["session_dir"], f"dashboard_agent_listen_port_{known['node_id']}")
        port.write_text(str(known["dashboard_agent_listen_port"]))
        return start(*given, **named)

    class Patient(Cluster):
        def _wait_for_node(self, node: Any, timeout: float = START_SECONDS) -> None:
            super()._wait_for_node(node, timeout)

    services.get_node, services.start_raylet = get_node, start_raylet
    return Patient


class RayCluster:
    """A head that runs no fits, and nodes that do; each has a home of its own below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        if not os.environ.get("RAY_AUTH_TOKEN_PATH"):  # Ray reads it once in a process: all clusters have the same
            token = root / "ray_token"
            token.parent.mkdir(parents=True, exist_ok=True)
            token.write_text(secrets.token_hex(20))
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.update(SETTINGS)
        (self._port,) = free_ports(1)
        self._cluster = _patient_cluster()(shutdown_at_exit=False)
        self.start_head()
        self.nodes: dict[str, Any] = {}

    def start_head(self) -> None:
        """Start the head, at the port that it had before if it had one."""
        self._add(include_dashboard=False, no_monitor=True, include_log_monitor=False, gcs_server_port=self._port)

    def _add(self, **arguments: Any) -> Any:
        """Start a node. On a busy machine Ray gives up on its own processes: then once more."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(Exception):
                return self._add_once(**arguments)
            if self._cluster.head_node is None:
                self._end_leftovers()
        return self._add_once(**arguments)

    def _add_once(self, **arguments: Any) -> Any:
        # A raylet waits 15 seconds for ports that its agents choose: so they are chosen here.
        ports = dict(zip(AGENT_PORTS, free_ports(len(AGENT_PORTS)), strict=True))
        return self._cluster.add_node(num_cpus=0, object_store_memory=OBJECT_BYTES, **ports, **arguments)

    def _end_leftovers(self) -> None:
        """End what a head that could not start has left: it holds the port."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = " ".join(process.cmdline())
                if "/ray/" in command and str(self._port) in command:
                    process.kill()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a front that uses this cluster."""
        names = [*SETTINGS, "RAY_AUTH_TOKEN_PATH"]
        return {name: os.environ[name] for name in names} | {
            "RAY_ADDRESS": self.address,
            "DLTK_CLUSTER": "auto",
            "DLTK_CLUSTER_CLOSED": "true",
        }

    def home(self, name: str) -> Path:
        """The home of a node."""
        return self._root / name

    def add(self, name: str, kind: str, **variables: str) -> None:
        """Start a node; `variables` are settings of the runtime there."""
        home = self.home(name)
        (home / "notebooks").mkdir(parents=True, exist_ok=True)
        own = {
            "DLTK_HOME": str(home),
            "DLTK_NOTEBOOKS": str(home / "notebooks"),
            "DLTK_SPARES": "0",
            "DLTK_GPUS": "none",
        }
        self.nodes[name] = self._add(
            resources={"dltk": 1},
            node_name=name,
            labels={"name": name, "kind": kind},
            env_vars=own | variables,
        )

    def kill(self, name: str) -> None:
        """Kill a node with everything that Ray started there."""
        self._cluster.remove_node(self.nodes.pop(name), allow_graceful=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.shutdown()

    def stop_head(self) -> None:
        """Kill the head and every node."""
        for name in list(self.nodes):
            self.kill(name)
        self._cluster.remove_node(self._cluster.head_node, allow_graceful=False)
