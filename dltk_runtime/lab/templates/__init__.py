"""Notebooks to begin with: whole algorithms that work at once, one for each library.

A template is text: a skeleton, which is the same for all, with the parts that a library does in its own way. In
both, a line ``%% NAME`` begins a cell, named so in its metadata; ``%% [markdown]`` and ``%% tags=…`` are the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from dltk_runtime.errors import DltkError, nearest
from dltk_runtime.lab import kernelspec
from dltk_runtime.names import checked

NAMES = ("bare", "sklearn", "tensorflow", "torch")
_FOLDER = Path(__file__).parent


def write(folder: Path, name: str, template: str) -> Path:
    """Write the notebook `name` into `folder`.

    Raises:
        NameInvalid: `name` cannot be an algorithm's.
        TemplateInvalid: there is no such template, or such a notebook already.
    """
    path = folder / f"{checked('an algorithm', name)}.ipynb"
    text = json.dumps(notebook(name, template), indent=1, ensure_ascii=False) + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise TemplateInvalid(f"{path} is there already. Choose another name.") from error
    except OSError as error:
        raise TemplateInvalid(f"{path} cannot be written: {error.strerror}.") from error
    return path


def notebook(name: str, template: str) -> dict[str, Any]:
    """The notebook `name` made from a template.

    Raises:
        TemplateInvalid: there is none of that name.
    """
    if template not in NAMES:
        raise TemplateInvalid(f"No template {template!r}: there are {', '.join(NAMES)}.{nearest(template, NAMES)}")
    parts = dict(_blocks((_FOLDER / f"{template}.txt").read_text(encoding="utf-8")))
    skeleton = Template((_FOLDER / "skeleton.txt").read_text(encoding="utf-8"))
    cells = _blocks(skeleton.substitute(parts, name=name))
    spec = {"display_name": "DLTK", "language": "python", "name": kernelspec.NAME}
    return {
        "cells": [_cell(number, header, source) for number, (header, source) in enumerate(cells, start=1)],
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _blocks(text: str) -> list[tuple[str, str]]:
    """The headers and the texts below them."""
    blocks = ("\n" + text).split("\n%% ")[1:]
    return [(header.strip(), source.strip("\n")) for header, _, source in (block.partition("\n") for block in blocks)]


def _cell(number: int, header: str, source: str) -> dict[str, Any]:
    made: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
    if header == "[markdown]":
        return {"cell_type": "markdown", **made}
    if header.startswith("tags="):
        made["metadata"] = {"tags": header.removeprefix("tags=").split(",")}
    elif header != "-":
        made["metadata"] = {"name": header}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **made}


class TemplateInvalid(DltkError):
    """A new notebook that cannot be written."""

    http_status = 400
