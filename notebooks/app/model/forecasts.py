"""What the notebooks that forecast one series share: which field it is, its windows, and the forecast itself."""

from __future__ import annotations

import numpy as np
from app.model.fields import arrived, at_least, numbers
from app.model.keras_networks import answers

WINDOW = 24  # steps that the network looks back, less in short series
FEWEST = 12  # training rows


def series_of(df, param):
    """The field that holds the series: the one after `by`, or the only one beside `_time`.

    Raises:
        ValueError: there is none, or there are several.
    """
    split = param["options"].get("split_by") or []
    fields = list(split) or [name for name in param["feature_variables"] if name != "_time"]
    if len(fields) != 1:
        found = ", ".join(fields) or "none"
        raise ValueError(f"One field is forecast at a time; the search names {found}. Write: <field> by <field>.")
    arrived(df, fields)
    return fields[0]


def training_part(df, field, holdback):
    """The series as float64 without the last `holdback` rows.

    Raises:
        ValueError: it is not numeric, has gaps, or too few rows remain.
    """
    values = numbers(df, [field])[:, 0]
    known = len(values) - holdback
    if known < FEWEST:
        rows = f"{len(values)} rows arrived and holdback={holdback} of them are held back"
        raise ValueError(f"Field(s) {field}: the series is too short. {rows}; {FEWEST} must remain.")
    return values[:known]


def standardised(df, model):
    """The model's series for all rows of `df`, by the mean and deviation of the training rows."""
    mean, deviation = model["centre"]
    return (numbers(df, [model["field"]])[:, 0] - mean) / deviation


def window_of(training_rows):
    """How many steps the network looks back."""
    return min(WINDOW, training_rows // 3)


def windows(series, width):
    """Every stretch of `width` steps that a step follows, (windows, width, 1), and these steps, (windows,)."""
    stretches = np.lib.stride_tricks.sliding_window_view(series, width + 1)
    return stretches[:, :-1, None].astype(np.float32), stretches[:, -1].astype(np.float32)


def forecast(network, series, width, holdback, future_steps):
    """What the network expects at each step of the series and at `future_steps` more, (steps + future_steps,).

    Up to the last `holdback` steps each is forecast from the true steps before it; the first `width` have no forecast.
    From there on forecasts follow from forecasts: the steps held back are as unknown as the future.

    Raises:
        ValueError: there is no step left to look back on.
    """
    known = len(series) - holdback
    if known < width:
        rows = f"{len(series)} rows arrived and holdback={holdback} of them are held back"
        raise ValueError(f"Too few rows to forecast from: {rows}, and the model looks {width} back.")
    said = [np.full(width, np.nan)]
    if known > width:
        x, _ = windows(series[:known], width)
        said.append(answers(network, x, len(x))[:, 0])
    past = list(series[:known])
    for _ in range(holdback + future_steps):
        last = np.array(past[-width:], dtype=np.float32)[None, :, None]
        past.append(float(network.predict_on_batch(last)[0, 0]))  # compiled: thirty times faster, step by step
    return np.concatenate([*said, past[known:]])


def steps_of(model, param):
    """`holdback` and `future_steps`: those an apply names itself, else the fit's."""
    named = param["options"].get("params") or {}
    steps = {name: (param["parameters"] if name in named else model)[name] for name in ("holdback", "future_steps")}
    at_least(0, steps, *steps)
    return steps
