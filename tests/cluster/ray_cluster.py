"""A Ray cluster of logical nodes on this machine, for the tests of `make cluster-test`."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",  # after which nodes and drivers end without their head
}
OBJECT_BYTES = 80 * 1024**2


class RayCluster:
    """A head that runs no fits, and nodes that do; each has a home of its own below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        token = root / "ray_token"
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text(secrets.token_hex(20))
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.update(SETTINGS | {"RAY_AUTH_TOKEN_PATH": str(token)})
        from ray.cluster_utils import Cluster

        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._cluster = Cluster(shutdown_at_exit=False)
        self.start_head()
        self.nodes: dict[str, Any] = {}

    def start_head(self) -> None:
        """Start the head, at the port that it had before if it had one."""
        self._cluster.add_node(
            num_cpus=0, include_dashboard=False, object_store_memory=OBJECT_BYTES, gcs_server_port=self._port
        )

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
        self.nodes[name] = self._cluster.add_node(
            num_cpus=0,
            resources={"dltk": 1},
            node_name=name,
            labels={"name": name, "kind": kind},
            object_store_memory=OBJECT_BYTES,
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
