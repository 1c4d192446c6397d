"""``dltk batch``: run a notebook on data, with papermill."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dltk_runtime.commands import Exit, Moment, Number
from dltk_runtime.commands._terminal import echo
from dltk_runtime.errors import DltkError
from dltk_runtime.names import quoted
from dltk_runtime.settings import Settings
from dltk_runtime.texts import counted
from dltk_runtime.units import DAY_SECONDS

if TYPE_CHECKING:
    from dltk_runtime.batch.destination import Destination
    from dltk_runtime.batch.order import Order
    from dltk_runtime.splunk.connection import Connection

EPILOG = """\b
Without --fit or --apply all cells run: stage() returns the run's data for any name, and a model that is fitted
becomes a version. Any notebook runs so, also without --data. --fit and --apply run the algorithm's cells alone.

\b
A parameter's value may be secret://NAME: the variable NAME, or the file that NAME_file names, is read when the
run begins, and removed from the executed notebook, the job, its log and the results.

\b
With --each, the columns of the CSV file are parameters or `model`; --out and --notebook then contain {row} (from
1) or {COLUMN}. All rows are checked before the first one runs.

\b
With --to-hec or --to-kvstore a run reads what Splunk indexed since the last one, and sends a record with a key for
each row. After a failed run the next one repeats its rows. The variables splunk_access_… and splunk_hec_… name Splunk.

\b
Exit codes: 0 success; 1 a run failed, and stderr says where.

\b
Examples:
  dltk batch pytorch_nn --data iris.csv --target species --fit --model iris --out fitted.csv
  dltk batch pytorch_nn --data new.parquet --apply --model iris --out scored.parquet
  dltk batch report.ipynb -p day=2026-01-31 --notebook report-out.ipynb --html report.html
  dltk batch report.ipynb --data staged:my_data -p epochs=5 --notebook report-out.ipynb
  dltk batch report.ipynb --data staged:my_data -p epochs=5 --notebook report-out.ipynb --resume
  dltk batch pytorch_nn --data iris.csv --target species --fit --each grid.csv --out 'results-{row}.csv'
  dltk batch pytorch_nn --from-search 'index=proxy | …' --earliest -30d@d --target y --fit --model web
  dltk batch pytorch_nn --from-search 'index=proxy | … | eval event_key=…' --apply --model web --to-hec index=scored
