"""Counting the values of features: at the fit for the manifest, at an apply for the watch over drift.

Counted are at most `SAMPLE` rows of a fit and `ROWS` of an apply: shares of that many are exact enough, and cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime import frames
from dltk_runtime.baseline import Baseline
from dltk_runtime.worker.messages import FeatureKind

SAMPLE = 20_000
ROWS = 2_000
BINS = 10
CATEGORIES = 50
LONGEST = 200  # characters of a category that is kept
MOST = 200  # features that are watched: those that come first

Floats = np.ndarray[Any, np.dtype[np.float64]]


def kinds_of(frame: pd.DataFrame) -> tuple[FeatureKind, ...]:
    """The columns of a fit's frame, the first `MOST` with their baselines."""
    rows = frame if len(frame) <= SAMPLE else frame.sample(SAMPLE, random_state=0)
    return tuple(
        FeatureKind(str(name), kind := frames.kind(column), _baseline(rows[name], kind) if place < MOST else None)
        for place, (name, column) in enumerate(frame.items())
    )


def _baseline(column: pd.Series[Any], kind: str) -> Baseline:
    return _of_numbers(_numbers(column)) if kind == "number" else _of_texts(column)


def _of_numbers(values: Floats) -> Baseline:
    finite = values[np.isfinite(values)]
    edges: Floats = np.empty(0)
    if finite.size:
        inner = np.quantile(finite, np.arange(1, BINS) / BINS, method="lower")
        with np.errstate(over="ignore"):  # of the largest float there is no next one
            edges = np.unique([finite.min(), *inner, np.nextafter(finite.max(), np.inf)])
        edges = edges[np.isfinite(edges)]
    counts = _binned(values[:, None], edges[None, :])[0]
    with np.errstate(over="ignore"):
        mean = float(finite.mean()) if finite.size else None
    return Baseline(counts=counts.tolist(), edges=edges.tolist(), mean=mean)


def _of_texts(column: pd.Series[Any]) -> Baseline:
    """Of a column whose usual values are few; of identifiers only the share of missing ones is kept."""
    found, missing = _texts(column)
    rows = sum(found.values())
    usual = [text for text, _ in found.most_common(CATEGORIES) if len(text) <= LONGEST]
    categories = usual if sum(found[text] for text in usual) * 2 >= rows else []
    known = [found[text] for text in categories]
    return Baseline(
        counts=[*known, rows - sum(known), missing], categories=categories, complete=sum(known) == rows and rows > 0
    )


class Tally:
    """Counts the rows of applies in the bins of the fit."""

    def __init__(self, features: Sequence[FeatureKind]) -> None:
        watched = [(each.name, each.baseline) for each in features if each.baseline is not None]
        self._texts = {name: baseline for name, baseline in watched if not baseline.edges}
        self._numbers = {name: baseline for name, baseline in watched if baseline.edges}

    def count(self, frame: pd.DataFrame) -> tuple[int, dict[str, list[int]]]:
        """The number of rows that were counted, and for each watched feature how many of them are in each bin.

        A feature that is missing, or a number that has become text, is left out.
        """
        rows = frame.iloc[:: -(-len(frame) // ROWS)] if len(frame) > ROWS else frame
        found = self._count_numbers(rows)
        for name, baseline in self._texts.items():
            if name in rows.columns:
                found[name] = _in_categories(rows[name], baseline)
        return len(rows), found

    def _count_numbers(self, rows: pd.DataFrame) -> dict[str, list[int]]:
        kinds = {name: frames.kind_of(dtype) for name, dtype in zip(rows.columns, rows.dtypes, strict=True)}
        names = [name for name in self._numbers if kinds.get(name, "text") != "text"]
        if not names:
            return {}
        widest = max(len(self._numbers[name].edges) for name in names)
        edges = np.full((len(names), widest), np.nan)
        for place, name in enumerate(names):
            edges[place, : len(self._numbers[name].edges)] = self._numbers[name].edges
        values = rows[names].to_numpy(dtype=np.float64, na_value=np.nan)
        counts = _binned(values, edges)
        return {
            name: [*counts[place, : len(self._numbers[name].edges) + 1].tolist(), int(counts[place, -1])]
            for place, name in enumerate(names)
        }


def _binned(values: Floats, edges: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many of `values` (rows, features) lie between `edges` (features, edges; rest NaN), and how many are missing.

    The result is (features, edges + 2): from below the first edge to above the last, then the missing ones.
    """
    width = edges.shape[1] + 2
    bins = (values[:, :, None] >= edges[None, :, :]).sum(axis=2)
    bins[np.isnan(values)] = width - 1
    places = bins + np.arange(edges.shape[0]) * width
    return np.bincount(places.ravel(), minlength=edges.shape[0] * width).reshape(-1, width)


def _in_categories(column: pd.Series[Any], baseline: Baseline) -> list[int]:
    found, missing = _texts(column)
    known = [found[text] for text in baseline.categories]
    return [*known, sum(found.values()) - sum(known), missing]


def _texts(column: pd.Series[Any]) -> tuple[Counter[str], int]:
    """How often each text is there, and how many values are missing."""
    there = column[column.notna()]
    return Counter(map(str, there.tolist())), len(column) - len(there)


def _numbers(column: pd.Series[Any]) -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
