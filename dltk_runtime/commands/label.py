"""``dltk label``: labels of a feedback flow, over REST with the person's own token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dltk_runtime.flows.labels import Labels

EPILOG = """\b
Where Splunk is and who you are there: splunk_access_enabled=1, splunk_access_host, splunk_access_port and
splunk_access_token (or splunk_access_token_file), as for notebooks; DLTK_SPLUNK_CAFILE for its certificate.

\b
Examples:
  dltk label queue dga
  dltk label write dga k5e6c696a090bbc499d198ca062e7ffce legit --note 'our own CDN'
  dltk label export dga labels.csv
  dltk label prune dga --days 365 --archive old-labels.csv
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """See the queue of a feedback flow, write, export, import and prune labels."""


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.option("--rows", type=click.IntRange(1), default=20, show_default=True)
def queue(flow: str, rows: int) -> None:
    """What waits for a label, the most uncertain first."""
    for row in _labels(flow).queue()[:rows]:
        click.echo(
            f"{row['_key']}  {row.get('uncertainty', ''):>8}  {row.get('why', ''):10}  {row.get('entity', '')!r}"
        )


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.argument("key")
@click.argument("verdict")
@click.option("--note", default="-", help="A word on why.")
def write(flow: str, key: str, verdict: str, note: str) -> None:
    """Label the row KEY of the queue."""
    _labels(flow).write(key, verdict, note)
    click.echo(f"{key}: {verdict}")


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.argument("file", type=click.Path(path_type=Path))
def export(flow: str, file: Path) -> None:
    """Write every label to a CSV FILE: collections are in no package and no backup of an app."""
    click.echo(f"{_labels(flow).export(file)} labels in {file}")


@command.command("import", epilog=EPILOG)
@click.argument("flow")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(flow: str, file: Path) -> None:
    """Put the labels of such a FILE back."""
    click.echo(f"{_labels(flow).load(file)} labels written")


@command.command(epilog=EPILOG)
@click.argument("flow")
@click.option("--days", type=click.FloatRange(min=0), required=True, help="Labels older than this go.")
@click.option("--archive", type=click.Path(path_type=Path), required=True, help="A new CSV file for them.")
def prune(flow: str, days: float, archive: Path) -> None:
    """Remove old labels once they are in a file."""
    click.echo(f"{_labels(flow).prune(days, archive)} labels removed; they are in {archive}")


def _labels(flow: str) -> Labels:
    from dltk_runtime.flows.labels import Labels
    from dltk_runtime.splunk.connection import Connection

    return Labels(Connection.from_env(f"dltk_flow_{flow}"), flow)
