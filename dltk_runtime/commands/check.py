"""``dltk check``: check notebooks against the contract, without running them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import echo
from dltk_runtime.notebook import places
from dltk_runtime.notebook.algorithm import algorithms, find, others
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.notebook.review import Review, review
from dltk_runtime.notebook.source import is_name
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

EPILOG = """Problems are cells that do not compile (magics included), a missing init, fit or apply, and
functions with wrong arguments. Hints are names that no exported cell defines, undeclared parameters,
magics that are left out, libraries that are not installed, variables that are held back from
notebooks, and notebooks that another one hides. No code of the notebook runs.

\b
Exit codes:
  0  no problems (there may be hints)
  1  problems, or an unknown notebook

\b
Examples:
  dltk check                          check all algorithms
  dltk check pytorch_nn --cells       check one by name, and list its exported cells
  dltk check ~/drafts/umap.ipynb      check a file in any folder
"""


@click.command(epilog=EPILOG)
@click.argument("notebooks", metavar="[NOTEBOOK]...", nargs=-1)
@click.option("--home", type=click.Path(path_type=Path), help="Folder with app/model of an old volume.  [DLTK_HOME]")
@click.option(
    "--notebooks",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the notebooks.  [DLTK_NOTEBOOKS]",
)
@click.option("--cells", is_flag=True, help="List which cells are the algorithm.")
def command(notebooks: tuple[str, ...], home: Path | None, folder: Path | None, cells: bool) -> None:
    """List the problems of notebooks by cell and line."""
    paths = Settings.from_env(home=home, notebooks=folder).paths
    chosen = notebooks or algorithms(paths)
    if not chosen:
        echo(f"No algorithm in {paths.notebooks}, {paths.helpers} or {paths.modules}: nothing to check.")
    found = [reviewed(notebook, paths) for notebook in chosen]
    if not notebooks:
        found += [Review(path, problems=(why,)) for path, why in others(paths)[1]]
        found += [Review(path, hints=(f"{path} is not used: {why}",)) for path, why in places.left_out(paths)]
    for each in found:
        echo(each.text)
        if cells and each.exported:
            echo(f"{each.name}: exported cells: {', '.join(map(str, each.exported))}")
    sys.exit(Exit.FAILED if any(each.problems for each in found) else Exit.OK)


def reviewed(notebook: str, paths: Paths) -> Review:
    """Review a notebook, given by name or as a path with its suffix."""
    if notebook.endswith((".ipynb", ".py")):
        return replace(review(Path(notebook).absolute(), paths), name=notebook)
    for path, why in places.left_out(paths):
        if not is_name(notebook) and Path(path).stem == notebook:
            return Review(path, problems=(f"{why} ({path})",))
    try:
        return replace(review(find(notebook, paths), paths), name=notebook)
    except NotebookError as error:
        return Review(notebook, problems=(error.sentence,))
