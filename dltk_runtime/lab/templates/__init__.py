"""Templates of new notebooks: working algorithms, one per library.

A notebook is built from ``skeleton.txt``, which all templates share, and from the parts in
``<template>.txt``. In the skeleton, a line ``%% NAME`` begins a code cell of that name,
``%% tags=…`` a tagged one, ``%% -`` one without a name and ``%% [markdown]`` a markdown cell.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from dltk_runtime.errors import DltkError, nearest
from dltk_runtime.lab import kernelspec
from dltk_runtime.names import checked_algorithm

TEMPLATE_NAMES = ("bare", "sklearn", "tensorflow", "torch")
_FOLDER = Path(__file__).parent


def write(folder: Path, name: str, template: str) -> Path:
    """Write the notebook `name` into `folder`.

    Raises:
        NameInvalid: `name` is not valid for an algorithm.
        TemplateInvalid: there is no such template, or the notebook exists or cannot be written.
    """
    path = folder / f"{checked_algorithm(name)}.ipynb"
    text = json.dumps(notebook(name, template), indent=1, ensure_ascii=False) + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise TemplateInvalid(f"{path} already exists. Choose another name.") from error
    except OSError as error:
        raise TemplateInvalid(f"{path} cannot be written: {error.strerror}.") from error
    return path


def notebook(name: str, template: str) -> dict[str, Any]:
    """Build the notebook `name` from a template, as the JSON object of an ``.ipynb`` file.

    Raises:
        TemplateInvalid: there is no such template.
    """
    if template not in TEMPLATE_NAMES:
        known = ", ".join(TEMPLATE_NAMES)
        raise TemplateInvalid(f"No template {template!r}: choose one of {known}.{nearest(template, TEMPLATE_NAMES)}")
    parts = dict(_blocks((_FOLDER / f"{template}.txt").read_text(encoding="utf-8")))
    skeleton = Template((_FOLDER / "skeleton.txt").read_text(encoding="utf-8"))
    cells = _blocks(skeleton.substitute(parts, name=name))
    spec = {"display_name": "DLTK", "language": "python", "name": kernelspec.KERNEL_NAME}
    return {
        "cells": [_cell(number, header, source) for number, (header, source) in enumerate(cells, start=1)],
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _blocks(text: str) -> list[tuple[str, str]]:
    """Split a text into its headers and the texts below them."""
    blocks = ("\n" + text).split("\n%% ")[1:]
    return [(header.strip(), source.strip("\n")) for header, _, source in (block.partition("\n") for block in blocks)]


def _cell(number: int, header: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
    if header == "[markdown]":
        return {"cell_type": "markdown", **cell}
    if header.startswith("tags="):
        cell["metadata"] = {"tags": header.removeprefix("tags=").split(",")}
    elif header != "-":
        cell["metadata"] = {"name": header}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **cell}


class TemplateInvalid(DltkError):
    """A new notebook cannot be created."""

    http_status = 400
