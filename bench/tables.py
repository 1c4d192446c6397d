"""What Splunk sends: tables of floats, and the bodies of fits and applies."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = 10
BLOCK = 100_000  # rows that are made; longer tables repeat them


@functools.cache
def csv(rows: int) -> str:
    """A table of `rows` rows and ten columns of floats, about 94 bytes a row."""
    values = np.random.default_rng(1).normal(size=(min(rows, BLOCK), COLUMNS)).round(6)
    frame = pd.DataFrame(values, columns=[f"f{number}" for number in range(COLUMNS)])
    head, lines = frame.to_csv(index=False).split("\n", 1)
    whole, rest = divmod(rows, BLOCK) if rows > BLOCK else (1, 0)
    cut = "".join(lines.splitlines(keepends=True)[:rest])
    return f"{head}\n{lines * whole}{cut}"


def body(data: str, algorithm: str, model: str = "m", target: str = "", **parameters: str) -> bytes:
    """The body of a fit or an apply."""
    return json.dumps({"data": data, "meta": meta(data, algorithm, model, target, **parameters)}).encode()


def meta(data: str, algorithm: str, model: str = "m", target: str = "", **parameters: str) -> dict[str, Any]:
    """`meta` as a newer Splunk's search command makes it."""
    columns = data.split("\n", 1)[0].split(",")
    features = [column for column in columns if column != target]
    options: dict[str, Any] = {
        "params": {"algo": algorithm, **parameters},
        "args": columns,
        "feature_variables": features,
        "model_name": model,
        "algo_name": "MLTKContainer",
        "mlspl_limits": {"max_fit_time": "600", "max_score_time": "600"},
        "kfold_cv": None,
        "session_key": "0" * 64,  # newer Splunks send their live one
    }
    found: dict[str, Any] = {"options": options, "feature_variables": features}
    if target:
        options["target_variable"] = [target]
        found["target_variables"] = [target]
    return found
