"""``dltk search``: run a search against a container, without a Splunk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit
from dltk_runtime.emulator.errors import CommandUnknown, SearchError, SearchInvalid
from dltk_runtime.settings import ClientSettings, Settings

if TYPE_CHECKING:
    import pandas as pd

    from dltk_runtime.emulator.mltk.results import SearchMessage

EPILOG = """\b
Commands that run here: inputlookup FILE.csv, outputlookup FILE.csv, makeresults count=N, head N, table, fields,
where, eval, fit, apply, summary, listmodels, deletemodel. All others run in Splunk only.

\b
A plain FILE.csv is looked for in the lookups' folder, the current folder, and data/samples of the notebooks;
a name with a slash is a path from the current folder. outputlookup writes into the lookups' folder only.

\b
Exit codes: 0 done; 1 a message of level ERROR, or a file that cannot be read; 2 the search or the command line
is wrong, and nothing ran; 3 the container did not answer.

\b
Examples:
  dltk search '| inputlookup iris.csv | fit MLTKContainer algo=pytorch_nn epochs=20
      species from petal_length petal_width sepal_length sepal_width into app:iris'
  dltk search '| inputlookup iris.csv | head 5 | apply iris | table species predicted_species'
  dltk search --output csv '| makeresults count=3 | eval x=2*3, name="k".x | where x>5'
  dltk search --url https://gpu.example:5000 --token-file token --cafile ca.pem '| listmodels'
"""


@click.command(epilog=EPILOG)
@click.argument("search", metavar="SPL")
@click.option("--url", help="Address of the container.  [DLTK_URL; http://127.0.0.1:5000]")
@click.option("--token", help="Its token.  [DLTK_TOKEN, api_token, or a file named by DLTK_TOKEN_file]")
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with its token.")
@click.option(
    "--cafile",
    type=click.Path(exists=True, dir_okay=False),
    help="Certificate (PEM) to check the container's against.  [DLTK_CAFILE; the system's]",
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of models and lookups.  [DLTK_HOME]")
@click.option("--notebooks", type=click.Path(path_type=Path), help="The notebooks' folder.  [DLTK_NOTEBOOKS]")
@click.option("--lookups", type=click.Path(path_type=Path), help="Lookups' folder.  [<home>/search/lookups]")
@click.option("--output", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--rows", type=click.IntRange(1), default=20, show_default=True, help="Most rows that a table shows.")
def command(
    search: str,
    *,
    token_file: Path | None,
    home: Path | None,
    notebooks: Path | None,
    lookups: Path | None,
    output: str,
    rows: int,
    **client: str | None,
) -> None:
    """Run the search SPL: MLTK's fit and apply against a container, over CSV files."""
    from dltk_runtime.emulator.spl.context import make_context
    from dltk_runtime.emulator.spl.pipeline import run

    if token_file:
        client["token"] = token_file.read_text(encoding="ascii", errors="replace").strip()
    settings = ClientSettings.from_env(None, **client)
    paths = Settings.from_env(home=home, notebooks=notebooks).paths
    try:
        result = run(search, make_context(settings, paths, lookups))
    except SearchError as error:
        click.echo(f"ERROR {error}", err=True)
        sys.exit(Exit.USAGE if isinstance(error, SearchInvalid | CommandUnknown) else Exit.FAILED)
    for message in result.messages:
        click.echo(str(message), err=True)
    _print(result.frame, output, rows)
    sys.exit(_exit(result.messages))


def _print(frame: pd.DataFrame, output: str, rows: int) -> None:
    from dltk_runtime.emulator.spl.output import as_csv, as_json, print_table

    if output == "table":
        from rich.console import Console

        print_table(frame, Console(), rows)
    else:
        click.echo(as_csv(frame) if output == "csv" else as_json(frame), nl=False)


def _exit(messages: tuple[SearchMessage, ...]) -> Exit:
    if any(isinstance(message.error, Unreachable) for message in messages):
        return Exit.UNREACHABLE
    from dltk_runtime.emulator.mltk.results import broken

    return Exit.FAILED if broken(messages) else Exit.OK
