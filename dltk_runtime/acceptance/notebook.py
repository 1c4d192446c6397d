"""The notebook that the app's searches fit and apply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).parent / "templates" / "notebook.txt"
_MARK = "# %% "


def notebook() -> str:
    """Return the notebook's JSON."""
    document: dict[str, Any] = {"cells": list(_cells(_SOURCE.read_text(encoding="utf-8")))}
    document |= {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1) + "\n"


def _cells(text: str) -> Iterator[dict[str, Any]]:
    for number, part in enumerate(text.split(_MARK)[1:]):
        name, _, source = part.partition("\n")
        source = source.rstrip("\n")
        if name == "[markdown]":
            words = "\n".join(line.removeprefix("#").removeprefix(" ") for line in source.splitlines())
            yield {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": words}
        else:
            cell = {"cell_type": "code", "id": f"cell-{number}", "metadata": {"name": name}, "source": source}
            yield cell | {"execution_count": None, "outputs": []}
