"""Start a service of the image with its own secrets and no others; s6 runs this for each service.

It runs under ``python3-sealed``, a copy of Python that users may execute and not read. The kernel
shows the environment and the descriptors of such a process to root alone, so notebooks find nothing
in ``/proc`` between its start and the end of `main`. ``-I``: nothing is imported from the volume.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dltk_runtime import landlock
from dltk_runtime.handover import DESCRIPTOR

HERE = Path(__file__).resolve().parent
HANDED = "DLTK_HANDED"  # "api=3,jupyter=4": the memory files that start.py has made
TOOLS_NICENESS = 5
LOOPBACK = "127.0.0.1"
# By these MLflow refuses pages under names that it does not know, and whatever they send. On the loopback address only
# JupyterLab reaches it, which passes on the name that a browser asked for, and asks for its password before.
MLFLOW_CHECKS = frozenset({"MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"})


def main(service: str) -> None:
    """Replace this process by the service; its errors go where its output goes."""
    os.dup2(1, 2)
    environ = {**os.environ, **own_secrets(service, os.environ)}
    del environ[HANDED]
    command = commands(environ)[service]
    if service in ("tensorboard", "mlflow"):
        prepare_tool(service, environ)
        landlock.hide(filter(None, environ.get(landlock.VARIABLE, "").split(os.pathsep)))
    os.execve(command[0], command, environ)


def own_secrets(service: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Close the memory files of other services; return the variable that names this one's."""
    handed = dict(pair.split("=") for pair in environ[HANDED].split(",") if pair)
    for name, descriptor in handed.items():
        if name != service:
            os.close(int(descriptor))
    return {DESCRIPTOR: handed[service]} if service in handed else {}


def commands(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the command of each service.

    None imports from a folder that notebooks write: libraries of the volume are for workers, kernels
    and batch alone.
    """
    python, sealed = (str(Path(sys.prefix) / "bin" / name) for name in ("python3", "python3-sealed"))
    host = environ.get("DLTK_TOOLS_HOST", LOOPBACK)
    store = f"{environ['DLTK_HOME']}/mlflow"
    return {
        "api": [python, "-I", "-m", "dltk_runtime.cli", "serve"],
        # Sealed for its whole life: it is restarted while notebooks run, and holds a memory file.
        "jupyter": [sealed, "-I", "-m", "jupyterlab", f"--config={HERE / 'jupyter_config.py'}"],
        "tensorboard": [
            *(python, "-I", "-m", "tensorboard.main", "--logdir", f"{environ['DLTK_NOTEBOOKS']}/logs"),
            *("--host", host, "--port", "6006"),
        ],
        "mlflow": [
            *(python, "-I", "-m", "mlflow", "server", "--host", host, "--port", "6000", "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{store}/mlflow.db", "--artifacts-destination", f"{store}/artifacts"),
        ],
    }


def prepare_tool(service: str, environ: dict[str, str]) -> None:
    """Make a tool's folder, lower its priority, and keep its own processes from the volume's code."""
    folder = (
        Path(environ["DLTK_NOTEBOOKS"], "logs") if service == "tensorboard" else Path(environ["DLTK_HOME"], "mlflow")
    )
    folder.mkdir(parents=True, exist_ok=True)
    os.nice(TOOLS_NICENESS)
    for name in ("PYTHONPATH", "DLTK_LIBRARIES"):
        environ.pop(name, None)
    environ |= {"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}  # as -I, for the processes that it starts
    if environ.get("DLTK_TOOLS_HOST", LOOPBACK) == LOOPBACK:
        for name in MLFLOW_CHECKS - environ.keys():
            environ[name] = "*"
