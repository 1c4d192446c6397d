"""Runs when a worker, or a Python that notebook code starts, begins: adds the volume's libraries.

They come last on the path: a library of the volume never replaces one of the image. Afterwards runs
the `sitecustomize` that this file hides, if there is one.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _run_hidden() -> None:
    here = __file__.rpartition("/")[0]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if os.environ.get("DLTK_LIBRARIES"):
    sys.path.append(os.environ["DLTK_LIBRARIES"])
_run_hidden()
