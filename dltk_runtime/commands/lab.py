"""``dltk lab``: JupyterLab over the notebooks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from dltk_runtime.settings import Settings

EPILOG = """\b
Saving a notebook says what it means as an algorithm; the launcher makes new ones. What follows -- is for Jupyter.

\b
Examples:
  dltk lab
  dltk lab -- --no-browser --port 8899
"""


@click.command(epilog=EPILOG)
@click.option("--home", type=click.Path(path_type=Path), help="Where models lie.  [DLTK_HOME]")
@click.option("--notebooks", type=click.Path(path_type=Path), help="The notebooks' folder.  [DLTK_NOTEBOOKS]")
@click.argument("arguments", nargs=-1)
def command(home: Path | None, notebooks: Path | None, arguments: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks' folder, with kernels in which /srv means what it means in the service."""
    from dltk_runtime.lab import kernelspec

    paths = Settings.from_env(home=home, notebooks=notebooks).paths
    config = Path(kernelspec.__file__).with_name("jupyter_config.py")
    environ = kernelspec.environment(paths, os.environ)
    environ |= {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
    os.execve(  # noqa: S606 - this very Python
        sys.executable, [sys.executable, "-m", "jupyterlab", "--config", str(config), *arguments], environ
    )
