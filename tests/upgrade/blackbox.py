"""A real ``dltk serve``, driven from outside only: by its command line and by HTTP.

Nothing here imports `dltk_runtime`, so that the same requests can be sent to the code of any commit.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TOKEN = "token-of-the-tests"
TIMEOUT_SECONDS = 110.0  # of one request
_FOREIGN = ("DLTK_", "api_", "API_", "MODE_", "JUPYTER_", "splunk_", "SPLUNK_", "olly_", "OTEL_")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; the names of `headers` are in lower case, in the order in which they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Server:
    """``dltk serve`` over `home` and `notebooks` in a process of its own; `variables` go into its environment."""

    def __init__(self, home: Path, notebooks: Path, **variables: str) -> None:
        self.home = home
        self.notebooks = notebooks
        self.url = ""
        self.log = home.with_name(home.name + ".log")
        self._variables = {"api_token": TOKEN, "DLTK_DRAIN": "0"} | variables
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it listens."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        command = [str(Path(sys.executable).with_name("dltk")), "serve", "--port", "0"]
        command += ["--home", str(self.home), "--notebooks", str(self.notebooks)]
        with open(self.log, "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command, env=environ | self._variables, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"no server: {self.log.read_text(encoding='utf-8')[-2000:]}"
        self.url = line.split()[-1]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server, if it runs."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdout is not None
        with process.stdout:
            process.send_signal(how)
            process.wait(timeout=60)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a new connection, with these headers alone (and those that HTTP demands)."""
        address = urlsplit(self.url)
        client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(client):
            client.request(method, path, body, {"Connection": "close", **(headers or {})})
            found = client.getresponse()
            names = tuple((name.lower(), value) for name, value in found.getheaders())
            return Answer(found.status, names, found.read())

    def get(self, path: str) -> Any:
        """The JSON that a GET with the token answers."""
        return self.send("GET", path, headers={"Authorization": TOKEN}).json()

    def change(self, method: str, path: str) -> Any:
        """The JSON that a POST or DELETE under ``/v1`` answers."""
        return self.send(method, path, headers={"Authorization": TOKEN}).json()

    def fit(self, algorithm: str, model: str, data: str, target: str = "", **params: str) -> dict[str, Any]:
        """What ``| fit MLTKContainer algo=…`` sends; the answer."""
        return self.post("/fit", data, splunk_meta(data, model, {"algo": algorithm, **params}, target))

    def apply(self, algorithm: str, model: str, data: str, **params: str) -> dict[str, Any]:
        """What ``| apply`` sends; the answer."""
        return self.post("/apply", data, splunk_meta(data, model, {"algo": algorithm, **params}))

    def post(self, path: str, data: str, meta: Mapping[str, Any]) -> dict[str, Any]:
        """POST `data` and `meta` as Splunk does; the answer."""
        body = json.dumps({"data": data, "meta": meta}).encode()
        return dict(self.send("POST", path, body, {"Authorization": TOKEN}).json())


def splunk_meta(
    data: str, model: str | None, params: Mapping[str, str], target: str = "", features: Sequence[str] | None = None
) -> dict[str, Any]:
    """A `meta` as Splunk's search command makes it, for all columns of `data` or for `features`."""
    columns = [name for name in data.split("\n", 1)[0].split(",") if name]
    chosen = [name for name in columns if name != target] if features is None else list(features)
    options: dict[str, Any] = {"params": dict(params), "args": [*filter(None, [target]), *chosen]}
    meta: dict[str, Any] = {"options": options, "feature_variables": chosen}
    if target:
        options["target_variable"] = [target]
        meta["target_variables"] = [target]
    options["feature_variables"] = chosen
    if model is not None:
        options["model_name"] = model
    options |= {"algo_name": "MLTKContainer", "mlspl_limits": {"max_fit_time": "600"}, "kfold_cv": None}
    return meta


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `condition` holds; what it returned."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        pause.wait(0.05)
    return found
