"""Time series of a search: the field, the row order, and results for rows without the field."""

from __future__ import annotations

import numpy as np
import pandas as pd
from app.model.fields import refuse

TIME = "_time"


def field_of(param):
    """Return the field of the series: the target, or else the only feature except `_time`.

    Raises:
        ValueError: there is no such feature, or several.
    """
    if param.get("target_variables"):
        return param["target_variables"][0]
    fields = [name for name in param["feature_variables"] if name != TIME]
    if len(fields) != 1:
        found = f"there are {len(fields)}: {', '.join(fields)}" if fields else "there is none"
        raise ValueError(f"The search must name one field that holds the series, besides {TIME}; {found}.")
    return fields[0]


def order_of(df):
    """Return the row numbers, oldest first, or as sent if there is no `_time`.

    Splunk sends the newest row first.

    Raises:
        ValueError: `_time` has values that are neither numbers nor times.
    """
    if TIME not in df:
        return np.arange(len(df))
    times = df[TIME] if pd.api.types.is_numeric_dtype(df[TIME]) else times_of(df, TIME)
    refuse([TIME] if times.isna().any() else [], "neither numbers nor times that can be read.")
    return np.argsort(times.to_numpy(), kind="stable")


def times_of(df, field):
    """Return the times of a field without a time zone (UTC), NaT where a value is none.

    Numbers, also as text, are epoch seconds; texts are dates and times as ISO 8601 writes them, with
    or without fractions and time zone, or in any other form that pandas reads.
    """
    values = df[field].reset_index(drop=True)
    numbers = pd.to_numeric(values, errors="coerce")
    times = pd.to_datetime(numbers, unit="s", errors="coerce")
    texts = values[numbers.isna()]
    for form in ("ISO8601", "mixed"):
        found = pd.to_datetime(texts, format=form, errors="coerce", utc=True).dt.tz_localize(None)
        times = times.fillna(found)
    return times


def as_sent(values, order):
    """Return `values`, which are in `order`, in the order of the rows as sent."""
    result = np.empty_like(values)
    result[order] = values
    return result


def remember(df, features, answers):
    """Return the results of the rows of `df` by the values of their features, as JSON values.

    On apply, Splunk sends only the fields after ``from``, by which `recall` finds the rows again.
    """
    return {"keys": _keys(df, features), "answers": {name: column.tolist() for name, column in answers.items()}}


def recall(df, features, remembered, target):
    """Return the remembered results for the rows of `df` as a frame.

    Raises:
        ValueError: a row was not remembered, so that its target would be needed.
    """
    row_of = {key: row for row, key in enumerate(remembered["keys"])}
    keys = _keys(df, features)
    if unknown := sum(key not in row_of for key in keys):
        raise ValueError(
            f"Field(s) {target}: missing from the events that arrived, and {unknown} of {len(df)} are none of those "
            "that the model was fitted on. Splunk sends only the fields behind 'from' when a model is applied: to "
            "score new events, fit without the word 'from'."
        )
    answers = pd.DataFrame(remembered["answers"])
    return answers.iloc[[row_of[key] for key in keys]].reset_index(drop=True)


def _keys(df, features):
    """Return a unique text per row, numbering equal rows, with the same text for 1 and 1.0."""
    columns = [[_text(value) for value in df[name].tolist()] for name in features]
    rows = pd.Series(["\x1f".join(row) for row in zip(*columns, strict=True)], dtype=object)
    return [f"{key}\x1f{number}" for key, number in zip(rows, rows.groupby(rows).cumcount(), strict=True)]


def _text(value):
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
