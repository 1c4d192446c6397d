"""The kernel ``dltk``: IPython's, with the surroundings that notebook code has in a worker.

Constants that begin with ``/srv/`` are rebased as in a worker, ``app.model.…`` and ``dsdlsupport`` can be
imported, text columns have the same dtype and numeric libraries the threads of a fit. Processes that a notebook
starts inherit all of this but the constants. Started by the kernelspec (see `kernelspec`) as
``python -m dltk_runtime.lab.kernel -f FILE``.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from typing import Any

from ipykernel.kernelapp import IPKernelApp

from dltk_runtime.notebook.srv_paths import rebase_constants
from dltk_runtime.paths import SITE, Paths
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.settings import Settings


class Rebase(ast.NodeTransformer):
    """What IPython calls with each input it has parsed."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def visit(self, node: ast.AST) -> ast.AST:
        return rebase_constants(node, self.paths)


def surround(settings: Settings) -> None:
    """Makes this process, and those it starts, find what notebook code finds in a worker."""
    paths = settings.paths
    for folder in (paths.models, paths.graphics, paths.staged):
        folder.mkdir(parents=True, exist_ok=True)
    # Secrets stay: here a person works, and dsdlsupport takes Splunk's token from the environment.
    os.environ |= worker_environment(settings, settings.threads_of_fit)
    sys.path.insert(0, str(SITE))
    # What pandas says on import about the choice of the text dtype concerns the runtime, not the notebook.
    warnings.filterwarnings("ignore", message="The 'future.infer_string' option")


def main(argv: list[str]) -> None:
    """Runs the kernel until Jupyter ends it."""
    settings = Settings.from_env()
    app: Any = IPKernelApp.instance()
    app.initialize(argv)
    # After IPython has put the notebook's folder first on the path, or an `app` in there would win.
    surround(settings)
    app.shell.ast_transformers.append(Rebase(settings.paths))
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
