"""PyTorch networks: standardise, train with progress, predict classes, save and load.

A model is a dict with the network under ``network`` and otherwise only JSON values.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import torch
from app.model import ranks

from dltk_runtime import progress

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH_ROWS = 10_000  # limits the memory of an apply


class Standardise(torch.nn.Module):
    """Layer: standardise float64 fields (rows, fields) by the training rows; return float32.

    Means and deviations are buffers, stored and loaded with the weights. They are 64-bit, as
    32-bit numbers cannot hold epoch seconds to the minute.
    """

    def __init__(self, fields):
        super().__init__()
        self.register_buffer("mean", torch.zeros(fields, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(fields, dtype=torch.float64))

    def adapt(self, x):
        """Set means and deviations from the rows `x`; constant fields get deviation 1."""
        self.mean = x.mean(dim=0)
        deviation = x.std(dim=0, correction=0)
        self.deviation = torch.where(deviation > 1e-12 * self.mean.abs(), deviation, 1.0)

    def forward(self, x):
        return ((x - self.mean) / self.deviation).float()


def on_device(array):
    """Copy the array to a tensor on the device of the networks."""
    return torch.tensor(array, device=DEVICE)


def train(network, x, y, optimizer, loss_of, epochs, batch_size, seed):
    """Train on shuffled batches; report and return the mean loss of each epoch."""
    return train_by(ranks.Plan(epochs, batch_size, seed), network, x, y, optimizer, loss_of)


def train_by(plan, network, x, y, optimizer, loss_of):
    """Train as a `ranks.Plan` says; report and return the mean loss of each epoch."""

    def told(epoch, loss):
        progress(epoch, plan.epochs, loss=loss)

    return ranks.train(network, x, y, optimizer, loss_of, plan, told)


def answers(network, x):
    """Return the network's scores for the rows of `x`, as float64 on the CPU."""
    network.eval()
    with torch.inference_mode():
        parts = [network(part).double().cpu() for part in x.split(BATCH_ROWS)]
    return torch.cat(parts)


def class_numbers(df, target, classes):
    """Return the class number of each row as a tensor on the device."""
    number_of = {name: number for number, name in enumerate(classes)}
    return on_device(df[target].map(number_of).to_numpy(dtype=np.int64))


def class_frame(scores, classes, column):
    """Return the most probable class in `column`, then `probability_<class>` for each class."""
    probabilities = torch.softmax(scores, dim=1).numpy()
    results = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in classes])
    results.insert(0, column, [classes[number] for number in probabilities.argmax(axis=1)])
    return results


def onnx_of(network, fields, classes, opset):
    """Return an ONNX model (rows, fields) of what `class_frame` holds: the class, then each probability."""
    import onnx

    from dltk_runtime.onnx.converters import of_torch

    made = of_torch(network, fields, opset)
    scores = made.graph.output[0].name
    names = np.array(classes if all(isinstance(each, int) for each in classes) else [str(each) for each in classes])
    text = names.dtype.kind == "U"
    made.graph.initializer.append(onnx.numpy_helper.from_array(names.astype(object) if text else names, "classes"))
    node = onnx.helper.make_node
    made.graph.node.extend(
        [
            node("Softmax", [scores], ["probability"], axis=1),
            node("ArgMax", [scores], ["number"], axis=1, keepdims=0),
            node("Gather", ["classes", "number"], ["class"]),
        ]
    )
    del made.graph.output[:]
    kind = onnx.TensorProto.STRING if text else onnx.TensorProto.INT64
    shape = ["rows", len(classes)]
    made.graph.output.append(onnx.helper.make_tensor_value_info("class", kind, shape[:1]))
    made.graph.output.append(onnx.helper.make_tensor_value_info("probability", onnx.TensorProto.FLOAT, shape))
    return made


def save(model, path):
    """Write `<path>.pt` (the weights, without pickle) and `<path>.json` (the rest)."""
    rest = {key: value for key, value in model.items() if key != "network"}
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(rest, file)
    torch.save(model["network"].state_dict(), path + ".pt")


def load(path, network_for):
    """Load the model that `save` wrote; `network_for(model)` creates the untrained network."""
    with open(path + ".json", encoding="utf-8") as file:
        model = json.load(file)
    model["network"] = network_for(model)
    model["network"].load_state_dict(torch.load(path + ".pt", map_location=DEVICE, weights_only=True))
    model["network"].eval()
    return model


def about(model):
    """Return the model as JSON values, with the network as text."""
    return model | {"network": str(model["network"]), "device": str(DEVICE)}
