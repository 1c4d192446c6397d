"""Print the rows of a search as a table, CSV or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from dltk_runtime.emulator.spl.values import Multi, from_cell, text

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
    """Print the first `rows` rows, the columns that fit the console, and the counts of the rest."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table

    fit = max(1, (console.width - 1) // (MIN_COLUMN_CHARACTERS + 3))
    visible = frame.iloc[:rows, :fit]
    if len(visible.columns):
        lines = [list(visible.columns), *visible.itertuples(index=False, name=None)]
        cells = [[_safe(text(from_cell(cell)) or "") for cell in line] for line in lines]
        widest = _widest([max(map(cell_len, column)) for column in zip(*cells, strict=True)], console.width)
        table = Table(box=box.SIMPLE_HEAD)
        for header in cells[0]:
            table.add_column(header, overflow="ellipsis", no_wrap=True, max_width=widest)
        for line in cells[1:]:
            table.add_row(*line)
        console.print(table)
    console.print(_counts(frame, visible), style="dim", highlight=False, markup=False)


def _widest(needed: list[int], room: int) -> int:
    """Return the maximum width of a column such that all fit into `room` characters."""
    free = room - 1 - 3 * len(needed)
    return max(limit for limit in range(room) if sum(min(each, limit) for each in needed) <= max(free, 0))


def _counts(frame: pd.DataFrame, visible: pd.DataFrame) -> str:
    parts = [f"{len(frame):,} {'row' if len(frame) == 1 else 'rows'}"]
    if len(frame) > len(visible) and len(visible.columns):
        parts.append(f"{len(frame) - len(visible):,} of them not shown (--rows)")
    if hidden := list(frame.columns[len(visible.columns) :]):
        names = ", ".join(hidden[:5]) + (", …" if len(hidden) > 5 else "")
        parts.append(f"{len(hidden):,} more columns: {names} (choose with | table, or --output csv)")
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
