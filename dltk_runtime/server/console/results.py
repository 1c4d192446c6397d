"""The results of a try, as a table and plots: their beginning, within bounds."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dltk_runtime.server.console import plots
from dltk_runtime.texts import is_number

MAX_BYTES = 512 * 1024  # of results that are read for the page
MAX_ROWS = 1000  # that are plotted …
MAX_SHOWN_ROWS = 100  # … and in the table
MAX_COLUMNS = 40
MAX_PLOTS = 6
MAX_BARS = 12  # different texts of a column that is plotted as bars
MAX_CELL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Columns and the first rows of some results.

    Attributes:
        read: rows that were read for the plots, `MAX_ROWS` at most.
        whole: whether these are all of them.
        left_out: columns that are not shown.
    """

    columns: list[str]
    rows: list[list[str]]
    read: int
    whole: bool
    plots: list[tuple[str, Markup]]
    left_out: int = 0


def table_of(data: memoryview) -> ResultTable:
    """Read the beginning of results in CSV."""
    cut = len(data) > MAX_BYTES
    records, more = _records(bytes(data[:MAX_BYTES]).decode("utf-8", "replace"), cut)
    columns, rows = (records[0], records[1:]) if records else ([], [])
    left_out = max(0, len(columns) - MAX_COLUMNS)
    return ResultTable(
        columns=columns[:MAX_COLUMNS],
        rows=[[cell[:MAX_CELL_CHARACTERS] for cell in row[:MAX_COLUMNS]] for row in rows[:MAX_SHOWN_ROWS]],
        read=len(rows),
        whole=not more,
        plots=_plots(columns, rows),
        left_out=left_out,
    )


def _records(text: str, cut: bool) -> tuple[list[list[str]], bool]:
    """Return header and rows, and whether there are more; the last of a text that was cut may be half of one."""
    reader = csv.reader(io.StringIO(text, newline=""))
    records: list[list[str]] = []
    try:
        records.extend(itertools.islice(reader, MAX_ROWS + 2))
    except csv.Error:  # a cell that is longer than the module takes
        return records, True
    if len(records) == MAX_ROWS + 2:
        return records[:-1], True
    return (records[:-1], True) if cut else (records, False)


def _plots(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, Markup]]:
    """Draw the first columns that can be drawn: numbers over the rows, or how often each text occurs."""
    found = []
    for place, name in enumerate(columns):
        cells = [row[place] if place < len(row) else "" for row in rows]
        picture = _plot(name, cells)
        if picture is not None:
            found.append((name, picture))
        if len(found) == MAX_PLOTS:
            break
    return found


def _plot(name: str, cells: Sequence[str]) -> Markup | None:
    filled = [cell for cell in cells if cell]
    values = [_number(cell) for cell in cells]
    known = [value for value in values if value is not None]
    if known and all(is_number(cell) for cell in filled):
        return plots.series(values, name)
    counts = Counter(filled)
    return plots.counts(counts.most_common(), name) if 0 < len(counts) <= MAX_BARS else None


def _number(text: str) -> float | None:
    """Return a finite number; None for anything else."""
    value = float(text) if is_number(text) else math.nan
    return value if math.isfinite(value) else None
