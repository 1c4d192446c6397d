"""``dltk algos``: the algorithms that a search can name."""

from __future__ import annotations

from pathlib import Path

import click

from dltk_runtime.algorithm import algorithms, check
from dltk_runtime.errors import NotebookError
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

EPILOG = """\b
Examples:
  dltk algos
  dltk algos --notebooks ~/drafts
"""


@click.command(epilog=EPILOG)
@click.option("--home", type=click.Path(path_type=Path), help="Where an old volume's modules lie.  [DLTK_HOME]")
@click.option("--notebooks", type=click.Path(path_type=Path), help="The notebooks' folder.  [DLTK_NOTEBOOKS]")
def command(home: Path | None, notebooks: Path | None) -> None:
    """List the algorithms: their files, their functions, and how many problems 'dltk check' finds."""
    paths = Settings.from_env(home=home, notebooks=notebooks).paths
    names = algorithms(paths)
    if not names:
        click.echo(f"No algorithm in {paths.notebooks}, {paths.helpers} and {paths.modules}. Save a notebook there.")
        return
    _print([row(name, paths) for name in names])


def row(algorithm: str, paths: Paths) -> tuple[str, str, str, str]:
    """An algorithm's name, file, functions and number of problems."""
    try:
        contract = check(algorithm, paths)
    except NotebookError as error:
        return algorithm, "", error.sentence, "1"
    return algorithm, contract.source.path, " ".join(contract.functions), str(len(contract.problems))


def _print(rows: list[tuple[str, str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for title in ("algorithm", "file", "functions", "problems"):
        table.add_column(title, overflow="fold")
    for cells in rows:
        table.add_row(*cells, style="red" if cells[-1] != "0" else "")
    Console().print(table)
