"""``dltk label``: labels of a feedback flow, over REST with the user's own token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dltk_runtime.commands import Number
from dltk_runtime.commands._terminal import echo
from dltk_runtime.texts import counted

if TYPE_CHECKING:
    from dltk_runtime.flows.labels import Labels

EPILOG = """\b
The connection to Splunk is the one of notebooks: splunk_access_enabled=1, splunk_access_host,
splunk_access_port, splunk_access_token (or splunk_access_token_file), and DLTK_SPLUNK_CAFILE.

\b
Examples:
  dltk label queue dga
  dltk label write dga k5e6c696a090bbc499d198ca062e7ffce legit --note 'our own CDN'
  dltk label export dga labels.csv
  dltk label prune-queue dga --days 30
  dltk label prune dga --days 365 --archive old-labels.csv
"""


@click.group(epilog=EPILOG, short_help="Show the queue of a feedback flow; keep its labels.")
def command() -> None:
    """List the queue of a feedback flow; write, export, import and prune its labels."""


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.option("--rows", type=click.IntRange(1), default=20, show_default=True)
def queue(flow: str, rows: int) -> None:
    """List the rows without a label, the most uncertain first."""
    for row in _labels(flow).queue()[:rows]:
        echo(f"{row['_key']}  {row.get('uncertainty', ''):>8}  {row.get('why', ''):10}  {row.get('entity', '')!r}")


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.argument("key")
@click.argument("verdict")
@click.option("--note", default="-", help="Reason for the label.")
def write(flow: str, key: str, verdict: str, note: str) -> None:
    """Label the row KEY of the queue."""
    _labels(flow).write(key, verdict, note)
    echo(f"{key}: {verdict}")


@command.command(epilog=EPILOG, short_help="Write every label to a CSV FILE.")
@click.argument("flow")
@click.argument("file", type=click.Path(path_type=Path))
def export(flow: str, file: Path) -> None:
    """Write every label to a CSV FILE; packages and backups of an app do not contain them."""
    echo(f"{counted(_labels(flow).export(file), 'label')} in {file}")


@command.command("import", epilog=EPILOG)
@click.argument("flow")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(flow: str, file: Path) -> None:
    """Write the labels of an exported FILE to the collection."""
    echo(f"{counted(_labels(flow).load(file), 'label')} written")


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.option("--days", type=Number(min=0), required=True, help="Remove labels older than this.")
@click.option("--archive", type=click.Path(path_type=Path), required=True, help="New CSV file for the removed labels.")
def prune(flow: str, days: float, archive: Path) -> None:
    """Write old labels to a file, then remove them."""
    echo(f"{counted(_labels(flow).prune(days, archive), 'label')} removed and written to {archive}")


@command.command("prune-queue", epilog=EPILOG, short_help="Remove old rows of the queue.")
@click.argument("flow")
@click.option("--days", type=Number(min=0), required=True, help="Remove rows last seen longer ago than this.")
def prune_queue(flow: str, days: float) -> None:
    """Remove old rows of the queue; their predictions stay in the index, and their labels too."""
    echo(f"{counted(_labels(flow).prune_queue(days), 'row')} of the queue removed")


def _labels(flow: str) -> Labels:
    from dltk_runtime.flows.labels import Labels
    from dltk_runtime.splunk.connection import Connection

    return Labels(Connection.from_env(f"dltk_flow_{flow}"), flow)
