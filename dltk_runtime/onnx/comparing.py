"""Compare the columns of a graph with those of the notebook's own apply, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.onnx.difference import Difference, OtherClass
from dltk_runtime.onnx.graph import Column

MAX_RELATIVE = 1e-4  # difference of a continuous value
MAX_ABSOLUTE = 1e-5  # difference near 0, and distance of a differing class from a threshold
MIN_EQUAL_SHARE = 0.999  # rows with the same class
MAX_SHOWN_ROWS = 10

Values = np.ndarray[Any, Any]


def compare(expected: pd.DataFrame, found: Sequence[Column], others: Sequence[Column] = ()) -> tuple[Difference, ...]:
    """Compare column by column, in order.

    Args:
        expected: what apply returned.
        found: as many columns of the graph, with as many rows.
        others: further columns of the graph, from which the distance to a threshold may follow.
    """
    pairs = list(zip(expected.columns, found, strict=True))
    is_class = [_is_class(expected[name], column) for name, column in pairs]
    numbers = [column.values for (_, column), chosen in zip(pairs, is_class, strict=True) if not chosen]
    scores = numbers or [each.values for each in others if each.values.dtype.kind == "f"]
    distance = _distances(scores)
    return tuple(
        _classes(str(name), expected[name], column.values, distance)
        if chosen
        else _numbers(str(name), expected[name].to_numpy(dtype=float), column.values.astype(float))
        for (name, column), chosen in zip(pairs, is_class, strict=True)
    )


def _is_class(expected: pd.Series[Any], found: Column) -> bool:
    return found.values.dtype.kind != "f" or not pd.api.types.is_float_dtype(expected.dtype)


def _numbers(name: str, expected: Values, found: Values) -> Difference:
    both = (expected == found) | (np.isnan(expected) & np.isnan(found))  # equal infinities and gaps
    with np.errstate(invalid="ignore"):
        gap = np.where(both, 0.0, np.abs(expected - found))
    gap = np.where(np.isnan(gap), np.inf, gap)
    size = np.abs(expected)
    allowed = np.where(np.isfinite(size), np.maximum(size * MAX_RELATIVE, MAX_ABSOLUTE), MAX_ABSOLUTE)
    far = size * MAX_RELATIVE > MAX_ABSOLUTE
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(far & (gap > 0), gap / size, 0.0)
    beyond = np.flatnonzero(gap > allowed)
    problem = ""
    if beyond.size:
        worst = int(beyond[np.argmax(gap[beyond] / allowed[beyond])])
        problem = (
            f"{beyond.size:,} of {len(gap):,} rows differ by more than {MAX_RELATIVE:g} of the value and "
            f"{MAX_ABSOLUTE:g}: in row {worst} apply gives {expected[worst]:.9g}, the file {found[worst]:.9g}"
        )
    return Difference(
        name, "number", len(gap), float(gap.max(initial=0)), float(np.nan_to_num(relative).max(initial=0)),
        problem=problem,
    )  # fmt: skip


def _classes(name: str, expected: pd.Series[Any], found: Values, distance: Values | None) -> Difference:
    rows = np.flatnonzero(~_equal(expected.to_numpy(), found))
    near = [None if distance is None else float(distance[row]) for row in rows]
    texts = [(str(expected.iloc[row]), str(found[row])) for row in rows[:MAX_SHOWN_ROWS]]
    shown = tuple(OtherClass(int(rows[i]), *each, near[i]) for i, each in enumerate(texts))
    total, problem = len(expected), ""
    if len(rows) > total * (1 - MIN_EQUAL_SHARE):
        problem = f"{len(rows):,} of {total:,} rows have another class; at most {1 - MIN_EQUAL_SHARE:.1%} may"
    elif far := [row for row, each in zip(rows, near, strict=True) if each is None or each > MAX_ABSOLUTE]:
        known = "cannot be told" if distance is None else f"is {distance[far[0]]:.3g}"
        problem = f"row {far[0]} has another class, and its distance from a threshold {known} ({MAX_ABSOLUTE:g} may be)"
    return Difference(name, "class", total, differing=len(rows), shown=shown, problem=problem)


def _equal(expected: Values, found: Values) -> Values:
    """Return which classes are the same: by value where both are numbers, else by text."""
    if expected.dtype.kind in "iufb" and found.dtype.kind in "iufb":
        return np.asarray(expected.astype(float) == found.astype(float))
    return np.asarray(expected.astype(str) == found.astype(str))


def _distances(scores: Sequence[Values]) -> Values | None:
    """Return each row's distance from a change of class: between the two best scores, or of the only one.

    One score is a probability (threshold 0.5) if all are within 0 and 1, else one with threshold 0.
    """
    if not scores:
        return None
    if len(scores) > 1:
        ordered = np.sort(np.column_stack(scores).astype(float), axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2])
    only = scores[0].astype(float)
    threshold = 0.5 if bool(((only >= 0) & (only <= 1)).all()) else 0.0
    return np.asarray(np.abs(only - threshold))
