"""A result as a person or a program reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from dltk_runtime.spl.values import from_cell, text

if TYPE_CHECKING:
    from rich.console import Console

# Narrower columns say nothing.
NARROWEST = 8


def as_csv(frame: pd.DataFrame) -> str:
    """Header and rows; empty text for a result without columns."""
    return frame.to_csv(index=False) if len(frame.columns) else ""


def as_json(frame: pd.DataFrame) -> str:
    """One array of objects; missing values are null, infinite numbers their names."""
    rows = [dict(zip(frame.columns, map(_plain, row), strict=True)) for row in frame.itertuples(index=False, name=None)]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def print_table(frame: pd.DataFrame, console: Console, rows: int) -> None:
    """The first `rows` rows and as many columns as the console is wide, and how much more there is."""
    from rich import box
    from rich.table import Table

    fitting = max(1, (console.width - 1) // (NARROWEST + 3))
    shown = frame.iloc[:rows, :fitting]
    if len(shown.columns):
        table = Table(box=box.SIMPLE_HEAD)
        for column in shown.columns:
            table.add_column(_safe(column), overflow="ellipsis", no_wrap=True)
        for row in shown.itertuples(index=False, name=None):
            table.add_row(*(_safe(text(from_cell(cell)) or "") for cell in row))
        console.print(table)
    console.print(_counts(frame, shown), style="dim", highlight=False, markup=False)


def _counts(frame: pd.DataFrame, shown: pd.DataFrame) -> str:
    parts = [f"{len(frame):,} {'row' if len(frame) == 1 else 'rows'}"]
    if len(frame) > len(shown) and len(shown.columns):
        parts.append(f"{len(frame) - len(shown):,} of them not shown (--rows)")
    if hidden := list(frame.columns[len(shown.columns) :]):
        names = ", ".join(hidden[:5]) + (", …" if len(hidden) > 5 else "")
        parts.append(f"{len(hidden):,} more columns: {names} (choose with | table, or --output csv)")
    return "; ".join(parts)


def _plain(cell: object) -> str | int | float | None:
    value = from_cell(cell)
    return str(value) if isinstance(value, float) and value in {float("inf"), float("-inf")} else value


def _safe(value: str) -> str:
    """On one line, and without markup or control characters for the terminal."""
    from rich.markup import escape

    line = "⏎".join(value.splitlines()) or value
    return escape("".join(character if character.isprintable() else "�" for character in line))
