"""Keras networks: train with progress, predict in batches, save and load.

A model is a dict with the network under ``network`` and otherwise only JSON values.
"""

from __future__ import annotations

import json

import keras
import numpy as np

from dltk_runtime import progress

BATCH_ROWS = 10_000  # limits the memory of an apply


def train(network, x, y, epochs, batch_size):
    """Train the compiled network; report and return the loss of each epoch."""
    report = [progress.keras()]
    history = network.fit(x, y, epochs=epochs, batch_size=batch_size, callbacks=report, verbose=0).history
    return [float(loss) for loss in history["loss"]]


def answers(network, x, rows):
    """Return the outputs (rows, outputs) for `x`, an array or a dict of arrays with `rows` rows.

    The network is called directly, which is faster than ``predict`` for the rows of a search.
    """
    # The result for no rows, which LSTM layers refuse.
    parts = [np.zeros((0, network.output_shape[-1]), dtype=np.float32)]
    for start in range(0, rows, BATCH_ROWS):
        part = keras.tree.map_structure(lambda array, start=start: array[start : start + BATCH_ROWS], x)
        parts.append(keras.ops.convert_to_numpy(network(part, training=False)))
    return np.concatenate(parts)


def save(model, path):
    """Write `<path>.keras` (the network, in Keras' own format) and `<path>.json` (the rest)."""
    rest = {key: value for key, value in model.items() if key != "network"}
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(rest, file)
    model["network"].save(path + ".keras")


def load(path):
    """Load the model that `save` wrote."""
    with open(path + ".json", encoding="utf-8") as file:
        model = json.load(file)
    model["network"] = keras.models.load_model(path + ".keras")
    return model


def about(model):
    """Return the model as JSON values, with one line per layer instead of the network."""
    layers = [f"{layer.name}: {type(layer).__name__} {layer.output.shape[-1]}" for layer in model["network"].layers]
    return model | {"network": layers}
