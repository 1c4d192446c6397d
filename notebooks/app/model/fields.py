"""Read the fields of a search, and refuse invalid fields and parameters by name."""

from __future__ import annotations

import numpy as np
import pandas as pd

MAX_CLASSES = 1000


def target_of(param):
    """Return the field to predict.

    Raises:
        ValueError: the search has no target.
    """
    if not param.get("target_variables"):
        raise ValueError("The search names no target. Write it before the word 'from': <target> from <fields>.")
    return param["target_variables"][0]


def refuse(fields, problem):
    """Raise an error if there are fields with this problem."""
    if fields:
        raise ValueError(f"Field(s) {', '.join(fields)}: {problem}")


def arrived(df, fields):
    """Raise an error if a field is missing."""
    refuse([name for name in fields if name not in df], "missing from the events that arrived.")


def numbers(df, features):
    """Return the features as float64 (rows, features).

    Raises:
        ValueError: a feature is missing, not numeric, or has missing or infinite values.
    """
    arrived(df, features)
    # An empty frame has no useful dtypes.
    texts = [name for name in features if len(df) and not pd.api.types.is_numeric_dtype(df[name])]
    refuse(texts, "not numeric. Turn them into numbers in the search, or leave them out.")
    values = df[features].to_numpy(dtype=np.float64)
    gaps = [name for name, column in zip(features, values.T, strict=True) if not np.isfinite(column).all()]
    refuse(gaps, "missing or infinite values. Drop or fill these rows in the search.")
    return values


def yes_or_no(df, target):
    """Return the target as float32 (rows,): 0 or 1.

    Raises:
        ValueError: the target is missing, has other values, or only one of the two.
    """
    arrived(df, [target])
    found = df[target].drop_duplicates().tolist()
    if set(found) != {0, 1}:  # True == 1 and False == 0
        values = ", ".join(str(value) for value in found[:5]) + (", …" if len(found) > 5 else "")
        raise ValueError(
            f"The target '{target}' must hold both 0 and 1, or both true and false; it holds {values}. "
            "Make such a field in the search, for example with eval and if()."
        )
    return df[target].to_numpy(dtype=np.float32)


def classes_of(df, target):
    """Return the different values of the target (text, numbers or booleans), sorted.

    Raises:
        ValueError: the target is missing, has missing values, or too few or too many classes.
    """
    arrived(df, [target])
    refuse([target] if df[target].isna().any() else [], "missing values. Drop these rows in the search.")
    classes = df[target].drop_duplicates().tolist()
    if not 2 <= len(classes) <= MAX_CLASSES:
        found = f"{len(classes)} in {len(df)} rows"
        raise ValueError(f"The target '{target}' must hold 2 to {MAX_CLASSES} different values; there are {found}.")
    # Numbers by value, then texts: mixed columns have no order of their own.
    return sorted(classes, key=lambda value: (isinstance(value, str), value))


def at_least(least, parameters, *names):
    """Raise an error if one of the named parameters is below `least`."""
    for name in names:
        if parameters[name] < least:
            raise ValueError(f"{name}={parameters[name]} cannot be used: it must be {least} or more.")


def above_zero(parameters, name):
    """Raise an error if the named parameter is 0 or below."""
    if parameters[name] <= 0:
        raise ValueError(f"{name}={parameters[name]} cannot be used: it must be above 0.")


def widths(parameters, name):
    """Parse the parameter `name`: `32-16` is [32, 16].

    Raises:
        ValueError: a part is not an integer from 1.
    """
    parts = str(parameters[name]).split("-")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise ValueError(f"{name}={parameters[name]} cannot be used: it must be whole numbers such as 32-16.")
    return [int(part) for part in parts]


def chosen(model, param, *names):
    """Return the named parameters: as this search sets them, else as the model has them from its fit."""
    named = param["options"].get("params") or {}
    return {name: param["parameters"][name] if name in named else model[name] for name in names}
