"""Compare two tables cell by cell, as Splunk would read them. Imported in workers only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.tables import table
from dltk_runtime.tables.figures import ColumnFigures, TableFigures

TOLERANCE = 1e-6  # of two numbers: relative to the larger one, absolute below 1
MAX_COLUMNS = 20  # that are described
MAX_NAME_CHARACTERS = 200


def compare(first: table.Blob, second: table.Blob) -> TableFigures:
    """Compare two tables in CSV; rows by position, columns by name and, where names repeat, by order.

    Raises:
        DataInvalid: one of them is no CSV.
    """
    tables = _frame(first), _frame(second)
    names = [list(map(str, each.columns)) for each in tables]
    rows = min(len(tables[0]), len(tables[1]))
    common = [name for name in dict.fromkeys(names[0]) if name in set(names[1])]
    found = [_column(name, tables[0][name].iloc[:rows], tables[1][name].iloc[:rows]) for name in common]
    differing = [each for each in found if each.equal < 1 or each.types[0] != each.types[1]]
    differing.sort(key=lambda each: (each.within, each.equal, -(each.largest or 0)))
    numbers = [each.largest for each in found if each.largest is not None]
    return TableFigures(
        rows=(len(tables[0]), len(tables[1])),
        widths=(len(names[0]), len(names[1])),
        same_names=names[0] == names[1],
        differing=len(differing),
        equal=float(np.mean([each.equal for each in found])) if found else 1.0,
        largest=max(numbers, default=None),
        within=all(each.within for each in found),
        columns=tuple(differing[:MAX_COLUMNS]),
    )


def _frame(csv: table.Blob) -> pd.DataFrame:
    """Read a table; pandas gives repeated names a number, so each name is one column."""
    return pd.DataFrame() if not bytes(csv[:2]).strip() else table.read(csv)


def _column(name: str, first: pd.Series[Any], second: pd.Series[Any]) -> ColumnFigures:
    types = str(first.dtype), str(second.dtype)
    if table.kind(first) == table.kind(second) == "number":
        equal, close, largest = _numbers(first.to_numpy(), second.to_numpy())
    else:
        equal = _same(first, second)
        close, largest = equal, None
    share = float(equal.mean()) if len(equal) else 1.0
    within = bool(close.all()) and types[0] == types[1]
    return ColumnFigures(name[:MAX_NAME_CHARACTERS], types, share, largest, within)


def _same(first: pd.Series[Any], second: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """Return which cells are equal; two missing ones are."""
    missing = first.isna().to_numpy(), second.isna().to_numpy()
    texts = first.astype(str).to_numpy() == second.astype(str).to_numpy()
    return np.where(missing[0] | missing[1], missing[0] & missing[1], texts)


def _numbers(
    first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float | None]:
    """Return which numbers are equal, which are within the tolerance, and the largest difference."""
    equal = (first == second) | (_missing(first) & _missing(second))
    with np.errstate(invalid="ignore", over="ignore"):
        left, right = first.astype("float64"), second.astype("float64")
        difference = np.abs(left - right)
        size = np.maximum(np.maximum(np.abs(left), np.abs(right)), 1.0)
        close = equal | (difference <= TOLERANCE * size) & np.isfinite(size)
    finite = difference[np.isfinite(difference) & ~equal]
    largest = float(finite.max()) if len(finite) else (0.0 if equal.all() else None)
    return equal, close, largest


def _missing(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
