"""``dltk lab``: open JupyterLab on the notebooks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from dltk_runtime.settings import Settings

EPILOG = """Each save of a notebook checks it like 'dltk check'. The launcher creates notebooks like 'dltk new'.
Arguments after -- are passed to JupyterLab.

\b
Examples:
  dltk lab
  dltk lab -- --no-browser --port 8899
"""


@click.command(epilog=EPILOG)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of models and jobs.  [DLTK_HOME]")
@click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the notebooks.  [DLTK_NOTEBOOKS]",
)
@click.argument("arguments", nargs=-1)
def command(home: Path | None, notebooks: Path | None, arguments: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks.

    Its kernels map /srv to the same folders as the service.
    """
    from dltk_runtime.lab import kernelspec

    paths = Settings.from_env(home=home, notebooks=notebooks).paths
    config = Path(kernelspec.__file__).with_name("jupyter_config.py")
    environ = kernelspec.environment(paths, os.environ)
    environ |= {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
    os.execve(  # noqa: S606 - this Python
        sys.executable, [sys.executable, "-m", "jupyterlab", "--config", str(config), *arguments], environ
    )
