"""Rows made from the statistics that a manifest has of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from msgspec import UNSET

from dltk_runtime.onnx.errors import OnnxRefused
from dltk_runtime.tables.feature import Feature

SAMPLE_ROWS = 1_000
SEED = 0


def rows_like(features: Sequence[Feature], rows: int = SAMPLE_ROWS) -> pd.DataFrame:
    """Draw rows whose fields are distributed as at the fit, each field by itself.

    Raises:
        OnnxRefused: nothing is recorded of a field, or only hashes of its texts.
    """
    random = np.random.default_rng(SEED)
    return pd.DataFrame({each.name: _values(each, rows, random) for each in features})


def _values(feature: Feature, rows: int, random: np.random.Generator) -> np.ndarray[Any, Any]:
    base = feature.baseline
    if base is None or not (base.edges or base.categories) or base.salt is not UNSET:
        raise OnnxRefused(
            f"no values of the field '{feature.name}' are recorded from which rows could be made. "
            "Name a CSV with --rows."
        )
    if not base.edges:
        counts = np.asarray(base.counts[: len(base.categories)], dtype=float)
        texts = np.asarray(base.categories, dtype=object)
        return random.choice(texts, rows, p=counts / counts.sum())
    edges = np.asarray(base.edges)
    if len(edges) == 1:
        return np.full(rows, edges[0])
    counts = np.asarray(base.counts[1 : len(edges)], dtype=float)
    places = random.choice(len(counts), rows, p=counts / counts.sum())
    drawn = random.uniform(edges[places], edges[places + 1])
    whole = bool((edges[:-1] == np.round(edges[:-1])).all())
    return np.asarray(np.floor(drawn) if whole else drawn)
