"""Held-out rows of a fit, and a model's metrics on them.

Rows are chosen by a hash of their features, never of the target: a corrected label must not move a
row that was trained on into the hold-out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

BUCKETS = 10_000  # of hashes: shares are exact to a hundredth of a percent
MAX_CLASSES = 100  # a target of more distinct values is a quantity, not a class

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def held_out(frame: pd.DataFrame, features: Sequence[str], share: float) -> Mask:
    """Choose about `share` of the rows to be held out of the fit: booleans of shape (rows,).

    A row is chosen by its own values alone, whatever other rows there are: numbers are hashed as
    float64, everything else as text.
    """
    columns = [_hashable(frame[name]) for name in features if name in frame]
    if not columns:
        return np.zeros(len(frame), dtype=bool)
    hashes = pd.util.hash_pandas_object(pd.concat(columns, axis=1), index=False).to_numpy()
    return np.asarray(hashes % BUCKETS < round(share * BUCKETS))


def scores(predicted: pd.Series[Any], truth: pd.Series[Any]) -> dict[str, float]:
    """Compute the metrics of predictions against the target, both of shape (rows,).

    Metrics that do not apply are left out: a target with fractions has no classes.

    Classes: accuracy, f1, precision, recall (of the higher class; macro averages beyond two).
    Quantities: r2, mae, rmse. Formulas are scikit-learn's.
    """
    if len(predicted) != len(truth) or truth.empty:
        return {}
    found = _of_quantities(predicted, truth)
    if pd.Series(truth).nunique() <= MAX_CLASSES and not _has_fractions(truth):
        found |= _of_classes(predicted, truth)
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def _has_fractions(truth: pd.Series[Any]) -> bool:
    numbers = pd.to_numeric(truth, errors="coerce").to_numpy(dtype=float)
    return bool((numbers[np.isfinite(numbers)] % 1 != 0).any())


def _of_quantities(predicted: pd.Series[Any], truth: pd.Series[Any]) -> dict[str, float]:
    from sklearn import metrics

    numbers = [pd.to_numeric(each, errors="coerce").to_numpy(dtype=float) for each in (truth, predicted)]
    if not all(np.isfinite(each).all() for each in numbers):
        return {}
    found = {
        "mae": metrics.mean_absolute_error(*numbers),
        "rmse": metrics.root_mean_squared_error(*numbers),
    }
    return found | ({"r2": metrics.r2_score(*numbers)} if len(truth) > 1 else {})


def _of_classes(predicted: pd.Series[Any], truth: pd.Series[Any]) -> dict[str, float]:
    from sklearn import metrics

    real, said = _classes(truth), _classes(_decided(predicted, truth))
    known = sorted(set(real))
    binary = len(known) == 2 and set(said) <= set(known)
    how: dict[str, Any] = {"zero_division": 0}
    how |= {"pos_label": known[-1], "average": "binary"} if binary else {"average": "macro", "labels": known}
    return {
        "accuracy": metrics.accuracy_score(real, said),
        "f1": metrics.f1_score(real, said, **how),
        "precision": metrics.precision_score(real, said, **how),
        "recall": metrics.recall_score(real, said, **how),
    }


def _decided(predicted: pd.Series[Any], truth: pd.Series[Any]) -> pd.Series[Any]:
    """Turn probabilities into classes, 1 from 0.5 on, if the target has the classes 0 and 1."""
    numbers = pd.to_numeric(predicted, errors="coerce")
    classes = set(_classes(truth))
    if classes <= {"0", "1"} and bool(numbers.between(0, 1).all()):
        return (numbers >= 0.5).astype(int)
    return predicted


def _classes(values: pd.Series[Any]) -> list[str]:
    """Return one text for each class: 1, 1.0 and True are the same class, as in CSV."""
    numbers = pd.to_numeric(values, errors="coerce")
    return [
        str(value) if math.isnan(number) else format(float(number), "g")
        for value, number in zip(values, numbers, strict=True)
    ]


def _hashable(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return column.astype("float64")
    return column.astype(str).astype(object)
