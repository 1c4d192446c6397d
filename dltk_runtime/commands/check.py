"""``dltk check``: hold notebooks against the contract, without running them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.notebook.algorithm import algorithms, find
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.notebook.review import Review, review
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

EPILOG = """\b
Problems: cells that do not compile, magics among them, missing init, fit or apply, functions that the runtime
cannot call. Hints: names that only experiments define, parameters that are read and not declared.
Nothing of a notebook runs.

\b
Exit codes: 0 no problem, hints or not; 1 a problem, or no such notebook.

\b
Examples:
  dltk check                          all algorithms there are
  dltk check pytorch_nn               one, by its name
  dltk check ~/drafts/umap.ipynb      a file, wherever it lies
"""


@click.command(epilog=EPILOG)
@click.argument("notebooks", metavar="[NOTEBOOK]...", nargs=-1)
@click.option("--home", type=click.Path(path_type=Path), help="Where an old volume's modules lie.  [DLTK_HOME]")
@click.option("--notebooks", "folder", type=click.Path(path_type=Path), help="The notebooks' folder.  [DLTK_NOTEBOOKS]")
def command(notebooks: tuple[str, ...], home: Path | None, folder: Path | None) -> None:
    """Print every problem of notebooks with its cell and line."""
    paths = Settings.from_env(home=home, notebooks=folder).paths
    chosen = notebooks or algorithms(paths)
    if not chosen:
        click.echo(f"No algorithm in {paths.notebooks}, {paths.helpers} and {paths.modules}: nothing to check.")
    found = [reviewed(notebook, paths) for notebook in chosen]
    for each in found:
        click.echo(each.text)
    sys.exit(Exit.FAILED if any(each.problems for each in found) else Exit.OK)


def reviewed(notebook: str, paths: Paths) -> Review:
    """The review of a notebook given by name or, with its suffix, as a file."""
    if notebook.endswith((".ipynb", ".py")):
        return replace(review(Path(notebook)), name=notebook)
    try:
        return replace(review(find(notebook, paths)), name=notebook)
    except NotebookError as error:
        return Review(notebook, problems=(error.sentence,))
