"""A real server for tests: ``dltk serve`` in a process of its own, spoken to over HTTP on 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class Service:
    """A running server with `home` and `notebooks`; `variables` are put into its environment.

    >>> with Service(tmp_path / "home", notebooks) as service:
    ...     service.fit("umap", "a,b\\n1,2\\n", model="m")
    """

    def __init__(self, home: Path, notebooks: Path, *, before: Sequence[str] = (), **variables: str) -> None:
        self.home = home
        self.notebooks = notebooks
        self.token = secrets.token_hex(8)
        self.url = ""
        self._variables = variables
        self._before = before  # the beginning of the command: a program that starts the server
        self._stubs: dict[str, list[str]] = {}  # `options.args` by model
        self.process: subprocess.Popen[str] | None = None
        self.log = home.parent / f"{home.name}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it listens."""
        for folder in (self.log.parent, self.notebooks):
            folder.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("DLTK_", "api_"))}
        # Most tests edit notebooks, and want the next apply to run what they have saved.
        defaults = {"DLTK_SPARES": "1", "DLTK_DRAIN": "0", "DLTK_VERSION_CODE": "live"}
        environ |= {"api_token": self.token} | defaults | self._variables
        command = [*self._before, sys.executable, "-m", "dltk_runtime.cli", "serve", "--port", "0"]
        command += ["--home", str(self.home), "--notebooks", str(self.notebooks)]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"no server: {self.log.read_text()[-2000:]}"
        self.url = line.split()[-1]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the server; its exit code."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        assert process.stdout is not None
        with process.stdout:
            process.send_signal(how)
            return process.wait(timeout=60)

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and start another one over the same home."""
        self.stop(how)
        self.start()

    # ------------------------------------------------------------ requests

    def fit(self, algo: str, data: str, model: str = "m", target: str = "", **params: str) -> dict[str, Any]:
        """What ``| fit MLTKContainer algo=…`` sends; the answer."""
        meta = meta_for(data, model, {"algo": algo, **params}, target)
        self._stubs[model] = list(meta["options"]["args"])
        return self.post("/fit", data, meta)

    def apply(self, algo: str, data: str, model: str = "m", **params: str) -> dict[str, Any]:
        """What ``| apply`` sends; the answer. An empty `algo` leaves it to the server.

        As in Splunk, the words of the fit (`options.args`) are those of the last fit into this model.
        """
        meta = meta_for(data, model, {"algo": algo, **params} if algo else params)
        meta["options"]["args"] = self._stubs.get(model, meta["options"]["args"])
        return self.post("/apply", data, meta)

    def post(self, path: str, data: str, meta: Mapping[str, Any], timeout: float = 200) -> dict[str, Any]:
        """POST `data` and `meta` as Splunk does; the answer."""
        answer = self.send(path, json.dumps({"data": data, "meta": meta}).encode(), timeout=timeout)
        return dict(json.loads(answer))

    def send(self, path: str, body: bytes | None, timeout: float = 200, token: str | None = None) -> bytes:
        """One request by Splunk's own client: urllib, the bare token, a new connection."""
        headers = {
            "Authorization": self.token if token is None else token,
            "Content-Type": "application/json",
            "Connection": "close",
        }
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return bytes(answer.read())

    def status_of(self, path: str, body: bytes | None = None, token: str | None = None) -> int:
        """The HTTP status of a request."""
        try:
            self.send(path, body, token=token)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        return 200

    def cancel(self, job: str, token: str | None = None) -> int:
        """Ask for a job's end; the HTTP status."""
        headers = {"Authorization": self.token if token is None else token}
        request = urllib.request.Request(f"{self.url}/v1/jobs/{job}", method="DELETE", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def summary(self) -> dict[str, Any]:
        """The JSON inside the JSON string of ``/summary``."""
        return dict(json.loads(json.loads(self.send("/summary", None))))

    # ------------------------------------------------------------ what it left

    def events(self) -> list[dict[str, Any]]:
        """The lines of the server's log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def jobs(self) -> list[dict[str, Any]]:
        """The job records, oldest first."""
        return [json.loads(path.read_text()) for path in sorted((self.home / "jobs").glob("*/job.json"))]

    def job_log(self, number: int = -1) -> str:
        """What a job's code printed."""
        return sorted((self.home / "jobs").glob("*/log"))[number].read_text()

    def store_folders(self, algorithm: str, model: str = "m") -> list[str]:
        """The numbers of a model's versions, committed or not."""
        folder = self.home / "app" / "model" / "data" / "versions" / algorithm / model
        return sorted(path.name for path in folder.glob("[0-9]*"))

    def workers(self) -> list[int]:
        """Process ids of the server's workers."""
        import psutil

        assert self.process is not None
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):  # one that ends meanwhile hides no other
                    if "dltk_runtime.worker" in child.cmdline():
                        found.append(child.pid)
        return found


def meta_for(data: str, model: str, params: Mapping[str, str], target: str = "") -> dict[str, Any]:
    """A `meta` as Splunk's search command makes it for all columns of `data`."""
    columns = data.split("\n", 1)[0].split(",")
    features = [column for column in columns if column and column != target]
    options: dict[str, Any] = {"params": dict(params), "args": columns, "feature_variables": features}
    options |= {"model_name": model, "algo_name": "MLTKContainer", "mlspl_limits": {}, "kfold_cv": None}
    meta: dict[str, Any] = {"options": options, "feature_variables": features}
    if target:
        options["target_variable"] = [target]
        meta["target_variables"] = [target]
    return meta


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `condition` holds; what it returned."""
    import threading
    import time

    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come true within {seconds} s")
        pause.wait(0.02)
    return found


__all__ = ["ROOT", "Service", "meta_for", "until"]
