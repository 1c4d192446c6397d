"""``dltk new``: a notebook that works at once."""

from __future__ import annotations

from pathlib import Path

import click

from dltk_runtime.lab import templates
from dltk_runtime.settings import Settings

EPILOG = """\b
Examples:
  dltk new my_algorithm
  dltk new my_network --template torch
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--template", type=click.Choice(templates.NAMES), default="bare", show_default=True)
@click.option("--notebooks", type=click.Path(path_type=Path), help="The notebooks' folder.  [DLTK_NOTEBOOKS]")
def command(name: str, template: str, notebooks: Path | None) -> None:
    """Write NAME.ipynb, an algorithm to change: parameters, all functions, and a cycle to run by hand."""
    path = templates.write(Settings.from_env(notebooks=notebooks).paths.notebooks, name, template)
    click.echo(f"{path} answers to algo={name}. Edit it with 'dltk lab'.")
