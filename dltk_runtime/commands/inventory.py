"""``dltk inventory``: what in a Splunk calls a container."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from dltk_runtime.commands import _terminal
from dltk_runtime.commands._splunk import ADDRESS, clients
from dltk_runtime.commands._terminal import echo, echo_data

if TYPE_CHECKING:
    from dltk_runtime.inventory.survey import Survey

EPILOG = """\b
It lists every view, panel, saved search, report and macro with fit, apply or summary of a container's model, with
/graphics/ or with api_url_external; macros, saved searches that another one runs, and searches in brackets are
followed. Runs are counted in the index _audit. It changes nothing in Splunk, and shows what the token's user may read.

\b
The token is that of notebooks: splunk_access_token (or splunk_access_token_file), with DLTK_SPLUNK_CAFILE.

\b
States: in use; unused (no run in the period); broken (the reason is in the last column); unknown.

\b
Examples:
  dltk inventory --splunk https://splunk.example.com:8089
  dltk inventory --splunk https://splunk.example.com:8089 --csv > inventory.csv
  dltk inventory --days 90 --json
"""
SHOWN = ("state", "kind", "app", "owner", "name", "schedule", "command", "model", "algorithm", "runs", "why")


@click.command(epilog=EPILOG)
@ADDRESS
@click.option("--days", type=click.IntRange(1), default=30, show_default=True, help="Days in which runs are counted.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def command(address: str | None, days: int, as_csv: bool, as_json: bool) -> None:
    """List what in Splunk calls a container: in use, unused, broken."""
    from dltk_runtime.inventory import report

    if as_csv and as_json:
        raise click.UsageError("Choose one of --csv and --json.")
    found = _survey(address, days)
    if as_json:
        echo(json.dumps(report.document(found), indent=2))
    elif as_csv:
        echo_data(report.as_csv(found))
    else:
        table = _terminal.make_table(*SHOWN, unbroken=("state", "runs"))
        for row in report.rows(found):
            _terminal.add_row(table, *(row[column] for column in SHOWN))
        _terminal.show_table(table)
        echo(report.summary(found))
    for note in found.notes:
        echo(f"note: {note}", err=True)


def _survey(address: str | None, days: int) -> Survey:
    from dltk_runtime.inventory.survey import survey

    rest, connection = clients(address)
    return survey(rest, connection, days)
