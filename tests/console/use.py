"""Notebooks whose algorithms the tests of the console's forms use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TYPED = """\
from typing import Annotated, Literal
from msgspec import Meta
epochs: Annotated[int, Meta(ge=1, le=500)] = 100  # passes over the training rows
rate: float = 0.01  # <b>size</b> of a step
shuffle: bool = True  # whether to shuffle
structure: str = "32-16"
optimizer: Literal["adam", "<sgd>"] = "adam"
depth: int | None = None  # unlimited by default"""
DOUBLING = """\
import json
import pandas as pd
MODEL_DIRECTORY = "/srv/app/model/data/"

def init(df, param):
    return {}

def fit(model, df, param):
    model["rows"] = len(df)
    return {"rows": len(df)}

def apply(model, df, param):
    values = pd.to_numeric(df["a"])
    return pd.DataFrame({"doubled": values * 2, "text": df["b"], "fitted_on": model["rows"]})

def save(model, name):
    with open(MODEL_DIRECTORY + name + ".json", "w") as file:
        json.dump(model, file)

def load(name):
    with open(MODEL_DIRECTORY + name + ".json") as file:
        return json.load(file)"""


def write(folder: Path, name: str, title: str = "# Doubles <i>a</i>\n\nFor tests & people.") -> None:
    """Write a notebook with an introduction, declared parameters and a contract without `summary`."""
    folder.mkdir(parents=True, exist_ok=True)
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "metadata": {}, "source": title},
        _code(TYPED, {"tags": ["parameters"]}),
        _code(DOUBLING, {"name": "mltkc_all"}),
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / f"{name}.ipynb").write_text(json.dumps(document), encoding="utf-8")


def _code(source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}
