"""Notebooks for tests, written into a running container as JupyterLab saves them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from textwrap import dedent

from container import Container

# A working algorithm: its model is a number, and it returns the rows unchanged.
CELLS = {
    "import": """
        import json
        import os
        MODEL_DIRECTORY = "/srv/app/model/data/"
    """,
    "init": """
        def init(df, param):
            return {}
    """,
    "fit": """
        def fit(model, df, param):
            model["rows"] = len(df)
            return {}
    """,
    "apply": """
        def apply(model, df, param):
            return df
    """,
    "save": """
        def save(model, name):
            with open(MODEL_DIRECTORY + name + ".json", "w") as file:
                json.dump(model, file)
    """,
    "load": """
        def load(name):
            with open(MODEL_DIRECTORY + name + ".json") as file:
                return json.load(file)
    """,
}


def notebook_text(**changed: str) -> str:
    """Build a notebook; cells that are not given are those of `CELLS`."""
    cells = [
        {
            "cell_type": "code",
            "id": name,
            "execution_count": None,
            "metadata": {"name": f"mltkc_{name}"},
            "outputs": [],
            "source": dedent(source).strip() + "\n",
        }
        for name, source in (CELLS | changed).items()
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def write_notebook(container: Container, name: str, **changed: str) -> None:
    """Save a notebook in the container's notebooks' folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(notebook_text(**changed))
        container.copy_in(path, f"/srv/notebooks/{name}.ipynb")
