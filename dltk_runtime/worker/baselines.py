"""Count the values of features: of a fit for the manifest, of applies for the detection of drift.

At most `MAX_FIT_ROWS` rows of a fit and `MAX_APPLY_ROWS` of an apply are counted: shares of that
many are exact enough and cheap to compute.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.tables import table
from dltk_runtime.tables.baseline import HASH_BYTES, Baseline, hashed
from dltk_runtime.tables.feature import Feature

MAX_FIT_ROWS = 20_000
MAX_APPLY_ROWS = 2_000
BINS = 10  # of numbers within the fit's range
MAX_CATEGORIES = 50
MAX_CATEGORY_CHARACTERS = 200
MAX_PENDING_APPLIES = 50  # are counted together: a few rows cost nearly as much as many
MAX_PENDING_CELLS = 400_000
MAX_FEATURES = 200  # with a baseline: the first ones

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


def features_of(frame: pd.DataFrame, *, keep_values: bool = True) -> tuple[Feature, ...]:
    """Return the columns of a fit's frame, the first `MAX_FEATURES` with their baselines.

    Without `keep_values` those of text fields have hashes in place of values.
    """
    rows = frame if len(frame) <= MAX_FIT_ROWS else frame.sample(MAX_FIT_ROWS, random_state=0)
    found = (_feature(column, with_baseline=place < MAX_FEATURES) for place, (_, column) in enumerate(rows.items()))
    return tuple(found if keep_values else map(_without_values, found))


def _feature(column: pd.Series[Any], *, with_baseline: bool) -> Feature:
    kind = table.kind(column)
    # Moments are text in the rows of a search, in any format: theirs cannot be compared.
    if not with_baseline or pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind in "mc":
        return Feature(str(column.name), kind)
    return Feature(str(column.name), kind, _of_numbers(_numbers(column)) if kind == "number" else _of_texts(column))


def _without_values(feature: Feature) -> Feature:
    baseline = feature.baseline
    if baseline is None or not baseline.categories:
        return feature
    salt = secrets.token_hex(HASH_BYTES)
    categories = [hashed(each, salt) for each in baseline.categories]
    return msgspec.structs.replace(
        feature, baseline=msgspec.structs.replace(baseline, categories=categories, salt=salt)
    )


def _of_numbers(values: Floats) -> Baseline:
    finite = values[np.isfinite(values)]
    edges: Floats = np.empty(0)
    if finite.size:
        inner = np.quantile(finite, np.arange(1, BINS) / BINS, method="lower")
        with np.errstate(over="ignore"):  # the largest float has no next one
            edges = np.unique([finite.min(), *inner, np.nextafter(finite.max(), np.inf)])
        edges = edges[np.isfinite(edges)]
    counts = _binned(values[:, None], edges[None, :])[0]
    with np.errstate(over="ignore"):
        mean = float(finite.mean()) if finite.size else None
    return Baseline(counts=counts.tolist(), edges=edges.tolist(), mean=mean)


def _of_texts(column: pd.Series[Any]) -> Baseline:
    """Count texts; categories are kept only if the most common ones cover half of the rows."""
    found, missing = _texts(column)
    rows = sum(found.values())
    usual = [text for text, _ in found.most_common(MAX_CATEGORIES) if len(text) <= MAX_CATEGORY_CHARACTERS]
    categories = usual if sum(found[text] for text in usual) * 2 >= rows else []
    known = [found[text] for text in categories]
    return Baseline(
        counts=[*known, rows - sum(known), missing], categories=categories, complete=sum(known) == rows and rows > 0
    )


class BinTally:
    """Counts the rows of applies in the bins of the fit's baselines, until `take`."""

    def __init__(self, features: Sequence[Feature]) -> None:
        monitored = [(each.name, each.baseline) for each in features if each.baseline is not None]
        self._texts = {name: baseline for name, baseline in monitored if not baseline.edges}
        self._numbers = {name: baseline for name, baseline in monitored if baseline.edges}
        self._columns: pd.Index[Any] | None = None  # of the last frame of numbers
        self._bins = _Bins([], {})
        self._places: list[int] = []
        self._pending: list[Floats] = []  # rows of frames of numbers, to be counted together
        self._found: dict[str, Integers] = {}
        self.rows = 0  # counted since the last `take`

    def add(self, frame: pd.DataFrame) -> None:
        """Count the rows of one apply, without missing features and numbers that became text."""
        rows = frame.iloc[:: -(-len(frame) // MAX_APPLY_ROWS)] if len(frame) > MAX_APPLY_ROWS else frame
        self.rows += len(rows)
        values = table.numbers(rows, most=MAX_PENDING_CELLS)
        if values is None:
            self._count_numbers(rows)
        else:
            self._choose(rows.columns)
            self._pending.append(values[:, self._places].astype(np.float64))
            if len(self._pending) >= MAX_PENDING_APPLIES or self._pending_cells >= MAX_PENDING_CELLS:
                self._count_pending()
        for name, baseline in self._texts.items():
            if name in rows.columns:
                self._add([name], [np.array(_in_categories(rows[name], baseline))])

    def take(self) -> tuple[int, dict[str, list[int]]]:
        """Return the rows counted since the last call: their number, and by feature and bin."""
        self._count_pending()
        rows, found = self.rows, {name: counts.tolist() for name, counts in self._found.items()}
        self.rows, self._found = 0, {}
        return rows, found

    @property
    def _pending_cells(self) -> int:
        return sum(each.size for each in self._pending)

    def _add(self, names: Iterable[str], counts: Iterable[Integers]) -> None:
        for name, found in zip(names, counts, strict=True):
            self._found[name] = self._found[name] + found if name in self._found else found

    def _count_pending(self) -> None:
        if self._pending:
            self._add(self._bins.names, self._bins.count(np.concatenate(self._pending)))
            self._pending = []

    def _count_numbers(self, rows: pd.DataFrame) -> None:
        kinds = {name: table.kind_of(dtype) for name, dtype in zip(rows.columns, rows.dtypes, strict=True)}
        bins = _Bins([name for name in self._numbers if kinds.get(name, "text") != "text"], self._numbers)
        if bins.names:
            self._add(bins.names, bins.count(rows[bins.names].to_numpy(dtype=np.float64, na_value=np.nan)))

    def _choose(self, columns: pd.Index[Any]) -> None:
        """Set `_bins` and `_places` for the columns of a frame of numbers."""
        if self._columns is None or not columns.equals(self._columns):
            self._count_pending()
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
        """Count `values` of shape (rows, features); returns each feature's counts, missing last."""
        counts = _binned(values, self._edges)
        return [np.append(row[: length + 1], row[-1]) for row, length in zip(counts, self._lengths, strict=True)]


def _binned(values: Floats, edges: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Count `values` of shape (rows, features) in the bins between `edges`.

    `edges` has the shape (features, edges), padded by NaN; the result has the shape (features,
    edges + 2): below the first edge, …, from the last edge on, missing.
    """
    width = edges.shape[1] + 2
    bins = (values[:, :, None] >= edges[None, :, :]).sum(axis=2)
    bins[np.isnan(values)] = width - 1
    places = bins + np.arange(edges.shape[0]) * width
    return np.bincount(places.ravel(), minlength=edges.shape[0] * width).reshape(-1, width)


def _in_categories(column: pd.Series[Any], baseline: Baseline) -> list[int]:
    found, missing = _texts(column)
    if isinstance(baseline.salt, str):
        salt = baseline.salt
        found = Counter({hashed(text, salt): rows for text, rows in found.items()})
    known = [found[text] for text in baseline.categories]
    return [*known, sum(found.values()) - sum(known), missing]


def _texts(column: pd.Series[Any]) -> tuple[Counter[str], int]:
    """Count the rows with each text, and those with a missing value."""
    present = column[column.notna()]
    return Counter(map(str, present.tolist())), len(column) - len(present)


def _numbers(column: pd.Series[Any]) -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
