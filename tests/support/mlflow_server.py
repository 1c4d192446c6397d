"""A real MLflow server for tests, behind a door that can be shut, and asked over its REST API."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.service import until

START_SECONDS = 300


class Door:
    """A loopback address that forwards connections to `target` while it is open, else refuses them."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._shut = threading.Event()
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Refuse: close what is open, and each new connection at once."""
        self._shut.set()
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Forward again."""
        self._shut.clear()

    def close(self) -> None:
        self.shut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._shut.is_set():
                    client.close()
                else:
                    threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            self._sockets |= {client, server}
            back = threading.Thread(target=_forward, args=(server, client), daemon=True)
            back.start()
            _forward(client, server)
            back.join()
            self._sockets -= {client, server}


def _forward(one: socket.socket, other: socket.socket) -> None:
    """Forward until either side ends; then end both."""
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class MlflowServer:
    """``mlflow server`` over a folder of its own; `url` leads through its `door`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
        until(self._answers, START_SECONDS)
        self.door = Door(self._port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.door.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        with contextlib.suppress(OSError):
            return bool(self._send("/health", None))
        return False

    def _send(self, path: str, body: bytes | None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data=body)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def ask(self, path: str, /, **values: Any) -> Any:
        """POST to a path of the REST API, or GET with a query; the answer."""
        if path.endswith("search") and not path.startswith("model-versions"):
            return json.loads(self._send(f"/api/2.0/mlflow/{path}", json.dumps(values).encode()))
        return json.loads(self._send(f"/api/2.0/mlflow/{path}?{urllib.parse.urlencode(values)}", None))

    # ------------------------------------------------------------ what it has

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """The runs of an experiment, oldest first."""
        try:
            found = self.ask("experiments/get-by-name", experiment_name=experiment)["experiment"]
        except urllib.error.HTTPError as error:
            with error:
                return []
        ids = [found["experiment_id"]]
        return list(self.ask("runs/search", experiment_ids=ids, order_by=["attributes.start_time ASC"]).get("runs", []))

    def run_of(self, experiment: str, job: str) -> dict[str, Any] | None:
        """The run of a job, if it has ended."""
        for run in self.runs(experiment):
            if tags_of(run).get("dltk.job") == job and run["info"]["status"] != "RUNNING":
                return run
        return None

    def history(self, run: dict[str, Any], metric: str) -> list[tuple[int, float]]:
        """Steps and values of a metric."""
        found = self.ask("metrics/get-history", run_id=run["info"]["run_id"], metric_key=metric)
        return [(int(each.get("step", 0)), each["value"]) for each in found.get("metrics", [])]

    def artifacts(self, run: dict[str, Any], path: str = "") -> list[str]:
        """The paths of a run's files."""
        found = self.ask("artifacts/list", run_id=run["info"]["run_id"], path=path).get("files", [])
        return [
            name
            for each in found
            for name in (self.artifacts(run, each["path"]) if each.get("is_dir") else [each["path"]])
        ]

    def versions(self, model: str) -> list[dict[str, Any]]:
        """The versions of a registered model, oldest first."""
        found = self.ask("model-versions/search", filter=f"name='{model}'").get("model_versions", [])
        return sorted(found, key=lambda each: int(each["version"]))

    def champion(self, model: str) -> str | None:
        """Our number of the version that has the alias."""
        for each in self.versions(model):
            one = self.ask("model-versions/get", name=model, version=each["version"])["model_version"]
            if "champion" in one.get("aliases", []):
                return tags_of({"data": one})["dltk.version"]
        return None


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in run["data"].get("tags", [])}


def params_of(run: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in run["data"].get("params", [])}


def metrics_of(run: dict[str, Any]) -> dict[str, float]:
    return {each["key"]: each["value"] for each in run["data"].get("metrics", [])}
