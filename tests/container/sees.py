"""What notebook code sees of the other processes: run in the image's process tree, as the user of notebooks."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_BYTES = 1024**2  # of one file
MAX_GUESSES = 16  # the wait after each doubles, so that a slow machine needs a few more
SECONDS = 240  # until JupyterLab answers
JUPYTERS_PID = ("/usr/bin/s6-svstat", "-o", "pid", "/tmp/services/jupyter")


def processes() -> dict[str, dict[str, str]]:
    """Return the command line, the environment and the memory files of each process, as far as they can be read."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = _text(folder / "cmdline")
            files = "".join(_text(file) for file in _memory_files(folder))
            found[folder.name] = {"command": command, "environ": _text(folder / "environ"), "files": files}
    return found


def _memory_files(folder: Path) -> list[Path]:
    found = []
    with contextlib.suppress(OSError):
        for file in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                if "memfd:" in str(file.readlink()):
                    found.append(file)
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def start_kernel() -> int:
    """Log in to JupyterLab once it answers, and start a kernel; return the HTTP status."""
    status, _ = _jupyterlab()._send("/api/kernels", json.dumps({"name": "dltk"}).encode(), "POST")
    return int(status)


def restart_jupyter() -> int:
    """Kill JupyterLab; return the HTTP status of a login to the one that s6 starts."""
    before = subprocess.check_output(JUPYTERS_PID, text=True)
    os.kill(int(before), signal.SIGKILL)
    while subprocess.check_output(JUPYTERS_PID, text=True) in (before, "-1\n"):
        time.sleep(0.1)
    return int(_jupyterlab().status("/api/kernels"))


def guess_password() -> list[int]:
    """Try wrong passwords until JupyterLab refuses to check them, then the right one until it is let in."""
    lab, statuses = _jupyterlab(), []
    while 429 not in statuses and len(statuses) < MAX_GUESSES:
        statuses.append(int(lab.log_in("a wrong one")))
    deadline = time.monotonic() + SECONDS
    while (status := int(lab.log_in())) == 429 and time.monotonic() < deadline:
        time.sleep(0.2)
    return [*statuses, status]


def forge(api_token: str) -> dict[str, Any]:
    """Try to make a cookie of the console from everything that can be read, and from Splunk's token."""
    from tests.container import forge

    return forge.forge(api_token)


def tracked(api_token: str) -> list[dict[str, Any]]:
    """Fit `barebone_template`; return its runs in the container's own MLflow, once they have ended."""
    from tests.support.service import meta_for

    data = "x,y\n1,2\n3,4\n"
    body = {"data": data, "meta": meta_for(data, "tracked", {"algo": "barebone_template"})}
    headers = {"Authorization": api_token, "Content-Type": "application/json"}
    sent = urllib.request.Request("https://127.0.0.1:5000/fit", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(sent, timeout=SECONDS, context=ssl._create_unverified_context()) as answer:
        said = json.load(answer)
    assert said["status"] == "success", said
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = _mlflow("experiments/search", max_results=100).get("experiments", [])
        ids = [each["experiment_id"] for each in found if each["name"] == "barebone_template"]
        runs = _mlflow("runs/search", experiment_ids=ids).get("runs", []) if ids else []
        if runs and all(each["info"]["status"] == "FINISHED" for each in runs):
            return [each["info"] for each in runs]
        time.sleep(0.2)
    return []


def _mlflow(path: str, **body: Any) -> dict[str, Any]:
    """Return what MLflow answers; nothing while it starts."""
    url, headers = f"http://127.0.0.1:6000/api/2.0/mlflow/{path}", {"Content-Type": "application/json"}
    try:
        sent = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(sent, timeout=SECONDS) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}


def stop_tools() -> int:
    """Stop TensorBoard and MLflow."""
    tools = [f"/tmp/services/{name}" for name in ("tensorboard", "mlflow")]
    return sum(subprocess.call(["/usr/bin/s6-svc", "-d", tool]) for tool in tools)


def _jupyterlab() -> Any:
    """Return a session with JupyterLab, when it answers."""
    lab = runpy.run_path(str(Path(__file__).parents[2] / "image_tests" / "lab.py"))["Lab"]("https://127.0.0.1:8888")
    deadline = time.monotonic() + SECONDS
    while lab.status("/login") != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert lab.log_in() == 200
    return lab


ACTIONS: dict[str, Callable[..., Any]] = {
    "--processes": processes,
    "--start-kernel": start_kernel,
    "--restart-jupyter": restart_jupyter,
    "--guess-password": guess_password,
    "--tracked": tracked,
    "--stop-tools": stop_tools,
    "--forge": forge,
}

if __name__ == "__main__":
    json.dump(ACTIONS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
