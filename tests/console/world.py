"""Notebooks and models for the browser: what pages show there is what real fits and applies made."""

from __future__ import annotations

import json
import math
from pathlib import Path

from dltk_runtime.jobs.job import PROGRESS_SECONDS
from tests.console.hostile import HOSTILE
from tests.support.service import Service

WEAR, TEXT = "pump_wear", "free_text"
TEXTS = tuple(text for text in HOSTILE if text.isprintable() and not text.startswith("#"))  # a comment's loses it
INTRODUCTION = """\
# Wear of pumps

Learns the wear of a pump from its temperature, vibration and hours of work, by gradient descent on a
linear model. `apply` says how far the wear is, and whether the pump is to be looked at."""
PARAMETERS = """\
from typing import Annotated, Literal
from msgspec import Meta
epochs: Annotated[int, Meta(ge=1, le=500)] = 6  # passes over the rows
rate: float = 0.3  # size of a step
loss: Literal["squared", "absolute"] = "squared"  # what a step makes smaller
limit: float = 60.0  # wear from which a pump is to be looked at
site: str = ""  # name of the site, for the summary
gated: bool = False  # whether to wait between the first passes"""
CODE = f"""\
import json
import time

import pandas as pd

from dltk_runtime import progress

MODEL_DIRECTORY = "/srv/app/model/data/"
FIELDS = ["temperature", "vibration", "hours"]

def init(df, param):
    return {{"limit": param["parameters"]["limit"]}}

def fit(model, df, param):
    wanted = param["parameters"]
    rows = df[FIELDS].astype(float)
    wear = df["wear"].astype(float)
    model["middle"], model["width"] = dict(rows.mean()), dict(rows.std())
    scaled = (rows - rows.mean()) / rows.std()
    weights, base = pd.Series(0.0, index=FIELDS), 0.0
    for epoch in range(1, wanted["epochs"] + 1):
        time.sleep({1.5 * PROGRESS_SECONDS} * wanted["gated"])  # reports that follow closer are not kept
        error = scaled @ weights + base - wear
        slope = error if wanted["loss"] == "squared" else error.apply(lambda each: 20 * (each > 0) - 10)
        weights = weights - wanted["rate"] * (scaled.T @ slope) / len(rows)
        base = base - wanted["rate"] * slope.mean()
        reached = figures(error)
        print(f"epoch {{epoch}}: rmse {{reached['rmse']:.3f}}")
        progress(epoch, wanted["epochs"], **reached)
        if wanted["gated"] and epoch < wanted["epochs"] and epoch in (1, 2):
            open("/srv/gate").read()
    model["weights"], model["base"] = dict(weights), float(base)
    return {{"metrics": figures(scaled @ weights + base - wear)}}

def figures(error):
    return {{"rmse": float((error ** 2).mean() ** 0.5), "mae": float(error.abs().mean())}}

def apply(model, df, param):
    rows = df[FIELDS].astype(float)
    scaled = (rows - pd.Series(model["middle"])) / pd.Series(model["width"])
    wear = scaled @ pd.Series(model["weights"]) + model["base"]
    states = ["look" if each > model["limit"] else "ok" for each in wear]
    return pd.DataFrame({{"wear": wear.round(1), "state": states}})

def save(model, name):
    with open(MODEL_DIRECTORY + name + ".json", "w") as file:
        json.dump(model, file)

def load(name):
    with open(MODEL_DIRECTORY + name + ".json") as file:
        return json.load(file)

def summary(model=None):
    return {{"fields": FIELDS}}"""
ECHO = """\
import pandas as pd

def init(df, param):
    return {}

def fit(model, df, param):
    for text in param["parameters"].values():
        print(text)
    return {}

def apply(model, df, param):
    return df

def save(model, name):
    pass

def load(name):
    return {}"""


def rows(count: int, *, wear: bool = True, start: int = 0) -> str:
    """CSV of some hours of a pump, the same at each call."""
    lines = ["temperature,vibration,hours" + (",wear" if wear else "")]
    for hour in range(start, start + count):
        heat = 55 + 12 * math.sin(hour / 9) + hour % 7
        shake = 2 + math.sin(hour / 5) + hour / 80
        worn = 0.4 * heat + 6 * shake + hour / 6 + 3 * math.sin(hour * 1.7)
        lines.append(f"{heat:.2f},{shake:.3f},{hour}" + (f",{worn:.2f}" if wear else ""))
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write the notebooks."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, WEAR, INTRODUCTION, PARAMETERS, CODE)
    declared = "\n".join(f"p{number}: str = {text!r}  # {text}" for number, text in enumerate(TEXTS))
    _write(folder, TEXT, "# " + " ".join(TEXTS[:9]) + "\n\n" + " ".join(TEXTS), declared, ECHO)
    _write(folder, "no_apply", "# A draft\n\nWithout `apply` yet.", None, CODE.partition("def apply")[0])


def fill(service: Service) -> None:
    """Fit models: one with three versions, one whose last fit failed, one of the hostile notebook."""
    for count, values in ((120, {"epochs": "3"}), (160, {}), (200, {"epochs": "8", "rate": "0.4"})):
        assert service.fit(WEAR, rows(count), "line_4", "wear", **values)["status"] == "success"
    assert service.fit(WEAR, rows(90), "line_7", "wear")["status"] == "success"
    broken = rows(90).replace("\n55.00,", "\nhot,", 1)
    assert service.fit(WEAR, broken, "line_7", "wear")["status"] == "error"
    assert service.fit(TEXT, "a,b\n1,2\n", "notes")["status"] == "success"


def fill_more(service: Service) -> None:
    """Fit more models, for the pictures of the docs: rows that one is applied to have drifted."""
    for model, fits in (("line_1", 7), ("line_2", 4), ("line_5", 9)):
        for number in range(fits):
            given = rows(210 + 10 * number) if number % 5 != 2 else rows(60).replace("\n55.00,", "\nhot,", 1)
            service.fit(WEAR, given, model, "wear", epochs="1")
    for hour in (0, 600):
        service.apply(WEAR, rows(600, wear=False, start=400 + hour), "line_5")


def _write(folder: Path, name: str, text: str, parameters: str | None, code: str) -> None:
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text}]
    parts = [] if parameters is None else [(parameters, {"tags": ["parameters"]})]
    for source, metadata in [*parts, (code, {"name": "mltkc_all"})]:
        cells.append(
            {"cell_type": "code", "metadata": metadata, "source": source} | {"outputs": [], "execution_count": None}
        )
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / f"{name}.ipynb").write_text(json.dumps(document), encoding="utf-8")
