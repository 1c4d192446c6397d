"""Encode fields for a Keras network: numbers, categories, and categories with many values.

The encoding is a dict of JSON values, made by `encoding` from the training rows:
``{"numbers": [fields], "categories": {field: [values]}, "embedded": {field: [values]}}``.
"""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
from app.model.fields import arrived, numbers, refuse

MAX_CATEGORIES = 1000  # columns of one field
MAX_EMBEDDING_WIDTH = 50


def encoding(df, numeric, categorical, embedded=()):
    """Build the encoding of the fields.

    Raises:
        ValueError: a field is missing, has missing values, is of another kind, or has too many
            different values.
    """
    arrived(df, [*numeric, *categorical, *embedded])
    numbers(df, list(numeric))
    categories = {name: _values(df, name) for name in categorical}
    many = [name for name, values in categories.items() if len(values) > MAX_CATEGORIES]
    refuse(many, f"more than {MAX_CATEGORIES} different values are too many for categories.")
    return {
        "numbers": list(numeric),
        "categories": categories,
        "embedded": {name: _values(df, name) for name in embedded},
    }


def by_kind(df, features):
    """Return the numeric features, and the others, which are categories."""
    arrived(df, features)
    numeric = [name for name in features if pd.api.types.is_numeric_dtype(df[name])]
    return numeric, [name for name in features if name not in numeric]


def encode(df, known):
    """Return the network's inputs for the rows of `df`: a dict with one array per input.

    An unknown category is 0 in all columns of its field, or number 0 if embedded.
    """
    arrived(df, [*known["numbers"], *known["categories"], *known["embedded"]])
    x = {}
    if known["numbers"]:
        x["numbers"] = numbers(df, known["numbers"])
    if known["categories"]:
        columns = [_one_hot(df, name, values) for name, values in known["categories"].items()]
        x["categories"] = np.concatenate(columns, axis=1)
    for place, (name, values) in enumerate(known["embedded"].items()):
        x[f"embedded_{place}"] = _numbers_of(df, name, values)
    return x


def joined(known):
    """Return Keras inputs for the arrays of `encode`, and the tensor that joins them.

    The layer named ``standardise`` must be adapted.
    """
    inputs, parts = {}, []
    if known["numbers"]:
        inputs["numbers"] = keras.Input((len(known["numbers"]),), dtype="float64", name="numbers")
        # 64-bit numbers, as 32-bit ones cannot hold epoch seconds to the minute.
        parts.append(keras.layers.Normalization(dtype="float64", name="standardise")(inputs["numbers"]))
    if known["categories"]:
        width = sum(len(values) for values in known["categories"].values())
        inputs["categories"] = keras.Input((width,), name="categories")
        parts.append(inputs["categories"])
    for place, values in enumerate(known["embedded"].values()):
        name = f"embedded_{place}"
        inputs[name] = keras.Input((), dtype="int32", name=name)
        width = min(MAX_EMBEDDING_WIDTH, len(values) // 2 + 1)
        parts.append(keras.layers.Embedding(len(values) + 1, width)(inputs[name]))
    return inputs, keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def adapt(network, x):
    """Set the means and deviations of the numbers in the network."""
    if "numbers" in x:
        network.get_layer("standardise").adapt(x["numbers"])


def columns_of(known):
    """Return a name for each column of the numbers and categories: `bmi`, `sex=f`, …"""
    return known["numbers"] + [f"{name}={value}" for name, values in known["categories"].items() for value in values]


def _values(df, name):
    """Return the different values of a field as sorted texts."""
    refuse([name] if df[name].isna().any() else [], "missing values. Drop or fill these rows in the search.")
    return sorted(set(_texts(df[name])))


def _texts(column):
    """Return the values as texts, with the same text for 1 and 1.0."""
    return [
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in column.tolist()
    ]


def _numbers_of(df, name, values):
    """Return each row's position in `values` from 1, or 0 if unknown, as int32 (rows,)."""
    number_of = {value: number for number, value in enumerate(values, start=1)}
    return np.array([number_of.get(text, 0) for text in _texts(df[name])], dtype=np.int32)


def _one_hot(df, name, values):
    """Return a float32 column per value: 1 in the rows that have it, else 0."""
    return (_numbers_of(df, name, values)[:, None] == np.arange(1, len(values) + 1)).astype(np.float32)
