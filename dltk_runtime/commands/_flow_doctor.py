"""``dltk flow doctor``: examine an installed flow."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._splunk import ADDRESS, clients
from dltk_runtime.commands._terminal import echo

if TYPE_CHECKING:
    from dltk_runtime.doctor.flow import Line

COLOURS = {"ok": "green", "unknown": "blue", "warning": "yellow", "red": "red"}


@click.command(short_help="Examine a flow that is installed in a Splunk.")
@click.argument("app")
@ADDRESS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def doctor(app: str, address: str | None, as_json: bool) -> None:
    """Examine the app APP, such as dltk_flow_web, in a Splunk; nothing is changed there.

    Checked are schedules, owners and their rights, macros, entries of models, indexes, collections, the burden
    against the search head's limit, skipped searches, run records, and whether anybody hears the alerts. Each
    line says what was found, where, and what to do. What the token's user may not read is said to be unknown.

    \b
    Exit codes: 0 no problem; 1 a red line, searches fail or do not run; 4 a warning, or something is unknown.
    """
    from dltk_runtime.doctor.flow import Splunk, State, examine, worst

    rest, connection = clients(address)
    lines = list(_printed(examine(Splunk(rest, connection.within(app)), app), quiet=as_json))
    if as_json:
        echo(json.dumps({"app": app, "state": worst(lines), "lines": [asdict(each) for each in lines]}, indent=2))
    codes = {State.OK: Exit.OK, State.RED: Exit.FAILED}
    sys.exit(codes.get(worst(lines), Exit.WARNINGS))


def _printed(lines: Iterable[Line], *, quiet: bool) -> Iterable[Line]:
    """Yield each line, printed at once unless `quiet`."""
    for line in lines:
        if not quiet:
            mark = click.style(f"{line.state:8}", fg=COLOURS[line.state])
            echo(f" {line.check:12} {line.text} [{line.where}]", mark=mark)
            if line.cure:
                echo(f"{'':21} → {line.cure}")
        yield line
