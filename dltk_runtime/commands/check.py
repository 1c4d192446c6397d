"""``dltk check``: hold notebooks against the contract, without running them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dltk_runtime.algorithm import algorithms, check, contract_of
from dltk_runtime.commands import Exit
from dltk_runtime.errors import NotebookError
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.sources import read_source

EPILOG = """\b
Checked are: cells that do not compile, missing init, fit or apply, and functions that the runtime cannot call.
Nothing of a notebook runs.

\b
Exit codes: 0 no problem; 1 a problem, or no such notebook.

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
    found = {notebook: problems(notebook, paths) for notebook in chosen}
    for notebook, lines in found.items():
        click.echo("\n".join(lines) if lines else f"{notebook}: no problem")
    sys.exit(Exit.FAILED if any(found.values()) else Exit.OK)


def problems(notebook: str, paths: Paths) -> tuple[str, ...]:
    """All that is wrong with a notebook given by name or, with its suffix, as a file."""
    try:
        if notebook.endswith((".ipynb", ".py")):
            return contract_of(read_source(Path(notebook))).problems
        return check(notebook, paths).problems
    except NotebookError as error:
        return (error.sentence,)
