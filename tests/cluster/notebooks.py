"""Notebooks that say in a parameters cell which machine fits them."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.conftest import HEALTHY


def write(notebooks: Path, name: str, resources: str, applies: str = "", **cells: str) -> None:
    notebooks.mkdir(parents=True, exist_ok=True)
    asked = f'resources: str = "{resources}"' + (f'\napply_resources: str = "{applies}"' if applies else "")
    parts = [("parameters", asked), *(HEALTHY | cells).items()]
    document: dict[str, Any] = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    for part, source in parts:
        mark = {"tags": [part]} if part == "parameters" else {"name": f"mltkc_{part}"}
        cell = {"cell_type": "code", "metadata": mark, "outputs": [], "execution_count": None}
        document["cells"].append(cell | {"source": dedent(str(source)).strip()})
    (notebooks / f"{name}.ipynb").write_text(json.dumps(document))
