"""Forecasts with quantiles, and the rows by which the server asks for those of `| apply CDTSM`.

Such a row is one series: `coarse_ctx` and `fine_ctx` hold JSON arrays, the past in steps of the series
(fine, at most the last 512) and in means of 60 steps each (coarse). The answer to it is one row, too:
`mean` and a column for each quantile, JSON arrays of `horizon` steps.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

COARSE, FINE = "coarse_ctx", "fine_ctx"
FINE_PER_COARSE = 60
# The quantiles that the AI Toolkit asks for, by their labels.
LEVELS = {f"p{percent}": percent / 100 for percent in (1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99)}


def labels_of(text):
    """Return the labels in a text such as ``p10,p90``; ``mean`` may be among them, and is no quantile.

    Raises:
        ValueError: a label is none of `LEVELS`.
    """
    labels = [label.strip() for label in text.split(",") if label.strip()]
    if unknown := [label for label in labels if label != "mean" and label not in LEVELS]:
        raise ValueError(f"quantiles={text} cannot be used: {', '.join(unknown)} is none of {', '.join(LEVELS)}.")
    return [label for label in dict.fromkeys(labels) if label != "mean"]


def contexts_of(df):
    """Return coarse and fine past of each row, float64 without gaps.

    Raises:
        ValueError: a cell is not a JSON array of numbers, or a fine one has no number.
    """
    return [(_array(coarse, COARSE), _array(fine, FINE)) for coarse, fine in zip(df[COARSE], df[FINE], strict=True)]


def _array(text, field):
    try:
        values = np.array(json.loads(text), dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Field(s) {field}: not a JSON array of numbers: {str(text)[:60]}") from error
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        if field == FINE:
            raise ValueError(f"Field(s) {field}: a series has no number.")
        return np.empty(0)
    return np.interp(np.arange(len(values)), known, values[known])


def never_crossing(quantiles):
    """Return quantiles of which a higher one is never below a lower one, by sorting each step.

    Args:
        quantiles: values by label, (steps,) each.
    """
    order = sorted(quantiles, key=LEVELS.__getitem__)
    rising = np.sort(np.array([quantiles[label] for label in order]), axis=0)
    return {label: rising[order.index(label)] for label in quantiles}


def as_rows(forecasts):
    """Return one row for each forecast, whose cells are JSON arrays.

    Args:
        forecasts: a mean and quantiles by label for each series, as `| apply CDTSM` needs them.
    """
    rows = []
    for mean, quantiles in forecasts:
        columns = {"mean": mean} | (never_crossing(quantiles) if quantiles else {})
        rows.append(
            {name: json.dumps([float(each) for each in values], allow_nan=False) for name, values in columns.items()}
        )
    return pd.DataFrame(rows)
