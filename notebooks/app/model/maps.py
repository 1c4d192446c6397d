"""Maps of many fields by UMAP: on a GPU by RAPIDS where that is installed, else by umap-learn."""

from __future__ import annotations

import warnings
from importlib import metadata

import joblib
import numpy as np
from app.model import compiled

SEED = 42
PACKAGES = ("cuml-cu12", "cuml-cu13", "umap-learn")


def library():
    """Import and return the module that has `UMAP`: `cuml.manifold` where RAPIDS is installed, else `umap`.

    This takes seconds, so it is called only where a map is made or loaded.
    """
    try:
        from cuml import manifold
    except ImportError:
        found = compiled.imported("umap", without=["tensorflow"])  # only parametric UMAP, not used here, needs it
        compiled.keep("umap", "pynndescent")
        return found
    return manifold


def fitted(values, **wanted):
    """Return the map of `values` (rows, fields), the same for the same rows."""
    found = library()
    if found.__name__ == "umap":
        wanted["n_jobs"] = 1  # more threads give another map each time
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "gradient function is not yet implemented")  # for the way back, unused here
        return found.UMAP(**wanted, random_state=SEED).fit(values)


def placed(fitted, values, width):
    """Return the coordinates of `values` on the map, (rows, width)."""
    return np.asarray(fitted.transform(values)) if len(values) else np.empty((0, width))


def load(path):
    """Return the map that joblib stored at `path`."""
    library()
    return joblib.load(path)


def versions():
    """Return the versions of the installed packages that make maps."""
    installed = {each.name for each in metadata.distributions()}
    return {name: metadata.version(name) for name in PACKAGES if name in installed}
