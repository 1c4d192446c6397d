"""Where and how a notebook failed, as a person reads it: ``umap.ipynb, cell 22 (mltkc_fit), line 7: `x = 1` ``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode

from dltk_runtime.batch.document import INJECTED_TAG, number_of

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"Cell In\[(?P<count>\d{1,9})\], line (?P<line>\d{1,9})")


def shown(cell: NotebookNode) -> str:
    """Return ``cell 22 (mltkc_fit)``, or the source of a cell that is not the author's."""
    if not (number := number_of(cell)):
        return "the given parameters" if INJECTED_TAG in cell.metadata.get("tags", ()) else f"`{cell.source}`"
    name = cell.metadata.get("name")
    return f"cell {number}" + (f" ({name})" if name else "")


def place_of(notebook: str, cell: NotebookNode, traceback: str, ran: Mapping[int, NotebookNode]) -> str:
    """Return the coordinates of a failure: the innermost line of a cell, else the cell.

    Args:
        notebook: its name.
        cell: the one that failed.
        traceback: as `traceback_of` returns it.
        ran: the cells that ran before, by execution count.
    """
    line = 0
    for match in _FRAME.finditer(traceback):
        if int(match["count"]) in ran or int(match["count"]) == cell.execution_count:
            cell, line = ran.get(int(match["count"]), cell), int(match["line"])
    lines = cell.source.splitlines()
    text = f", line {line}: `{lines[line - 1].strip()}`" if 0 < line <= len(lines) else ""
    return f"{notebook}, {shown(cell)}{text}"


def traceback_of(cell: NotebookNode) -> str:
    """Return the tracebacks in a cell's outputs, without colours."""
    errors = [output for output in cell.get("outputs", ()) if output.output_type == "error"]
    return _ANSI.sub("", "\n".join(line for output in errors for line in output.traceback))


def error_in(cell: NotebookNode) -> NotebookNode | None:
    """Return the error in the outputs of a cell that ran to its end, as of a failing ``_repr_html_``.

    papermill takes such a cell for a failed one, too.
    """
    return next((output for output in cell.outputs if output.output_type == "error"), None)


def death_of(process: Any) -> str:
    """Return how a kernel's process ended, as a part of a sentence; empty where it is not known.

    `process` is a `subprocess.Popen`, or None.
    """
    code = process.poll() if process is not None else None
    if code is None:
        return ""
    if code < 0:
        hint = ", most likely because memory ran out" if code == -9 else ""
        return f" of signal {-code}{hint}"
    return f" with exit code {code}"
