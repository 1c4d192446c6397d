"""``dltk flow doctor``: examine an installed flow."""

from __future__ import annotations

import json
import sys

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._splunk import ADDRESS, clients
from dltk_runtime.commands._terminal import echo
from dltk_runtime.commands.doctor import CODES, printed
from dltk_runtime.doctor.finding import document_of, worst


@click.command(short_help="Examine a flow that is installed in a Splunk.")
@click.argument("app")
@ADDRESS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def doctor(app: str, address: str | None, as_json: bool) -> None:
    """Examine the app APP, such as dltk_flow_web, in a Splunk; nothing is changed there.

    Checked are schedules, owners and their rights, macros, entries of models, indexes, collections, the burden
    against the search head's limit, skipped searches, run records, and whether anybody hears the alerts. Each
    finding says what was found, where, and what to do. What the token's user may not read is said to be unknown.

    \b
    Exit codes: 0 no problem; 1 an error, searches fail or do not run; 4 a warning, or something is unknown.
    """
    from dltk_runtime.doctor.flow import SearchHead, examine

    rest, connection = clients(address)
    findings = list(printed(examine(SearchHead(rest, connection.within(app)), app), quiet=as_json))
    if as_json:
        echo(json.dumps({"app": app, **document_of(findings)}, indent=2))
    sys.exit(CODES.get(worst(findings), Exit.OK))
