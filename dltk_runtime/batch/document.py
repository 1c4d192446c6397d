"""The notebook that a run executes: the author's cells, and cells that call its functions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.lab import kernelspec
from dltk_runtime.notebook.cells import is_definition
from dltk_runtime.notebook.source import Source

RUN, FIT, APPLY = "run", "fit", "apply"
INJECTED_TAG = "injected-parameters"  # papermill's own
METADATA_KEY = "dltk"  # of our metadata, in the notebook's and in cells'

# Cells after those of the algorithm; batch/kernel.py supplies `stage`, and the names for `save` and
# `load`.
_BEGIN = "df, param = stage()"
_END = "results = apply(model, df, param)\nresults"
_DRIVERS = {
    FIT: (
        f"{_BEGIN}\nmodel = init(df, param)",
        "info = fit(model, df, param)\ninfo",
        'saved = save(model, "")',
        _END,
    ),
    APPLY: (f'{_BEGIN}\nmodel = load("")', _END),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A notebook to execute. `skipped` has outputs of an earlier run by cell id; see `resumed`."""

    notebook: NotebookNode
    skipped: dict[str, list[Any]] = field(default_factory=dict)
    restore_before: str = ""  # id of the cell before which a snapshot is restored


def build(notebook: Source, mode: str) -> Document:
    """Build the notebook that a run in `mode` executes: cells with ids and numbers, no outputs."""
    # As JSON: nbformat refuses outputs that break its schema, and outputs are not used here.
    read = nbformat.from_dict(json.loads(Path(notebook.origin).read_text(encoding="utf-8-sig")))
    exported = {cell.number for cell in notebook.cells}
    exported |= {notebook.parameters.number} if notebook.parameters else set()
    cells = [_cell(number, cell, number in exported) for number, cell in enumerate(read.cells, start=1)]
    if mode != RUN:
        cells = [
            *(cell for cell in cells if number_of(cell) in exported),
            *map(_driver, range(len(_DRIVERS[mode])), _DRIVERS[mode]),
        ]
    spec = {"name": kernelspec.KERNEL_NAME, "display_name": "DLTK", "language": "python"}
    metadata = {"kernelspec": spec, "language_info": {"name": "python"}}
    return Document(nbformat.v4.new_notebook(cells=cells, metadata=metadata))


def resumed(document: Document, executed: Path, snapshot: Path, facts: dict[str, Any]) -> tuple[Document, str]:
    """Return the rest of a failed run, and a sentence that says where it continues.

    Definitions run again, so that a fix in them takes effect; cells that compute are skipped up to
    the one that failed. If that could differ from a whole run, all cells run. `facts` must be
    equal to those of the failed run.

    Raises:
        BatchInvalid: there is no failed run to resume.
    """
    before = _failed_run(executed)
    failed, old = before.metadata[METADATA_KEY]["failed"], {cell.id: cell for cell in before.cells}
    ids = [cell.id for cell in document.notebook.cells]
    if not snapshot.is_file():
        return document, "The failed run left no snapshot of its variables: all cells run again."
    if failed not in ids or before.metadata[METADATA_KEY].get("facts") != facts:
        return document, "Data, parameters or cells have changed since the failed run: all cells run again."
    done = [cell for cell in document.notebook.cells[: ids.index(failed)] if not _runs_again(cell)]
    if changed := [cell for cell in done if cell.id not in old or cell.source != old[cell.id].source]:
        return document, f"Cell {number_of(changed[0])}, which computes, has changed: all cells run again."
    skipped = {cell.id: old[cell.id].get("outputs", []) for cell in done if cell.cell_type == "code"}
    number = document.notebook.cells[ids.index(failed)].metadata[METADATA_KEY]["cell"]
    return Document(document.notebook, skipped, failed), f"The run continues at cell {number}."


def mark_failed(notebook: NotebookNode, cell: NotebookNode, facts: dict[str, Any]) -> None:
    """Record in the executed notebook which cell failed, and the facts of the run."""
    notebook.metadata[METADATA_KEY] = {"failed": cell.id, "facts": facts}


def number_of(cell: NotebookNode) -> int:
    """Return the cell's number in the author's notebook, from 1; 0 for any other cell."""
    return int(cell.metadata.get(METADATA_KEY, {}).get("cell", 0))


def _failed_run(executed: Path) -> NotebookNode:
    try:
        notebook: NotebookNode = nbformat.reads(executed.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise BatchInvalid(
            f"{executed} is not an executed notebook to resume ({error}). Run without --resume."
        ) from error
    if "failed" not in notebook.metadata.get(METADATA_KEY, {}):
        raise BatchInvalid(f"{executed} is not the notebook of a failed run. Run without --resume.")
    return notebook


def _runs_again(cell: NotebookNode) -> bool:
    return cell.cell_type != "code" or bool(cell.metadata[METADATA_KEY].get("exported")) or is_definition(cell.source)


def _cell(number: int, cell: NotebookNode, exported: bool) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(
        {
            "cell_type": cell.cell_type,
            "id": cell.get("id") or f"cell-{number}",
            "metadata": {**cell.metadata, METADATA_KEY: {"cell": number, "exported": exported}},
            "source": cell.source if isinstance(cell.source, str) else "".join(cell.source),
        }
    )
    if cell.cell_type == "code":
        made.update(outputs=[], execution_count=None)
    return made


def _driver(number: int, source: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(source, id=f"dltk-{number}", metadata={METADATA_KEY: {}})
    return cell
