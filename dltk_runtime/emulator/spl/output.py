"""Print the rows of a search as a table, CSV or JSON."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from dltk_runtime.emulator.spl.values import Multi, Value, from_cell, number, text, tidy
from dltk_runtime.store import figures

if TYPE_CHECKING:
    from rich.console import Console

# Narrower columns are not readable.
MIN_COLUMN_CHARACTERS = 8


def as_csv(frame: pd.DataFrame) -> str:
    """Return header and rows; a result without columns is empty text."""
    return frame.to_csv(index=False) if len(frame.columns) else ""


def as_json(frame: pd.DataFrame) -> str:
    """Return one array of objects; missing values are null, infinite numbers are strings."""
    rows = [dict(zip(frame.columns, map(_plain, row), strict=True)) for row in frame.itertuples(index=False, name=None)]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def print_table(frame: pd.DataFrame, console: Console, rows: int) -> None:
    """Print the first `rows` rows, the columns that fit the console, and the counts of the rest.

    Long texts are cut, numbers never: they are rounded to `figures.DIGITS` significant digits.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table

    columns = [_shown(str(name), frame.iloc[:rows, place]) for place, name in enumerate(frame.columns)]
    fit = _fitting([least for _, least in columns], console.width)
    visible = frame.iloc[:rows, :fit]
    if fit:
        cells, leasts = zip(*columns[:fit], strict=True)
        widest = _widest([max(map(cell_len, column)) for column in cells], leasts, console.width)
        table = Table(box=box.SIMPLE_HEAD)
        for (header, *_), least in zip(cells, leasts, strict=True):
            table.add_column(header, overflow="ellipsis", no_wrap=True, max_width=max(widest, least))
        for line in zip(*(column[1:] for column in cells), strict=True):
            table.add_row(*line)
        console.print(table)
    console.print(_counts(frame, visible), style="dim", highlight=False, markup=False)


def _shown(name: str, column: pd.Series[Any]) -> tuple[list[str], int]:
    """Return the cells of a column, with its name first, and the width that it needs at least."""
    values = [from_cell(cell) for cell in column]
    cells = [_safe(_rounded(value)) for value in values]
    numbers = [len(cell) for cell, value in zip(cells, values, strict=True) if number(value) is not None]
    return [_safe(name), *cells], max([MIN_COLUMN_CHARACTERS, *numbers])


def _rounded(value: Value) -> str:
    """Return a value as text; a number with a fraction has four significant digits, or all before the point."""
    if not isinstance(value, float) or not math.isfinite(value) or isinstance(tidy(value), int):
        return text(value) or ""
    return figures.number(value) if abs(value) < 10**figures.DIGITS else f"{value:.0f}"


def _fitting(leasts: Sequence[int], room: int) -> int:
    """Return how many columns fit into `room` characters, at least one."""
    taken = list(itertools.accumulate(least + 3 for least in leasts))
    return max(1, sum(each <= room - 1 for each in taken)) if leasts else 0


def _widest(needed: Sequence[int], leasts: Sequence[int], room: int) -> int:
    """Return the maximum width of a column such that all fit into `room` characters."""
    free = room - 1 - 3 * len(needed)

    def total(limit: int) -> int:
        return sum(min(each, max(limit, least)) for each, least in zip(needed, leasts, strict=True))

    return max((limit for limit in range(room) if total(limit) <= max(free, 0)), default=0)


def _counts(frame: pd.DataFrame, visible: pd.DataFrame) -> str:
    parts = [f"{len(frame):,} {'row' if len(frame) == 1 else 'rows'}"]
    if len(frame) > len(visible) and len(visible.columns):
        parts.append(f"{len(frame) - len(visible):,} of them not shown (--rows)")
    if hidden := list(frame.columns[len(visible.columns) :]):
        names = ", ".join(hidden[:5]) + (", …" if len(hidden) > 5 else "")
        parts.append(f"{len(hidden):,} more columns: {names} (choose with | table, or --csv)")
    return "; ".join(parts)


def _plain(cell: object) -> object:
    value = from_cell(cell)
    if isinstance(value, Multi):
        return [_plain(each) for each in value.values]
    return str(value) if isinstance(value, float) and value in {float("inf"), float("-inf")} else value


def _safe(value: str) -> str:
    """Put `value` on one line, without markup and control characters of the terminal."""
    from rich.markup import escape

    line = "⏎".join(value.splitlines()) or value
    return escape("".join(character if character.isprintable() else "�" for character in line))
