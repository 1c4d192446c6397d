"""Half-space trees (Tan, Ting and Liu, 2011): how rare the region is in which a row lies.

A tree halves a region around the data again and again, each time along one field drawn at random.
The number of rows of the last complete window in each region is its mass; rare regions have little.
Nodes are numbered as in a heap: the halves of node n are 2n + 1 and 2n + 2.
"""

from __future__ import annotations

import numpy as np

SMALL = 0.1  # share of a window's rows; a region with fewer is not divided further when scores are made


def grown(fields, n_trees, height, seed):
    """Return trees for `fields` fields, scaled to 0..1, without masses.

    Returns:
        ``fields``, the field that each inner node divides, and ``splits``, where, both of shape
        (n_trees, 2**height - 1); ``reference`` and ``latest``, the masses of the last complete window
        and of the one that has begun, both (n_trees, 2**(height + 1) - 1); ``begun``, the rows in it.
    """
    rng = np.random.default_rng(seed)
    centre = rng.random((n_trees, 1, fields))
    reach = 2 * np.maximum(centre, 1 - centre)
    low, high = centre - reach, centre + reach
    divided, splits = [], []
    for depth in range(height):
        field = rng.integers(fields, size=(n_trees, 2**depth))
        middle = (low + high) / 2
        at = np.arange(fields) == field[..., None]
        divided.append(field)
        splits.append(np.take_along_axis(middle, field[..., None], axis=2)[..., 0])
        # Of each node, the lower half and then the upper one.
        low = np.stack([low, np.where(at, middle, low)], axis=2).reshape(n_trees, -1, fields)
        high = np.stack([np.where(at, middle, high), high], axis=2).reshape(n_trees, -1, fields)
    empty = np.zeros((n_trees, 2 ** (height + 1) - 1), dtype=np.int64)
    return {
        "fields": np.concatenate(divided, axis=1),
        "splits": np.concatenate(splits, axis=1),
        "reference": empty,
        "latest": empty.copy(),
        "begun": 0,
    }


def learned(trees, values, window):
    """Return the trees after `values` (rows, fields), in their order; `window` rows make a window.

    As long as no window is complete, the rows so far are the reference.
    """
    for part in _windows(trees["begun"], len(values), window):
        trees = _after(trees, _paths(trees, values[part]), window)
    if not trees["reference"].any():
        trees = trees | {"reference": trees["latest"]}
    return trees


def scored(trees, values, window):
    """Return the scores (rows,) of `values` (rows, fields), from 0 (usual) to 1, each row learned after its score."""
    scores = np.zeros(len(values))
    for part in _windows(trees["begun"], len(values), window):
        paths = _paths(trees, values[part])
        scores[part] = _scores(trees, paths)
        trees = _after(trees, paths, window)
    return scores


def _windows(begun, rows, window):
    """Return slices of the rows that belong to one window each; the first holds `begun` rows already."""
    ends = [*range(window - begun, rows, window), rows]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False) if start < end]


def _paths(trees, values):
    """Return the nodes that each row passes, (rows, trees, height + 1)."""
    fields, splits = trees["fields"], trees["splits"]
    height = (fields.shape[1] + 1).bit_length() - 1
    tree, row = np.arange(len(fields))[None, :], np.arange(len(values))[:, None]
    paths = np.zeros((len(values), len(fields), height + 1), dtype=np.int64)
    for depth in range(height):
        node = paths[:, :, depth]
        paths[:, :, depth + 1] = 2 * node + 1 + (values[row, fields[tree, node]] >= splits[tree, node])
    return paths


def _after(trees, paths, window):
    """Return the trees after the rows of these paths, which complete at most one window."""
    latest, begun = trees["latest"].copy(), trees["begun"] + len(paths)
    np.add.at(latest, (np.arange(len(latest))[None, :, None], paths), 1)
    if begun < window:
        return trees | {"latest": latest, "begun": begun}
    return trees | {"reference": latest, "latest": np.zeros_like(latest), "begun": 0}


def _scores(trees, paths):
    """Return 1 minus the share of the greatest mass possible, weighted by depth, on each row's paths."""
    reference = trees["reference"]
    rows = reference[:, 0]
    masses = reference[np.arange(len(reference))[None, :, None], paths]
    small = masses < SMALL * rows[None, :, None]
    counted = np.cumsum(small, axis=2) - small == 0  # up to the first small region, and it too
    weights = 2.0 ** np.arange(paths.shape[2])
    most = rows.sum() * weights.sum()
    return 1 - (masses * counted * weights).sum(axis=(1, 2)) / most if most else np.zeros(len(paths))
