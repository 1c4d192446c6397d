"""The kernelspec ``dltk``, which tells Jupyter and papermill how to start our kernel.

It names one home and one notebooks' folder, since Jupyter starts kernels in the folder of the notebook, where
relative paths mean something else.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from dltk_runtime.paths import Paths

NAME = "dltk"


def install(paths: Paths) -> Path:
    """Writes the kernelspec for `paths` below their home; returns the folder that belongs on ``JUPYTER_PATH``."""
    root = paths.home / "jupyter"
    folder = root / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    # A Jupyter that is looking for kernels meanwhile must not read half a file.
    unfinished = folder / f"kernel.json.{os.getpid()}.{threading.get_ident()}"
    unfinished.write_text(json.dumps(_spec(paths), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(folder / "kernel.json")
    return root


def environment(paths: Paths, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for a Jupyter or papermill that finds the kernel ``dltk``, which is installed for that."""
    rest = environ.get("JUPYTER_PATH")
    found = str(install(paths))
    return {**environ, "JUPYTER_PATH": f"{found}{os.pathsep}{rest}" if rest else found}


def _spec(paths: Paths) -> dict[str, object]:
    return {
        # -P: the notebook's folder is not searched for the modules of the kernel itself.
        "argv": [sys.executable, "-P", "-m", "dltk_runtime.lab.kernel", "-f", "{connection_file}"],
        "display_name": "DLTK",
        "language": "python",
        "env": {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)},
        # Jupyter may encrypt its connection to kernels that say they can.
        "metadata": {"debugger": True, "supported_encryption": ["curve"]},
    }
