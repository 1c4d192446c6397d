"""The notebooks that are measured: trivial ones, so that what is measured is the way there and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
DEEP = {"keras": "binary_nn_classifier", "torch": "pytorch_nn"}  # of the library, by what they are made with
ALONE = "one_by_one"  # the Keras one, without `row_wise`

_IMPORT = """
import json
import time
import pandas as pd
MODEL_DIRECTORY = "/srv/app/model/data/"
"""
_REST = """
def init(df, param):
    return {"threshold": 0.0}

def save(model, name):
    with open(MODEL_DIRECTORY + name + ".json", "w") as file:
        json.dump(model, file)
    return model

def load(name):
    with open(MODEL_DIRECTORY + name + ".json") as file:
        return json.load(file)

def summary(model=None):
    return model or {}
"""
_FIT = """
def fit(model, df, param):
    return {"rows": len(df)}
"""
_LONG_FIT = """
def fit(model, df, param):
    until = time.monotonic() + float(param["options"]["params"].get("seconds", "0"))
    open(MODEL_DIRECTORY + "fitting", "w").close()
    count = 0
    while time.monotonic() < until:
        count += 1
    return {"count": count}
"""
_ONE = """
def apply(model, df, param):
    return pd.DataFrame({"above": (df["f0"] > model["threshold"]).astype("int64")})
"""
SLEEP_SECONDS = 0.02
_SLEEP = f"""
def apply(model, df, param):
    time.sleep({SLEEP_SECONDS})
    return pd.DataFrame({{"above": (df["f0"] > model["threshold"]).astype("int64")}})
"""
_TEN = """
def apply(model, df, param):
    return df * 1.1
"""
ALGORITHMS = {"one": _FIT + _ONE, "ten": _FIT + _TEN, "long": _LONG_FIT + _ONE, "sleeper": _FIT + _SLEEP}


def write(folder: Path) -> None:
    """Write all notebooks into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ALGORITHMS.items():
        save(folder, name, text)
    for name in DEEP.values():
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder)
    keras = (folder / f"{DEEP['keras']}.ipynb").read_text()
    (folder / f"{ALONE}.ipynb").write_text(keras.replace("row_wise = True", "row_wise = False"))
    shutil.copytree(ROOT / "notebooks" / "app", folder / "app", dirs_exist_ok=True)


def save(folder: Path, name: str, text: str) -> None:
    """Save one notebook as an editor does: whole, in one move."""
    cells = [_cell("mltkc_import", _IMPORT), _cell("mltkc_rest", _REST), _cell("mltkc_functions", text)]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    new = folder / f"{name}.ipynb.tmp"
    new.write_text(json.dumps(notebook))
    new.replace(folder / f"{name}.ipynb")


def _cell(name: str, source: str) -> dict[str, object]:
    base = {"cell_type": "code", "id": name, "execution_count": None, "outputs": []}
    return base | {"metadata": {"name": name}, "source": source.strip().splitlines(keepends=True)}
