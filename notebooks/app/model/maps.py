"""Maps of many fields by UMAP: on a GPU by RAPIDS where that is installed, else by umap-learn."""

from __future__ import annotations

import warnings

import numpy as np
from app.model import compiled

SEED = 42


def library():
    """Return the module that has `UMAP`: `cuml.manifold` where RAPIDS can be imported, else `umap`."""
    try:
        from cuml import manifold
    except ImportError:
        found = compiled.imported("umap", without=["tensorflow"])  # only parametric UMAP, not used here, needs it
        compiled.keep("umap", "pynndescent")
        return found
    return manifold


def fitted(library, values, **wanted):
    """Return the map of `values` (rows, fields), the same for the same rows."""
    if library.__name__ == "umap":
        wanted["n_jobs"] = 1  # more threads give another map each time
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "gradient function is not yet implemented")  # for the way back, unused here
        return library.UMAP(**wanted, random_state=SEED).fit(values)


def placed(fitted, values, width):
    """Return the coordinates of `values` on the map, (rows, width)."""
    return np.asarray(fitted.transform(values)) if len(values) else np.empty((0, width))
