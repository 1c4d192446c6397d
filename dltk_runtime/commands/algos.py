"""``dltk algos``: list the algorithms that a search can name, and describe one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from dltk_runtime.commands._terminal import add_row, echo, show_table
from dltk_runtime.notebook import places
from dltk_runtime.notebook.algorithm import algorithms, check, others
from dltk_runtime.notebook.catalogue import CatalogueEntry, entry, markdown
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

EPILOG = """\b
Examples:
  dltk algos                           list all algorithms
  dltk algos show pytorch_nn           describe one: parameters and example searches
  dltk algos --notebooks ~/drafts      list those of another folder
  dltk algos --markdown                print the table of the documentation
"""
SHOW_EPILOG = """\b
Example:
  dltk algos show pytorch_nn
"""


@click.group(invoke_without_command=True, epilog=EPILOG)
@click.option("--home", type=click.Path(path_type=Path), help="Folder with app/model of an old volume.  [DLTK_HOME]")
@click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the notebooks.  [DLTK_NOTEBOOKS]",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table.")
@click.pass_context
def command(context: click.Context, home: Path | None, notebooks: Path | None, as_markdown: bool) -> None:
    """List the algorithms.

    Show the file and functions of each, and how many problems 'dltk check' finds.
    """
    context.obj = paths = Settings.from_env(home=home, notebooks=notebooks).paths
    if context.invoked_subcommand is not None:
        return
    names = algorithms(paths)
    if not names:
        echo(f"No algorithm in {paths.notebooks}, {paths.helpers} or {paths.modules}. Save a notebook there.")
    elif as_markdown:
        echo(markdown(entry(name, paths) for name in names), nl=False)
    else:
        _print(("algorithm", "file", "functions", "problems"), [row(name, paths) for name in names])
    if not as_markdown:
        _print_left_out(paths)


@command.command(epilog=SHOW_EPILOG)
@click.argument("algorithm")
@click.pass_obj
def show(paths: Paths, algorithm: str) -> None:
    """Describe an algorithm.

    Show its purpose, example searches, and parameters with types and defaults.
    """
    found = entry(algorithm, paths)
    echo(f"{found.title or found.name} ({found.path})")
    for text in (found.about, *found.searches):
        echo(f"\n{text}")
    echo("")
    _print_parameters(found)
    echo("".join(f"problem: {problem}\n" for problem in found.problems), nl=False)


def row(algorithm: str, paths: Paths) -> tuple[str, str, str, str]:
    """Return an algorithm's name, file, functions and number of problems."""
    try:
        contract = check(algorithm, paths)
    except NotebookError as error:
        return algorithm, "", error.sentence, "1"
    return algorithm, contract.source.path, " ".join(contract.functions), str(len(contract.problems))


def _print_left_out(paths: Paths) -> None:
    """Name the notebooks that are not in the table, and why."""
    readable, unreadable = others(paths)
    for path, why in (*places.left_out(paths), *unreadable):
        echo(f"not used: {path}: {why}")
    if readable:
        echo(f"without init, fit or apply: {', '.join(readable)}")


def _print_parameters(found: CatalogueEntry) -> None:
    if found.parameters is None:
        echo("It declares no parameters: a search may set any, and the functions receive their text.")
        return
    rows = [(each.name, each.wanted, repr(each.default), each.help) for each in found.parameters]
    _print(("parameter", "allowed", "default", "meaning"), rows)


def _print(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold")
    for cells in rows:
        broken = titles[-1] == "problems" and cells[-1] != "0"
        add_row(table, *cells, style="red" if broken else "")
    show_table(table)
