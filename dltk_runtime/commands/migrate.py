"""``dltk migrate``: what becomes of the models of an old container, and of Splunk's entries for them."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from dltk_runtime.commands import Exit, Moment, Number
from dltk_runtime.commands._models import named_settings, with_models
from dltk_runtime.commands._terminal import add_row, echo, echo_data, make_table, show_table
from dltk_runtime.settings import Settings
from dltk_runtime.store.local_models import LocalModels, Models
from dltk_runtime.texts import harmless_cell
from dltk_runtime.volume import examine
from dltk_runtime.volume.examine import Examination, ModelLine
from dltk_runtime.volume.since import FittedVersion, fitted_since
from dltk_runtime.volume.verdict import ModelVerdict

EXAMPLES = """\b
Examples:
  dltk migrate check /old/srv                        load every model of an old volume, and say what becomes of it
  dltk migrate check /old/srv --in-use used.csv      exit with 1 only for those that searches use
  dltk migrate stubs lookups --to converted          Splunk's entries of models in the AI Toolkit's form
  dltk migrate since 2026-11-01                      what was fitted here, for who goes back
"""


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Move from a DSDL container to this one, model by model."""


@command.command(short_help="Load every model of an old volume; say what becomes of each.")
@click.argument("volume", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--in-use",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with a column 'model' of those that searches use. [default: every model that has files]",
)
@click.option("--timeout", type=Number(min=1), default=300.0, show_default=True, help="Seconds for one model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead.")
def check(volume: Path, in_use: Path | None, timeout: float, as_json: bool, as_csv: bool) -> None:
    """Load every model of the old volume VOLUME, each in a worker of its own, and say what becomes of it.

    Nothing is written into the volume. It exits with 1 when a model in use does not load.
    """
    if as_csv and as_json:
        raise click.UsageError("Choose one of --csv and --json.")
    used = examine.used_in(in_use) if in_use else None
    lines = Examination(volume, Settings.from_env(), timeout, used).lines()
    if as_json:
        echo_data(json.dumps({"volume": str(volume), "models": [asdict(each) for each in lines]}, indent=1) + "\n")
    elif as_csv:
        echo_data(_lines_csv(lines))
    else:
        _table(lines)
    if any(each.in_use and each.verdict is not ModelVerdict.LOADS for each in lines):
        sys.exit(Exit.FAILED)


@command.command(short_help="Write DSDL's entries of models in the AI Toolkit's form.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Folder to write into.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def stubs(folder: Path, to: Path, force: bool) -> None:
    """Write DSDL's entries of models in FOLDER, a copy of lookups, in the form of the AI Toolkit.

    It exits with 1 when an entry cannot be read.
    """
    from dltk_runtime.volume.stubs import UNREADABLE, convert

    table = make_table("model", "entry", "remark")
    unreadable = 0
    for each in convert(folder, to, force=force):
        add_row(table, each.model, each.what, each.remark)
        unreadable += each.what == UNREADABLE
    show_table(table)
    if unreadable:
        sys.exit(Exit.FAILED)


class WithTime(click.Command):
    """A command with a time as its argument, which may begin with a minus: ``-1h`` is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put such a time behind the options."""
        times = [each for each in args if each[:1] == "-" and each[1:2].isdigit()]
        if times and "--" not in args:
            args = [*(each for each in args if each not in times), "--", *times]
        return super().parse_args(ctx, args)


@command.command(cls=WithTime, short_help="List what was fitted here since DATE, with its search.")
@click.argument("moment", metavar="DATE", type=Moment())
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@with_models
def since(models: Models, moment: float, as_csv: bool, as_json: bool) -> None:
    """List the versions that were fitted here since DATE, with the fit that makes each one again."""
    if as_csv and as_json:
        raise click.UsageError("Choose one of --csv and --json.")
    found = list(fitted_since(models, datetime.fromtimestamp(moment, UTC)))
    if not found and isinstance(models, LocalModels) and not (home := named_settings().paths.home).is_dir():
        raise click.UsageError(
            f"There is no folder {home}. Name that of the models with --home, or a container by --url."
        )
    if as_json:
        echo(json.dumps({"fitted": [_fitted(each) for each in found]}, indent=2))
        return
    columns = ("algorithm", "model", "version", "current", "fitted (UTC)", "rows", "search")
    rows = [
        (
            *(each.name.algorithm, each.name.model, str(each.number), "yes" if each.current else ""),
            *(f"{each.time:%Y-%m-%d %H:%M:%S}", str(each.rows), each.search),
        )
        for each in found
    ]
    if as_csv:
        echo_data(_csv(columns, rows))
    elif not rows:
        echo("Nothing was fitted here since then.")
    else:
        table = make_table(*columns)
        for row in rows:
            add_row(table, *row)
        show_table(table)


def _fitted(each: FittedVersion) -> dict[str, Any]:
    """Return one version for a JSON document."""
    found = {"algorithm": each.name.algorithm, "model": each.name.model, "version": each.number}
    return found | {"current": each.current, "fitted": each.time.isoformat(), "rows": each.rows, "search": each.search}


def _table(lines: Sequence[ModelLine]) -> None:
    table = make_table("algorithm", "model", "in use", "verdict", "format", "why")
    for each in lines:
        used = "yes" if each.in_use else ""
        add_row(table, each.algorithm, each.model or _files(each), used, str(each.verdict), each.formats, each.why)
    show_table(table)
    counts = ", ".join(f"{number} {verdict}" for verdict in ModelVerdict if (number := _count(lines, verdict)))
    echo(f"In use: {counts}." if counts else "No model is in use.")


def _count(lines: Sequence[ModelLine], verdict: ModelVerdict) -> int:
    return sum(each.in_use and each.verdict is verdict for each in lines)


def _files(line: ModelLine) -> str:
    return "" if line.algorithm else ", ".join(line.files)


def _lines_csv(lines: Sequence[ModelLine]) -> str:
    columns = ("algorithm", "model", "in_use", "verdict", "format", "files", "why")
    rows = (
        (
            each.algorithm,
            each.model,
            str(int(each.in_use)),
            str(each.verdict),
            each.formats,
            " ".join(each.files),
            each.why,
        )
        for each in lines
    )
    return _csv(columns, rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return CSV in which no cell begins a formula of a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(harmless_cell, row) for row in rows)
    return text.getvalue()
