"""What the Keras notebooks share: training with a report, answers for many rows, and keeping a model.

A model is a dict: a network under ``network``, and beside it only what JSON can hold.
"""

from __future__ import annotations

import json

import keras
import numpy as np

ROWS_AT_ONCE = 10_000  # bounds the memory of an apply


def train(network, x, y, epochs, batch_size):
    """Trains the compiled network; prints the loss ten times on the way; returns the loss of each epoch."""
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _report(epoch + 1, epochs, logs["loss"]))
    history = network.fit(x, y, epochs=epochs, batch_size=batch_size, callbacks=[report], verbose=0).history
    return [float(loss) for loss in history["loss"]]


def _report(epoch, epochs, loss):
    if epoch % max(1, epochs // 10) == 0:
        print(f"epoch {epoch}/{epochs}: loss {loss:.4f}")


def answers(network, x, rows):
    """What the network says to `x` (an array, or a dict of arrays, of so many rows), (rows, outputs).

    Called directly: faster than ``predict`` for the rows of a search.
    """
    parts = [np.zeros((0, network.output_shape[-1]), dtype=np.float32)]  # for no rows, which LSTM layers refuse
    for start in range(0, rows, ROWS_AT_ONCE):
        part = keras.tree.map_structure(lambda array: array[start : start + ROWS_AT_ONCE], x)  # noqa: B023 - used at once
        parts.append(keras.ops.convert_to_numpy(network(part, training=False)))
    return np.concatenate(parts)


def save(model, path):
    """Writes `<path>.keras` (the network, in Keras' own format) and `<path>.json` (the rest)."""
    rest = {key: value for key, value in model.items() if key != "network"}
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(rest, file)
    model["network"].save(path + ".keras")


def load(path):
    """The model that `save` wrote."""
    with open(path + ".json", encoding="utf-8") as file:
        model = json.load(file)
    model["network"] = keras.models.load_model(path + ".keras")
    return model


def about(model):
    """The model as JSON can hold it: instead of the network, a line for each of its layers."""
    layers = [f"{layer.name}: {type(layer).__name__} {layer.output.shape[-1]}" for layer in model["network"].layers]
    return model | {"network": layers}
