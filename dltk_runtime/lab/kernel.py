"""The Jupyter kernel ``dltk``: IPython with the environment that notebook code has in a worker.

``/srv/…`` constants are rebased, ``app.model.…`` and ``dsdlsupport`` can be imported,
text columns have the same dtype, and numeric libraries use as many threads as in a fit. Child
processes inherit all of this except the constants. The kernelspec (see `kernelspec`) starts it as
``python -m dltk_runtime.lab.kernel -f FILE``.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from typing import Any

from ipykernel.kernelapp import IPKernelApp

from dltk_runtime import landlock
from dltk_runtime.notebook.prefixes import keep_prefixes
from dltk_runtime.notebook.srv_paths import rebase_constants
from dltk_runtime.paths import SITE, Paths
from dltk_runtime.pool.environment import hidden_paths, worker_environment
from dltk_runtime.settings import Settings
from dltk_runtime.splunk import access


class Rebase(ast.NodeTransformer):
    """AST transformer that IPython applies to each input."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def visit(self, node: ast.AST) -> ast.AST:
        """Rebase the constants of a parsed input, and keep prefixes of names, as in a worker."""
        return keep_prefixes(rebase_constants(node, self.paths))


def prepare_process(settings: Settings) -> None:
    """Give this process and its children the folders, variables and packages of a worker."""
    access.hand_out(os.environ)
    for descriptor in access.inherited(os.environ):  # not for programs that the notebook starts
        os.set_inheritable(descriptor, False)
    os.environ |= worker_environment(settings, settings.threads_of_fit)
    sys.path.insert(0, str(SITE))
    sys.path += filter(None, [os.environ.get("DLTK_LIBRARIES")])  # behind the image's own, as in a worker
    # pandas warns at import about the dtype of text, which the runtime has set.
    warnings.filterwarnings("ignore", message="The 'future.infer_string' option")


def main(argv: list[str]) -> None:
    """Run the kernel until Jupyter ends it."""
    settings = Settings.from_env()
    for folder in (settings.paths.models, settings.paths.graphics, settings.paths.staged):
        folder.mkdir(parents=True, exist_ok=True)
    landlock.hide(hidden_paths(settings, os.environ))  # after the folders, before other threads
    app: Any = IPKernelApp.instance()
    app.initialize(argv)
    # After `initialize`, which puts the notebook's folder first on the path: our `app` must
    # precede one in that folder.
    prepare_process(settings)
    app.shell.ast_transformers.append(Rebase(settings.paths))
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
