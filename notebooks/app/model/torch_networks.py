"""What the PyTorch notebooks share: standardising, training with a report, classes, and keeping a model.

A model is a dict: a network under ``network``, and beside it only what JSON can hold.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ROWS_AT_ONCE = 10_000  # bounds the memory of an apply


class Standardise(torch.nn.Module):
    """Standardises float64 fields (rows, fields) by the means and deviations of the training rows; gives float32.

    They are buffers, stored and loaded with the weights, and 64-bit: epoch seconds lose minutes as 32-bit numbers.
    """

    def __init__(self, fields):
        super().__init__()
        self.register_buffer("mean", torch.zeros(fields, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(fields, dtype=torch.float64))

    def adapt(self, x):
        """Takes means and deviations from the rows `x`; a field that never varies keeps the deviation 1."""
        self.mean = x.mean(dim=0)
        deviation = x.std(dim=0, correction=0)
        self.deviation = torch.where(deviation > 1e-12 * self.mean.abs(), deviation, 1.0)

    def forward(self, x):
        return ((x - self.mean) / self.deviation).float()


def on_device(array):
    """A copy of the array as a tensor where the network is."""
    return torch.tensor(array, device=DEVICE)


def train(network, x, y, optimizer, loss_of, epochs, batch_size, seed):
    """Trains over shuffled batches; prints the loss ten times on the way; returns the mean loss of each epoch."""
    shuffle = torch.Generator().manual_seed(seed)
    history = []
    network.train()
    for epoch in range(1, epochs + 1):
        batches = torch.randperm(len(x), generator=shuffle).to(DEVICE).split(batch_size)
        history.append(_epoch(network, x, y, optimizer, loss_of, batches))
        if epoch % max(1, epochs // 10) == 0:
            print(f"epoch {epoch}/{epochs}: loss {history[-1]:.4f}")
    network.eval()
    return history


def _epoch(network, x, y, optimizer, loss_of, batches):
    total = torch.zeros((), device=DEVICE)
    for rows in batches:
        loss = loss_of(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    return total.item() / len(x)


def answers(network, x):
    """The network's scores for the rows of `x`, as float64 on the CPU."""
    network.eval()
    with torch.inference_mode():
        parts = [network(part).double().cpu() for part in x.split(ROWS_AT_ONCE)]
    return torch.cat(parts)


def class_numbers(df, target, classes):
    """The target as the position of each row's value among the classes, on the device."""
    number_of = {name: number for number, name in enumerate(classes)}
    return on_device(df[target].map(number_of).to_numpy(dtype=np.int64))


def class_frame(scores, classes, column):
    """The likeliest class of each row under the name `column`, then `probability_<class>` for each class."""
    probabilities = torch.softmax(scores, dim=1).numpy()
    results = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in classes])
    results.insert(0, column, [classes[number] for number in probabilities.argmax(axis=1)])
    return results


def save(model, path):
    """Writes `<path>.pt` (the weights, in PyTorch's own format) and `<path>.json` (the rest). Nothing is pickled."""
    rest = {key: value for key, value in model.items() if key != "network"}
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(rest, file)
    torch.save(model["network"].state_dict(), path + ".pt")


def load(path, network_for):
    """The model that `save` wrote, with the weights in the network that `network_for` makes for it."""
    with open(path + ".json", encoding="utf-8") as file:
        model = json.load(file)
    model["network"] = network_for(model)
    model["network"].load_state_dict(torch.load(path + ".pt", map_location=DEVICE, weights_only=True))
    model["network"].eval()
    return model


def about(model):
    """The model as JSON can hold it, with the network as text."""
    return model | {"network": str(model["network"]), "device": str(DEVICE)}
