"""``dltk search``: run a search against a container, without Splunk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import console, echo, echo_data
from dltk_runtime.emulator.errors import CommandUnknown, SearchError, SearchInvalid
from dltk_runtime.settings import ClientSettings, Settings

if TYPE_CHECKING:
    import pandas as pd

    from dltk_runtime.emulator.mltk.results import SearchMessage

EPILOG = """\b
Commands: accum, addinfo, append, appendcols, appendpipe, apply, autoregress, bin, bucket, chart, collect,
dedup, deletemodel, delta, eval, eventstats, fields, filldown, fillnull, fit, foreach, head, inputlookup,
listmodels, lookup, makemv, makeresults, mvcombine, mvexpand, nomv, outputlookup, rare, regex, rename,
replace, reverse, rex, sample, score, search, sort, stats, strcat, streamstats, summary, table, tail,
timechart, top, transpose, tstats, untable, where, xyseries. Other commands of Splunk, and other arguments, are
refused by name. docs/reference/search.md lists the accepted forms, the functions of eval and those of
stats.

\b
A plain FILE.csv is searched in the lookups' folder, the current folder, and data/samples of the notebooks;
a name with a slash is a path relative to the current folder. outputlookup writes to the lookups' folder.

\b
Exit codes: 0 success; 1 a message of level ERROR, or an unreadable file; 2 an error in the search or
the command line, before any command ran; 3 no answer from the container.

\b
Examples:
  dltk search '| inputlookup iris.csv | fit MLTKContainer algo=pytorch_nn epochs=20
      species from petal_length petal_width sepal_length sepal_width into app:iris'
  dltk search '| inputlookup iris.csv | head 5 | apply iris | table species predicted_species'
  dltk search --onnx . '| inputlookup iris.csv | apply onnx:iris'
  dltk search --arrow '| inputlookup large.csv | apply iris | stats count by predicted_species'
  dltk search --csv '| makeresults count=3 | eval x=2*3, name="k".x | where x>5'
  dltk search --url https://gpu.example:5000 --token-file token --cafile ca.pem '| listmodels'
"""


@click.command(epilog=EPILOG, short_help="Run a search with fit and apply over CSV files.")
@click.argument("search", metavar="SPL")
@click.option("--url", help="Address of the container.  [DLTK_URL; http://127.0.0.1:5000]")
@click.option("--token", help="Token of the container.  [DLTK_TOKEN, api_token, or a file named by DLTK_TOKEN_file]")
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the token.")
@click.option(
    "--cafile",
    type=click.Path(exists=True, dir_okay=False),
    help="Certificate (PEM) to verify that of the container.  [DLTK_CAFILE; the system's]",
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of models and lookups.  [DLTK_HOME]")
@click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The notebooks' folder.  [DLTK_NOTEBOOKS]",
)
@click.option("--lookups", type=click.Path(path_type=Path), help="Lookups' folder.  [<home>/search/lookups]")
@click.option("--onnx", type=click.Path(path_type=Path), help="Folder of apply onnx:NAME.  [<home>/search/onnx]")
@click.option("--arrow", is_flag=True, help="Send the rows of apply as Arrow, not as Splunk sends them; needs pyarrow.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option("--output", type=click.Choice(["table", "csv", "json"]), help="The same as one option.  [table]")
@click.option(
    "--rows", type=click.IntRange(1), default=20, show_default=True, help="Maximum number of rows in a table."
)
def command(
    search: str,
    *,
    token_file: Path | None,
    home: Path | None,
    notebooks: Path | None,
    lookups: Path | None,
    onnx: Path | None,
    arrow: bool,
    rows: int,
    **given: Any,
) -> None:
    """Run the search SPL, with MLTK's fit and apply against a container, on CSV files."""
    from dltk_runtime.emulator.spl.context import make_context
    from dltk_runtime.emulator.spl.pipeline import run

    form = _form(given.pop("as_csv"), given.pop("as_json"), given.pop("output"))
    if token_file:
        given["token"] = token_file.read_text(encoding="ascii", errors="replace").strip()
    settings = ClientSettings.from_env(None, **given)
    paths = Settings.from_env(home=home, notebooks=notebooks).paths
    try:
        result = run(search, make_context(settings, paths, lookups, onnx, arrow=arrow))
    except SearchError as error:
        echo(f"ERROR {error}", err=True)
        sys.exit(Exit.USAGE if isinstance(error, SearchInvalid | CommandUnknown) else Exit.FAILED)
    for message in result.messages:
        echo(str(message), err=True)
    _print(result.frame, form, rows)
    sys.exit(_exit(result.messages))


def _form(as_csv: bool, as_json: bool, named: str | None) -> str:
    """Return the form of the output that the options name.

    Raises:
        click.UsageError: they name two.
    """
    forms = {form for form, chosen in (("csv", as_csv), ("json", as_json), (named, named)) if chosen and form}
    if len(forms) > 1:
        raise click.UsageError("Choose one of --csv, --json and --output.")
    return next(iter(forms), "table")


def _print(frame: pd.DataFrame, output: str, rows: int) -> None:
    from dltk_runtime.emulator.spl.output import as_csv, as_json, print_table

    if output == "table":
        print_table(frame, console(markup=True), rows)
    else:
        echo_data(as_csv(frame) if output == "csv" else as_json(frame))


def _exit(messages: tuple[SearchMessage, ...]) -> Exit:
    if any(isinstance(message.error, Unreachable) for message in messages):
        return Exit.UNREACHABLE
    from dltk_runtime.emulator.mltk.results import has_errors

    return Exit.FAILED if has_errors(messages) else Exit.OK
