"""Notebooks for tests, written into a running container as JupyterLab would save them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from textwrap import dedent

from container import Container

# A healthy algorithm: its model is a number, its answers are the rows themselves.
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
    """A whole notebook, its cells those of `CELLS` where they are not given."""
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
