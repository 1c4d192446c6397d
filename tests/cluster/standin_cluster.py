"""A cluster for a real server whose Ray is played: its helper process, actors, pools and workers are real."""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PACKAGES = Path(__file__).with_name("standin")


class StandInCluster:
    """Nodes below `root`, which come and go by `node` and `end`. The head is a port that answers."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True)
        self._file = root / "nodes.json"
        self._token = root / "ray_token"
        self._token.write_text(secrets.token_hex(20))
        self._nodes: dict[str, dict[str, Any]] = {}
        self._write()

    @property
    def variables(self) -> dict[str, str]:
        """Those of a front."""
        host, port = self._head.getsockname()
        return {
            "PYTHONPATH": str(PACKAGES),
            "RAY_STANDIN": str(self._file),
            "RAY_ADDRESS": f"{host}:{port}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._token),
            "RAY_memory_monitor_refresh_ms": "0",
            "DLTK_CLUSTER": "auto",
            "DLTK_CLUSTER_CLOSED": "true",
        }

    def home(self, name: str) -> Path:
        """The home of a node."""
        return self._root / name

    def node(self, name: str, labels: dict[str, str] | None = None, **variables: str) -> None:
        """Add a node, or have one join again; `variables` are settings of the runtime there."""
        home = self.home(name)
        (home / "notebooks").mkdir(parents=True, exist_ok=True)
        own = {"DLTK_HOME": str(home), "DLTK_NOTEBOOKS": str(home / "notebooks"), "DLTK_SPARES": "0"}
        own |= {"DLTK_GPUS": "none"} | variables
        described = {"id": secrets.token_hex(8), "name": name, "labels": labels or {}, "variables": own}
        self._nodes[name] = described
        self._write()

    def end(self, name: str) -> None:
        """Have Ray declare a node dead."""
        self._nodes[name]["alive"] = False
        self._write()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(list(self._nodes.values())), encoding="utf-8")
        new.replace(self._file)

    def __enter__(self) -> Self:
        self._head = socket.create_server(("127.0.0.1", 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._head.close()
