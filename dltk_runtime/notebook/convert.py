"""Turn a plain notebook into an algorithm: propose a name for each cell that belongs to it.

A cell that is marked by a comment (``# mltkc_fit``) gets that name; others are named after the
function of the contract that they define, ``mltkc_import`` if they only import, or ``mltkc_define``
if they only define. Cells that compute are experiments and get none. Magics in a named cell move to
a cell of their own before it, as the service runs none.
"""

from __future__ import annotations

import ast
import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltk_runtime.notebook.algorithm import CALLS, REQUIRED
from dltk_runtime.notebook.cells import COMPILE_ERRORS, is_definition, read_cells, without_magics
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.outline import bound_names

_MARK = re.compile(r"^[ \t]*+#++[ \t]*+%*+[ \t]*+((?:mltkc|dltk)_[a-z]+)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A cell, numbered from 1 as before, and the name that it gets; "" for an experiment."""

    number: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ConvertedNotebook:
    """A notebook with named cells, and what was decided.

    `missing` are the functions that no cell defines, without which it is no algorithm.
    """

    document: dict[str, Any]
    proposals: tuple[Proposal, ...]
    missing: tuple[str, ...]


def convert(path: Path) -> ConvertedNotebook:
    """Propose names for the cells of the notebook at `path`; a name that a cell has stays.

    Raises:
        NotebookUnreadable: the file is not a notebook of format 4.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotebookUnreadable(path, error.strerror or str(error)) from error
    read_cells(path, data)  # refuses what is no notebook
    document = json.loads(data.decode("utf-8-sig"))
    before = document["cells"]
    proposals, cells, bound = [], [], set[str]()
    for number, cell in enumerate(before, start=1):
        if cell.get("cell_type") != "code":
            cells.append(cell)
            continue
        text = _text(cell)
        name, why = _proposed(cell, text)
        proposals.append(Proposal(number, name, why))
        if name:
            bound |= bound_names(text)
        cells += _named(cell, text, name) if name else [cell]
    missing = tuple(each for each in REQUIRED if each not in bound)
    return ConvertedNotebook({**document, "cells": cells}, tuple(proposals), missing)


def _proposed(cell: dict[str, Any], text: str) -> tuple[str, str]:
    """Return the name that a cell should have, and the reason."""
    if (name := cell.get("metadata", {}).get("name")) is not None:
        return str(name), "has this name"
    if mark := _MARK.search(text):
        return mark[1], "is marked by a comment"
    plain = without_magics(text)
    bound = bound_names(text)
    if functions := [each for each in CALLS if each in bound and is_definition(text)]:
        return f"mltkc_{functions[0]}", f"defines {', '.join(functions)}"
    if not is_definition(text):
        return "", "computes: an experiment"
    return ("mltkc_import", "imports") if _only_imports(plain) else ("mltkc_define", "defines")


def _only_imports(text: str) -> bool:
    try:
        body = ast.parse(text).body
    except COMPILE_ERRORS:
        return False
    return all(isinstance(each, ast.Import | ast.ImportFrom) for each in body)


def _named(cell: dict[str, Any], text: str, name: str) -> list[dict[str, Any]]:
    """Return the cell with its name, and before it a cell with its magics, if it has any."""
    before, after = text.split("\n"), without_magics(text).split("\n")
    magics = [old for old, new in zip(before, after, strict=True) if old != new]
    named = copy.deepcopy(cell)
    named["metadata"] = {**named.get("metadata", {}), "name": name}
    if not magics:
        return [named]
    rest = "\n".join(old for old, new in zip(before, after, strict=True) if old == new)
    named["source"] = rest.strip("\n")
    extra: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "source": "\n".join(magics),
        "outputs": [],
        "execution_count": None,
    }
    if "id" in cell:
        extra["id"] = f"{cell['id']}-magics"[:64]
    return [extra, named]


def _text(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)
