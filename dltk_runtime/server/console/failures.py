"""The cell of a notebook in which its code failed, with the line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dltk_runtime.errors import DltkError
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths

_PLACE = re.compile(r", cell (\d{1,6})[^,]{0,200}, line (\d{1,6})")


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A cell of a notebook and the line, from 1, in which its code failed."""

    number: int
    name: str
    line: int
    lines: list[str]


def cell_of(coordinates: str, name: str, paths: Paths) -> FailedCell | None:
    """Return the cell that `coordinates` name, as the notebook of this algorithm has it now; reads the disk.

    None for a cell of another notebook, which this one imports.
    """
    found = _PLACE.search(coordinates)
    if found is None:
        return None
    try:
        source = algorithm.source_of(name, paths)
    except DltkError:
        return None
    if not coordinates.startswith(f"{source.path}, cell "):
        return None
    number, line = int(found[1]), int(found[2])
    cell = next((each for each in source.cells if each.number == number), None)
    return FailedCell(number, cell.name, line, cell.source.splitlines()) if cell else None
