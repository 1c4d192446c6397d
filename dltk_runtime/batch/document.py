"""The notebook that a run executes: the author's cells, and for --fit and --apply a few that call its functions."""

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
INJECTED = "injected-parameters"  # papermill's own tag
OURS = "dltk"  # the key of our metadata, in the notebook's and in cells'

# What --fit and --apply run after the algorithm's cells; `stage`, `save` and `load` are those of batch/kernel.py.
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
    """A notebook to execute. `skipped` are the ids of cells whose outputs of an earlier run hold; see `resumed`."""

    notebook: NotebookNode
    skipped: dict[str, list[Any]] = field(default_factory=dict)
    restore_before: str = ""  # the id of the cell before which a snapshot is restored


def build(notebook: Source, mode: str) -> Document:
    """The notebook that a run in `mode` executes; outputs are left out, and each cell has an id and its number."""
    # As JSON, since nbformat refuses outputs that break its schema, and outputs are of no use here.
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
    """The rest of a run that failed, and a sentence on what is taken over from it.

    Definitions run again, so that a fix in them counts; cells that compute are skipped up to the one that failed. When
    that would not be the same as a whole run, a whole run is what it is. `facts` is what both runs must have alike.

    Raises:
        BatchInvalid: there is no failed run to resume.
    """
    before = _failed_run(executed)
    failed, old = before.metadata[OURS]["failed"], {cell.id: cell for cell in before.cells}
    ids = [cell.id for cell in document.notebook.cells]
    if not snapshot.is_file():
        return document, "Nothing was kept of the failed run's variables: all cells run again."
    if failed not in ids or before.metadata[OURS].get("facts") != facts:
        return document, "Data, parameters or cells are not those of the failed run: all cells run again."
    done = [cell for cell in document.notebook.cells[: ids.index(failed)] if not _runs_again(cell)]
    if changed := [cell for cell in done if cell.id not in old or cell.source != old[cell.id].source]:
        return document, f"Cell {changed[0].metadata[OURS]['cell']} was changed, and it computes: all cells run again."
    skipped = {cell.id: old[cell.id].get("outputs", []) for cell in done if cell.cell_type == "code"}
    number = document.notebook.cells[ids.index(failed)].metadata[OURS]["cell"]
    return Document(document.notebook, skipped, failed), f"The run goes on from cell {number}."


def mark_failed(notebook: NotebookNode, cell: NotebookNode, facts: dict[str, Any]) -> None:
    """Remember in the executed notebook where it failed, and what it was run with."""
    notebook.metadata[OURS] = {"failed": cell.id, "facts": facts}


def number_of(cell: NotebookNode) -> int:
    """The cell's place in the author's notebook, counting from 1; 0 for cells that are ours or papermill's."""
    return int(cell.metadata.get(OURS, {}).get("cell", 0))


def _failed_run(executed: Path) -> NotebookNode:
    try:
        notebook: NotebookNode = nbformat.reads(executed.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise BatchInvalid(
            f"{executed} holds no executed notebook to resume ({error}). Run without --resume."
        ) from error
    if "failed" not in notebook.metadata.get(OURS, {}):
        raise BatchInvalid(f"{executed} is no notebook of a run that failed. Run without --resume.")
    return notebook


def _runs_again(cell: NotebookNode) -> bool:
    return cell.cell_type != "code" or bool(cell.metadata[OURS].get("exported")) or is_definition(cell.source)


def _cell(number: int, cell: NotebookNode, exported: bool) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(
        {
            "cell_type": cell.cell_type,
            "id": cell.get("id") or f"cell-{number}",
            "metadata": {**cell.metadata, OURS: {"cell": number, "exported": exported}},
            "source": cell.source if isinstance(cell.source, str) else "".join(cell.source),
        }
    )
    if cell.cell_type == "code":
        made.update(outputs=[], execution_count=None)
    return made


def _driver(number: int, source: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(source, id=f"dltk-{number}", metadata={OURS: {}})
    return cell
