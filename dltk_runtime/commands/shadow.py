"""``dltk shadow``: how our answers compare with those of the old container."""

from __future__ import annotations

import csv
import io
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.commands import Exit, Moment
from dltk_runtime.commands._terminal import add_row, echo, echo_data, make_table, show_table
from dltk_runtime.settings import ClientSettings
from dltk_runtime.texts import harmless_cell

if TYPE_CHECKING:
    from dltk_runtime.shadow import ModelReport, ShadowReport

EXAMPLES = """\b
Examples:
  dltk shadow report                      a line for each model, the worst first
  dltk shadow report --since 2026-01-31   without what was compared before
  dltk shadow report --csv                for a spreadsheet
"""
VERDICTS = ("equal", "within 1e-6", "noisy", "differs", "ours fails", "old fails")
TITLES = ("verdict", "algorithm", "model", "compared", *VERDICTS, "rows", "old s", "ours s", "what differs")
UNCUT = ("verdict", "compared", "rows", "old s", "ours s")


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Compare answers with those of the old container (DLTK_SHADOW)."""


@command.command("report", epilog=EXAMPLES, short_help="Report for each model how the answers compare.")
@click.option("--since", type=Moment(), help="Leave out what was compared before.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option("--url", help="Address of the container.  [DLTK_URL; http://127.0.0.1:5000]")
@click.option("--token", help="Its token.  [DLTK_TOKEN, api_token, or a file named by DLTK_TOKEN_file]")
@click.option("--cafile", type=click.Path(exists=True, dir_okay=False), help="Its certificate.  [DLTK_CAFILE]")
def show(
    since: float | None, as_csv: bool, as_json: bool, url: str | None, token: str | None, cafile: str | None
) -> None:
    """Report each model: equal, within 1e-6, noisy, differs, ours fails, old fails."""
    import msgspec

    from dltk_runtime.client.shadow import shadow_report

    if as_csv and as_json:
        raise click.UsageError("Choose one of --csv and --json.")
    settings = ClientSettings.from_env(None, url=url, token=token, cafile=cafile)
    try:
        report = shadow_report(settings, None if since is None else datetime.fromtimestamp(since, UTC))
    except Unreachable as error:
        echo(f"dltk: {error}", err=True)
        sys.exit(Exit.UNREACHABLE)
    if as_json:
        echo_data(msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n")
    elif as_csv:
        echo_data(_csv(report))
    else:
        _show(report)


def _show(report: ShadowReport) -> None:
    if report.models:
        used = [verdict for verdict in VERDICTS if any(verdict in each.counts for each in report.models)]
        titles = [title for title in TITLES if title not in VERDICTS or title in used]
        table = make_table(*titles, unbroken=UNCUT)
        for each in report.models:
            cells = dict(zip(TITLES, _cells(each), strict=True))
            add_row(table, *(cells[title] for title in titles))
        show_table(table)
    else:
        echo("Nothing was compared yet.")
    if report.address:
        echo(f"Requests go to {report.address}; {report.waiting} are not compared yet.")
    else:
        echo("DLTK_SHADOW is not set: the container answers by itself.")
    for reason, count in report.skipped.items():
        echo(f"{count} were not compared since the server started: {reason}.")


def _csv(report: ShadowReport) -> str:
    """Return CSV in which no cell begins a formula of a spreadsheet: requests name models as they like."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TITLES)
    writer.writerows(map(harmless_cell, _cells(each)) for each in report.models)
    return text.getvalue()


def _cells(model: ModelReport) -> list[str]:
    counts = [str(model.counts.get(verdict, 0)) for verdict in VERDICTS]
    figures = [str(model.rows), f"{model.old_seconds:.3f}", f"{model.our_seconds:.3f}"]
    return [model.verdict, model.algorithm, model.model, str(model.comparisons), *counts, *figures, model.details]
