"""The kernelspec ``dltk``, with which Jupyter and papermill start our kernel.

It contains the absolute paths of one home and one notebooks' folder, as Jupyter starts a kernel in
the notebook's folder, where relative paths would differ.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dltk_runtime import landlock
from dltk_runtime.paths import Paths
from dltk_runtime.secret_names import private_files, variables_without_secrets
from dltk_runtime.splunk import access

KERNEL_NAME = "dltk"


def install(paths: Paths) -> Path:
    """Write the kernelspec below the home of `paths`; return the folder for ``JUPYTER_PATH``."""
    root = paths.home / "jupyter"
    folder = root / "kernels" / KERNEL_NAME
    folder.mkdir(parents=True, exist_ok=True)
    # Replaced atomically: another Jupyter may read the file at the same time.
    temporary = folder / f"kernel.json.{os.getpid()}.{threading.get_ident()}"
    temporary.write_text(json.dumps(_spec(paths), indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / "kernel.json")
    return root


def environment(paths: Paths, environ: Mapping[str, str]) -> dict[str, str]:
    """Install the kernel, and return `environ` with a ``JUPYTER_PATH`` on which it is found."""
    rest = environ.get("JUPYTER_PATH")
    found = str(install(paths))
    return {**environ, "JUPYTER_PATH": f"{found}{os.pathsep}{rest}" if rest else found}


def inherited(environ: Mapping[str, str], access_descriptor: int | None) -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` that decide what a kernel's process inherits.

    Its environment is `environ` without secrets; the descriptor is that of `splunk.access.sealed`.
    """
    hidden = {landlock.VARIABLE: os.pathsep.join(private_files(environ))} if landlock.VARIABLE not in environ else {}
    env = variables_without_secrets(environ) | hidden | access.variables(access_descriptor)
    return {"env": env, "pass_fds": access.inherited(env)}


def _spec(paths: Paths) -> dict[str, object]:
    return {
        # -P: the kernel's own imports do not search the notebook's folder.
        "argv": [sys.executable, "-P", "-m", "dltk_runtime.lab.kernel", "-f", "{connection_file}"],
        "display_name": "DLTK",
        "language": "python",
        "env": {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)},
        # Jupyter may encrypt its connection to this kernel.
        "metadata": {"debugger": True, "supported_encryption": ["curve"]},
    }
