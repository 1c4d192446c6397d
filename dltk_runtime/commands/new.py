"""``dltk new``: create a working notebook from a template."""

from __future__ import annotations

from pathlib import Path

import click

from dltk_runtime.commands._terminal import echo
from dltk_runtime.lab import templates
from dltk_runtime.settings import Settings

EPILOG = """\b
Examples:
  dltk new my_algorithm                     no library beyond pandas
  dltk new my_network --template torch      a PyTorch network
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option(
    "--template", type=click.Choice(templates.TEMPLATE_NAMES), default="bare", show_default=True, help="Library to use."
)
@click.option("--notebooks", type=click.Path(path_type=Path), help="Folder of the notebooks.  [DLTK_NOTEBOOKS]")
def command(name: str, template: str, notebooks: Path | None) -> None:
    """Create a notebook from a template.

    NAME.ipynb is a working algorithm: parameters, all functions, and cells to run by hand.
    """
    path = templates.write(Settings.from_env(notebooks=notebooks).paths.notebooks, name, template)
    echo(f"Created {path}: use it in a search with algo={name}, edit it with 'dltk lab'.")