"""


@click.command(epilog=EPILOG)
@click.argument("notebook")
@click.option("--data", help="Rows: a .csv, .parquet or .arrow file (an Arrow stream), or staged:NAME.")
@click.option("--from-search", "query", metavar="SPL", help="Rows: the results of a search in Splunk.")
@click.option(
    "-p",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter of the notebook; promote=RULE; with --fit holdout=SHARE.",
)
@click.option("--fit", "mode", flag_value="fit", help="Fit and apply; only the algorithm's cells run.")
@click.option("--apply", "mode", flag_value="apply", help="Apply the current version.")
@click.option("--model", default="default", show_default=True, help="The model's name.")
@click.option("--target", help="The column to predict.")
@click.option(
    "--feature", "features", multiple=True, help="A feature's column, or a glob.  [default: all but the target]"
)
@click.option("--out", type=click.Path(path_type=Path), help="File for the results: .csv, .parquet or .arrow.")
@click.option(
    "--keep",
    metavar="COLUMN",
    multiple=True,
    help="A column of the rows, or a glob, to stand before the results in --out.",
)
@click.option("--html", type=click.Path(path_type=Path), help="File for the executed notebook as a page.")
@click.option("--notebook", "executed", type=click.Path(path_type=Path), help="File for the executed notebook.")
@click.option("--deadline", type=Number(min=1), default=86400.0, show_default=True, help="Seconds for the whole run.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Further attempts after the death of a kernel or a lost connection.",
)
@click.option("--resume", is_flag=True, help="Continue at the failed cell of the notebook in --notebook.")
@click.option(
    "--each", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A CSV file: one run for each row."
)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Runs at a time with --each.")
@click.option("--earliest", default="-24h@h", show_default=True, help="Start of --from-search without a destination.")
@click.option("--latest", default="now", show_default=True, help="End of --from-search, in Splunk's time modifiers.")
@click.option("--app", help="The Splunk app of the search and of the collection.")
@click.option("--to-hec", metavar="index=NAME", help="Send a record for each row to this index.")
@click.option("--to-kvstore", metavar="COLLECTION", help="Write a record for each row to this collection of --app.")
@click.option("--flow", help="The name of this flow and its progress.  [ALGORITHM_MODEL]")
@click.option(
    "--key", "keys", multiple=True, default=["event_key"], show_default=True, help="A field of the key of a row."
)
@click.option("--since", type=Moment(), default="-1d", show_default=True, help="Start of a flow's first run.")
@click.option(
    "--lag", type=click.IntRange(0), default=120, show_default=True, help="Seconds until searches find events."
)
@click.option(
    "--late",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="Maximum age in days of an event when it is indexed.",
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of models and jobs.  [DLTK_HOME]")
@click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of notebooks.  [DLTK_NOTEBOOKS]",
)
@click.pass_context
def command(context: click.Context, /, home: Path | None, notebooks: Path | None, **given: Any) -> None:
    """Run a notebook on data.

    The run is a job with progress. It leaves an executed notebook, results, and a version of a model.
    """
    from dltk_runtime.batch.order import Order

    _refuse_contradictions(given)
    settings = Settings.from_env(home=home, notebooks=notebooks)
    fields = (
        "notebook",
        "model",
        "target",
        "features",
        "out",
        "keep",
        "html",
        "executed",
        "deadline",
        "retries",
        "resume",
    )
    order = Order(
        data=given["data"] or "",
        mode=given["mode"] or "run",
        parameters=_pairs(given["parameters"]),
        **{name: given[name] for name in fields},
    )
    if given["to_hec"] or given["to_kvstore"]:
        _deliver(order, settings, given)
        return
    with _with_rows(order, settings, given) as ready:
        failed = _run(ready, settings, given["each"], given["workers"])
    context.exit(Exit.FAILED if failed else Exit.OK)


def _refuse_contradictions(given: dict[str, Any]) -> None:
    """Refuse options that contradict each other."""
    if given["data"] and given["query"]:
        raise click.UsageError("Give either --data or --from-search.")
    if given["to_hec"] and given["to_kvstore"]:
        raise click.UsageError("Give one of --to-hec and --to-kvstore.")
    if given["to_kvstore"] and not given["app"]:
        raise click.UsageError("--to-kvstore needs --app: the app whose collection it is.")
    if given["to_hec"] or given["to_kvstore"]:
        if not given["query"]:
            raise click.UsageError("--to-hec and --to-kvstore need --from-search.")
        for name in ("out", "html", "each", "resume"):
            if given[name]:
                raise click.UsageError(f"--{name} cannot be combined with --to-hec or --to-kvstore.")
        if given["mode"] == "fit":
            raise click.UsageError(
                "A fit of the new rows alone would ignore all others: fit first, then send with --apply."
            )


def _run(order: Order, settings: Settings, each: Path | None, workers: int) -> bool:
    """Run one order, or one for each row of `each`; returns whether a run failed."""
    from dltk_runtime.batch.each import orders, run_all

    failed = False
    for wanted, outcome in run_all(orders(order, each) if each else [order], settings, workers if each else 1):
        if isinstance(outcome, DltkError):
            failed = True
            echo(f"dltk: {outcome.sentence}", err=True)
            continue
        echo(f"job {outcome.job}: {outcome.message}")
        echo(f"notebook: {outcome.executed}")
        if wanted.out:
            echo(f"results: {counted(outcome.rows or 0, 'row')} in {wanted.out}")
    return failed


def _deliver(order: Order, settings: Settings, given: dict[str, Any]) -> None:
    """Read what is new in Splunk, apply the notebook, and send the records."""
    from dltk_runtime.batch.incremental import Stream, deliver

    connection = _connection(settings, given["app"])
    stream = Stream(
        flow=given["flow"] or _flow_name(order),
        search=given["query"],
        connection=connection,
        destination=_destination(connection, settings, given),
        keys=given["keys"],
        since=int(given["since"]),
        lag=given["lag"],
        late=given["late"] * DAY_SECONDS,
    )
    each = None
    for each in deliver(order, stream, settings):
        doubled = f", {counted(each.doubled, 'row')} with the key of another row left out" if each.doubled else ""
        echo(f"{_time(each.begin)} to {_time(each.end)}: {counted(each.rows, 'row')}, {each.sent:,} sent{doubled}")
    if each is None:
        echo("Nothing was indexed since the last run.")


def _flow_name(order: Order) -> str:
    """Return ALGORITHM_MODEL, written with letters, digits and underscores only."""
    name = re.sub("[~-]", "_", f"{quoted(Path(order.notebook).stem)}_{order.model}")
    return f"_{name}" if name[0].isdigit() else name


@contextlib.contextmanager
def _with_rows(order: Order, settings: Settings, given: dict[str, Any]) -> Iterator[Order]:
    """Yield the order with the rows of the search, if any, in a temporary file."""
    if not given["query"]:
        yield order
        return
    from dltk_runtime.batch.records import as_csv
    from dltk_runtime.splunk.search import search

    connection = _connection(settings, given["app"])
    rows = search(given["query"], given["earliest"], given["latest"], connection=connection)
    echo(f"search: {counted(len(rows), 'row')}")
    with tempfile.TemporaryDirectory(prefix="dltk-batch-") as folder:
        data = Path(folder) / "rows.csv"
        data.write_text(as_csv(rows), encoding="utf-8")
        yield replace(order, data=str(data))


def _connection(settings: Settings, app: str | None) -> Connection:
    from dltk_runtime.splunk.access import of_settings
    from dltk_runtime.splunk.connection import Connection

    return Connection.of(of_settings(settings), app)


def _destination(connection: Connection, settings: Settings, given: dict[str, Any]) -> Destination:
    from dltk_runtime.batch.destination import ToCollection, ToIndex
    from dltk_runtime.splunk.access import of_settings
    from dltk_runtime.splunk.errors import AddressMissing
    from dltk_runtime.splunk.hec import Hec
    from dltk_runtime.splunk.kvstore import Collection

    if given["to_kvstore"]:
        return ToCollection(Collection(connection, given["app"], given["to_kvstore"], dict))
    name, _, index = given["to_hec"].partition("=")
    if name != "index" or not index:
        raise click.UsageError(f"--to-hec {given['to_hec']}: expected index=NAME.")
    access = of_settings(settings)
    if not access.hec_url:
        raise AddressMissing("the HTTP Event Collector", "splunk_hec_enabled=1, splunk_hec_url and splunk_hec_token")
    return ToIndex(Hec.of(access), index)


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if bad := [name for name, sign, _ in pairs if not sign]:
        raise click.UsageError(f"-p {bad[0]}: expected NAME=VALUE.")
    return {name: value for name, _, value in pairs}
