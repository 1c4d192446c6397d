"""Several runs of one order, one for each row of a table of parameters, some at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.batch.order import Order, prepare
from dltk_runtime.batch.run import Outcome, run
from dltk_runtime.errors import DltkError
from dltk_runtime.settings import Settings


def orders(order: Order, table: Path) -> list[Order]:
    """Make an order for each row of a CSV file, whose columns are parameters or ``model``.

    Raises:
        BatchInvalid: the file has no rows or ragged ones, or two runs would write to one file.
    """
    with open(table, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise BatchInvalid(f"{table} has no rows: nothing to run.")
    if ragged := [number for number, row in enumerate(rows, start=2) if None in row or None in row.values()]:
        raise BatchInvalid(
            f"{table}, line {ragged[0]}: the number of values differs from that of names in the first line."
        )
    made = [_order(order, {**row, "row": str(number)}) for number, row in enumerate(rows, start=1)]
    written = {"--out": "out", "--notebook": "executed", "--html": "html"}
    for option, paths in ((option, [getattr(each, name) for each in made]) for option, name in written.items()):
        given = [path for path in paths if path is not None]
        if len(set(given)) < len(given):
            raise BatchInvalid(f"{option} {given[0]}: several runs would write there. Add {{row}} to the name.")
    return made


def run_all(wanted: Sequence[Order], settings: Settings, workers: int) -> Iterator[tuple[Order, Outcome | DltkError]]:
    """Run orders, `workers` at a time; yields each with its outcome or error when it ends.

    Raises:
        DltkError: an order cannot be run; then no order was run.
    """
    for order in wanted:
        prepare(order, settings.paths)
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(_outcome, order, settings): order for order in wanted}
        for future in as_completed(running):
            yield running[future], future.result()


def _order(order: Order, row: dict[str, str]) -> Order:
    parameters = {name: value for name, value in row.items() if name not in ("row", "model")}
    return replace(
        order,
        parameters={**order.parameters, **parameters},
        model=row.get("model", order.model),
        out=_filled(order.out, row),
        executed=_filled(order.executed, row),
        html=_filled(order.html, row),
    )


def _filled(path: Path | None, row: dict[str, str]) -> Path | None:
    if path is None:
        return None
    try:
        return Path(str(path).format_map(row))
    except (KeyError, ValueError, IndexError) as error:
        raise BatchInvalid(f"{path}: {error} is not a column; the columns are {', '.join(row)}.") from error


def _outcome(order: Order, settings: Settings) -> Outcome | DltkError:
    try:
        return run(order, settings)
    except DltkError as error:
        return error
