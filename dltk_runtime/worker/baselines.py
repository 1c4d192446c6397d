"""Counting the values of features: at the fit for the manifest, at an apply for the watch over drift.

Counted are at most `SAMPLE` rows of a fit and `ROWS` of an apply: shares of that many are exact enough, and cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.tables import table
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature

SAMPLE = 20_000
ROWS = 2_000
BINS = 10
CATEGORIES = 50
LONGEST = 200  # characters of a category that is kept
TOGETHER = 50  # applies whose rows are counted at once: a few rows cost nearly as much as many
HELD = 400_000  # cells that wait to be counted, at most
MOST = 200  # features that are watched: those that come first

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


def kinds_of(frame: pd.DataFrame) -> tuple[Feature, ...]:
    """The columns of a fit's frame, the first `MOST` with their baselines."""
    rows = frame if len(frame) <= SAMPLE else frame.sample(SAMPLE, random_state=0)
    return tuple(
        Feature(str(name), kind := table.kind(column), _baseline(rows[name], kind) if place < MOST else None)
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
    """Counts the rows of applies in the bins of the fit, until somebody takes the counts."""

    def __init__(self, features: Sequence[Feature]) -> None:
        watched = [(each.name, each.baseline) for each in features if each.baseline is not None]
        self._texts = {name: baseline for name, baseline in watched if not baseline.edges}
        self._numbers = {name: baseline for name, baseline in watched if baseline.edges}
        self._columns: pd.Index[Any] | None = None  # of the last frame of numbers, and what is to be counted in it
        self._bins = _Bins([], {})
        self._places: list[int] = []
        self._held: list[Floats] = []  # rows of such frames, to be counted together
        self._found: dict[str, Integers] = {}
        self.rows = 0  # counted since the last `take`

    def add(self, frame: pd.DataFrame) -> None:
        """Count the rows of one apply. A feature that is missing, or a number that has become text, is left out."""
        rows = frame.iloc[:: -(-len(frame) // ROWS)] if len(frame) > ROWS else frame
        self.rows += len(rows)
        values = table.numbers(rows, most=HELD)
        if values is None:
            self._count_numbers(rows)
        else:
            self._look_at(rows.columns)
            self._held.append(values[:, self._places].astype(np.float64))
            if len(self._held) >= TOGETHER or sum(each.size for each in self._held) >= HELD:
                self._count_held()
        for name, baseline in self._texts.items():
            if name in rows.columns:
                self._add([name], [np.array(_in_categories(rows[name], baseline))])

    def take(self) -> tuple[int, dict[str, list[int]]]:
        """The number of rows that were counted, and for each watched feature how many of them are in each bin."""
        self._count_held()
        rows, found = self.rows, {name: counts.tolist() for name, counts in self._found.items()}
        self.rows, self._found = 0, {}
        return rows, found

    def _add(self, names: Iterable[str], counts: Iterable[Integers]) -> None:
        for name, found in zip(names, counts, strict=True):
            self._found[name] = self._found[name] + found if name in self._found else found

    def _count_held(self) -> None:
        if self._held:
            self._add(self._bins.names, self._bins.count(np.concatenate(self._held)))
            self._held = []

    def _count_numbers(self, rows: pd.DataFrame) -> None:
        kinds = {name: table.kind_of(dtype) for name, dtype in zip(rows.columns, rows.dtypes, strict=True)}
        bins = _Bins([name for name in self._numbers if kinds.get(name, "text") != "text"], self._numbers)
        if bins.names:
            self._add(bins.names, bins.count(rows[bins.names].to_numpy(dtype=np.float64, na_value=np.nan)))

    def _look_at(self, columns: pd.Index[Any]) -> None:
        """Know which columns of a frame of numbers are watched; most frames have the same ones as the one before."""
        if self._columns is None or not columns.equals(self._columns):
            self._count_held()
            self._columns, names = columns, columns.tolist()
            self._bins = _Bins([name for name in self._numbers if name in names], self._numbers)
            self._places = [names.index(name) for name in self._bins.names]


class _Bins:
    """The bins of some features, side by side."""

    def __init__(self, names: list[str], baselines: Mapping[str, Baseline]) -> None:
        self.names = names
        self._lengths = [len(baselines[name].edges) for name in names]
        self._edges = np.full((len(names), max(self._lengths, default=0)), np.nan)
        for place, (name, length) in enumerate(zip(names, self._lengths, strict=True)):
            self._edges[place, :length] = baselines[name].edges

    def count(self, values: Floats) -> list[Integers]:
        """For each feature how many of `values` (rows, features) are in each of its bins, the missing ones last."""
        counts = _binned(values, self._edges)
        return [np.append(row[: length + 1], row[-1]) for row, length in zip(counts, self._lengths, strict=True)]


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
