"""Forecasts of one series: its field, its windows, and the forecast itself."""

from __future__ import annotations

import numpy as np
from app.model.fields import arrived, at_least, numbers
from app.model.keras_networks import answers

MAX_WINDOW_STEPS = 24  # previous steps that the network sees; fewer in short series
MIN_TRAINING_ROWS = 12


def series_of(df, param):
    """Return the field of the series: the one after `by`, or the only one except `_time`.

    Raises:
        ValueError: there is no such field, or several.
    """
    split = param["options"].get("split_by") or []
    fields = list(split) or [name for name in param["feature_variables"] if name != "_time"]
    if len(fields) != 1:
        found = ", ".join(fields) or "none"
        raise ValueError(f"One field is forecast at a time; the search names {found}. Write: <field> by <field>.")
    arrived(df, fields)
    return fields[0]


def training_part(df, field, holdback):
    """Return the series as float64 without the last `holdback` rows.

    Raises:
        ValueError: the series is not numeric, has missing values, or too few rows remain.
    """
    values = numbers(df, [field])[:, 0]
    known = len(values) - holdback
    if known < MIN_TRAINING_ROWS:
        rows = f"{len(values)} rows arrived and holdback={holdback} of them are held back"
        raise ValueError(f"Field(s) {field}: the series is too short. {rows}; {MIN_TRAINING_ROWS} must remain.")
    return values[:known]


def standardised(df, model):
    """Standardise the series for all rows of `df` by mean and deviation of the training rows."""
    mean, deviation = model["centre"]
    return (numbers(df, [model["field"]])[:, 0] - mean) / deviation


def window_of(training_rows):
    """Return the number of previous steps that the network sees."""
    return min(MAX_WINDOW_STEPS, training_rows // 3)


def windows(series, width):
    """Return all windows (windows, width, 1), and the step after each (windows,)."""
    stretches = np.lib.stride_tricks.sliding_window_view(series, width + 1)
    return stretches[:, :-1, None].astype(np.float32), stretches[:, -1].astype(np.float32)


def forecast(network, series, width, holdback, future_steps):
    """Forecast each step of the series and `future_steps` more, (steps + future_steps,).

    The first `width` steps are NaN. Steps before the last `holdback` are forecast from the true
    previous steps, later steps from previous forecasts.

    Raises:
        ValueError: fewer than `width` steps remain.
    """
    known = len(series) - holdback
    if known < width:
        rows = f"{len(series)} rows arrived and holdback={holdback} of them are held back"
        raise ValueError(f"Too few rows to forecast from: {rows}, and the model looks {width} back.")
    parts = [np.full(width, np.nan)]
    if known > width:
        x, _ = windows(series[:known], width)
        parts.append(answers(network, x, len(x))[:, 0])
    past = list(series[:known])
    for _ in range(holdback + future_steps):
        last = np.array(past[-width:], dtype=np.float32)[None, :, None]
        # Compiled, and thirty times faster for single steps than a direct call.
        past.append(float(network.predict_on_batch(last)[0, 0]))
    return np.concatenate([*parts, past[known:]])


def steps_of(model, param):
    """Return `holdback` and `future_steps`: those of the apply if set, else those of the fit."""
    named = param["options"].get("params") or {}
    steps = {name: (param["parameters"] if name in named else model)[name] for name in ("holdback", "future_steps")}
    at_least(0, steps, *steps)
    return steps
