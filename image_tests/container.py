"""One running container of the image, and the requests that Splunk sends."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine import Engine

TOKEN = "the-token-of-this-test"
# As a strict platform runs it: a user without an entry in /etc/passwd, no capabilities, read-only.
HARDENED = (
    *("--user", "1000620000:0", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--pids-limit", "1024"),
)
_numbers = itertools.count(1)


class Container:
    """A container that the constructor starts; the caller must `remove` it."""

    def __init__(
        self,
        engine: Engine,
        tag: str,
        *,
        volume: str = "",
        env: dict[str, str] | None = None,
        options: Sequence[str] = HARDENED,
        memory: str = "3g",
        publish: Sequence[int] = (5000,),
    ) -> None:
        self._engine = engine
        self.name = f"dltk-{next(_numbers)}"
        variables = {"api_token": TOKEN, "DLTK_SPARES": "1"} | (env or {})
        arguments = ["run", "--detach", "--name", self.name, "--memory", memory, *options]
        arguments += [f"--publish=127.0.0.1::{port}" for port in publish]
        arguments += [f"--volume={volume}:/srv"] if volume else []
        arguments += [f"--env={name}={value}" for name, value in variables.items() if value]
        self.began = time.monotonic()
        engine.podman(*arguments, tag)
        self.https = variables.get("ENABLE_HTTPS") != "false"

    # ------------------------------------------------------------ life cycle

    def ready(self, seconds: float = 60) -> float:
        """Wait until it answers; return the seconds since the start."""
        until(lambda: self.status("/readyz") == 200 or self._ended(), seconds)
        assert not self._ended(), self.logs()
        return time.monotonic() - self.began

    def exit_code(self, seconds: float = 60) -> int:
        """Wait until it ends; return its exit code."""
        until(self._ended, seconds)
        return int(self.inspect("{{.State.ExitCode}}"))

    def stop(self, grace: int = 30) -> int:
        """Send SIGTERM; return the exit code."""
        self._engine.podman("stop", "--time", str(grace), self.name)
        return self.exit_code()

    def kill(self) -> None:
        self.signal("KILL")

    def signal(self, name: str) -> None:
        self._engine.podman("kill", "--signal", name, self.name)

    def start(self) -> None:
        self._engine.podman("start", self.name)

    def remove(self) -> None:
        self._engine.podman("rm", "--force", "--time", "0", self.name, check=False)

    def _ended(self) -> bool:
        return self.inspect("{{.State.Status}}") == "exited"

    # ------------------------------------------------------------ inspection

    def inspect(self, template: str) -> str:
        return self._engine.podman("inspect", "--format", template, self.name).stdout.strip()

    def logs(self) -> str:
        done = self._engine.podman("logs", self.name, check=False)
        return done.stdout + done.stderr

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; return its output."""
        return self._engine.podman("exec", self.name, *command, check=check).stdout.strip()

    def healthcheck(self) -> int:
        return self._engine.podman("healthcheck", "run", self.name, check=False).returncode

    def copy_in(self, source: Path, target: str) -> None:
        """Write a file as the container's user."""
        command = ["podman", "exec", "--interactive", self.name, "sh", "-c", f"cat > {target}"]
        subprocess.run(command, input=source.read_bytes(), env=self._engine.environ, check=True)

    # ------------------------------------------------------------ requests

    def url(self, port: int = 5000) -> str:
        found = self._engine.podman("port", self.name, str(port)).stdout.strip()
        return f"{'https' if self.https else 'http'}://{found}"

    def status(self, path: str, token: str | None = TOKEN) -> int:
        """Return the HTTP status of a GET; 0 without an answer."""
        try:
            self.get(path, token, timeout=5)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except (OSError, AssertionError):
            return 0
        return 200

    def get(self, path: str, token: str | None = TOKEN, timeout: float = 60) -> bytes:
        return self._send(path, None, token, timeout)

    def fit(self, algo: str, rows: str, target: str = "", model: str = "m", **params: str) -> dict[str, Any]:
        """Send what ``| fit MLTKContainer … into app:<model>`` sends; return the answer."""
        return self._post("/fit", rows, {"algo": algo, **params}, target, model)

    def apply(self, algo: str, rows: str, model: str = "m") -> dict[str, Any]:
        return self._post("/apply", rows, {"algo": algo}, "", model)

    def fit_and_apply_sample(self, algo: str, sample: str, target: str, epochs: int) -> None:
        """Fit a notebook on a shipped sample, apply it to these rows, expect all rows."""
        rows = self.run("cat", f"/srv/notebooks/data/samples/{sample}_train.csv") + "\n"
        fitted = self.fit(algo, rows, target=target, epochs=str(epochs))
        assert fitted["status"] == "success", fitted
        applied = self.apply(algo, rows)
        assert applied["status"] == "success", applied
        assert len(applied["results"].splitlines()) == len(rows.splitlines())

    def _post(self, path: str, rows: str, params: dict[str, str], target: str, model: str) -> dict[str, Any]:
        columns = rows.split("\n", 1)[0].split(",")
        features = [column for column in columns if column != target]
        options: dict[str, Any] = {"params": params, "args": columns, "feature_variables": features}
        options |= {"model_name": model, "algo_name": "MLTKContainer"}
        meta: dict[str, Any] = {"options": options, "feature_variables": features}
        if target:
            options["target_variable"] = meta["target_variables"] = [target]
        return dict(json.loads(self._send(path, json.dumps({"data": rows, "meta": meta}).encode(), TOKEN, 600)))

    def _send(self, path: str, body: bytes | None, token: str | None, timeout: float) -> bytes:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        headers |= {"Authorization": token} if token else {}
        request = urllib.request.Request(self.url() + path, data=body, headers=headers)
        context = ssl._create_unverified_context() if self.https else None
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return bytes(answer.read())


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `condition` is true; return its value."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        pause.wait(0.05)
    return found
