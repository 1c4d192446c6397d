"""Read the cells of a notebook, and select those that are exported to the module.

A notebook is decoded as JSON into the few fields used here. Outputs are skipped, so a notebook
whose outputs violate the notebook format can still be read.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime.files.records import converted, described
from dltk_runtime.notebook.errors import NotebookUnreadable

# Raised by `ast.parse` and `compile`.
COMPILE_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)
_MAX_NAME_LENGTH = 80  # characters of a cell's name in file names and messages
DEFINE = "keep only imports, constants and definitions in it"
_PREPARING = ("sys.path.", "warnings.", "matplotlib.use")  # calls that import cells make
_MAGIC_LINE = re.compile(r"^(?=[ \t]*[%!]|[ \t]*\?|[\w.]+\?{1,2}[ \t]*$)", re.MULTILINE)
_CONTRACT = re.compile(r"^def\s+(?:init|fit|apply|save|load|summary)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One exported code cell.

    `number` counts all cells of the notebook from 1; 0 stands for a whole Python file.
    """

    number: int
    name: str
    source: str

    def filename(self, notebook: str) -> str:
        """Return the file name to compile under.

        For a notebook ``umap.ipynb, cell 22 (mltkc_fit)``; for a Python file its path.
        """
        if not self.number:
            return notebook
        return f"{notebook}, cell {self.number}" + (f" ({self.name})" if self.name else "")


class _Metadata(msgspec.Struct):
    name: Any = msgspec.UNSET
    tags: Any = None


class NotebookCell(msgspec.Struct):
    """One cell as stored in the file, of any type."""

    cell_type: str
    source: str | list[str] = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Notebook(msgspec.Struct):
    nbformat: int = 4
    cells: list[NotebookCell] | None = None


def read_cells(path: Path, data: bytes) -> list[NotebookCell]:
    """Decode all cells from `data`, the content of the notebook at `path`.

    Raises:
        NotebookUnreadable: not UTF-8, not JSON, or not the notebook format 4.
    """
    notebook = _decode(path, data)
    if notebook.cells is None:
        old = f" (format {notebook.nbformat}; format 4 is required)" if notebook.nbformat < 4 else ""
        raise NotebookUnreadable(path, f"it has no list of cells{old}")
    return notebook.cells


def exported(cells: Sequence[NotebookCell]) -> list[Cell]:
    """Select the cells of the module.

    These are the cells with a name in their metadata; if there are none, the cells tagged
    ``dltk``; if there are none of these either, the cells that `is_definition` accepts. Of these
    last ones magics become comments, as such notebooks were not written for a module.
    """
    advice, rule = _rule_for(cells)
    chosen = [_as_cell(number, cell) for number, cell in _numbered(cells) if rule(cell)]
    return [replace(cell, source=without_magics(cell.source)) for cell in chosen] if advice == DEFINE else chosen


def not_exported(path: Path) -> tuple[str, list[Cell]]:
    """Return the advice how to export a cell of this notebook, and the code cells not exported.

    Raises:
        NotebookUnreadable: as `read_cells`.
    """
    cells = read_cells(path, path.read_bytes())
    advice, rule = _rule_for(cells)
    return advice, [_as_cell(number, cell) for number, cell in _numbered(cells) if not rule(cell)]


def code_cells(path: Path) -> list[Cell]:
    """Return all code cells of a notebook as they are written; none of a file that has become invalid."""
    try:
        return [_as_cell(number, cell) for number, cell in _numbered(read_cells(path, path.read_bytes()))]
    except (OSError, NotebookUnreadable):
        return []


def parameters_cell(cells: Sequence[NotebookCell]) -> Cell | None:
    """Find the first code cell tagged ``parameters``, as papermill does."""
    tagged = (_as_cell(number, cell) for number, cell in _numbered(cells) if _has_tag(cell, "parameters"))
    return next(tagged, None)


def tagged_cells(path: Path, tag: str) -> list[int]:
    """Return the numbers of the code cells with a tag; none of a file that has become invalid."""
    try:
        cells = read_cells(path, path.read_bytes())
    except (OSError, NotebookUnreadable):
        return []
    return [number for number, cell in _numbered(cells) if _has_tag(cell, tag)]


def introduction(path: Path) -> str:
    """Return the text of a notebook's first cell if that is markdown, else "".

    Raises:
        NotebookUnreadable: as `read_cells`.
    """
    cells = read_cells(path, path.read_bytes())
    return _text(cells[0]).strip() if cells and cells[0].cell_type == "markdown" else ""


def is_definition(source: str) -> bool:
    """Tell whether a cell only imports, assigns constants and defines functions or classes.

    An import may stand in a ``try``, and be prepared: ``sys.path.append(…)``, ``warnings.filterwarnings(…)``.

    Magics do not count. A cell with a syntax error counts if it defines a function of the contract, so that the
    author sees the syntax error and not a missing function.
    """
    try:
        body = ast.parse(without_magics(source)).body
    except COMPILE_ERRORS:
        return _CONTRACT.search(source) is not None
    return bool(body) and all(_defines(statement) for statement in body)


def without_magics(source: str) -> str:
    """Return a cell's text with its magics, ``!`` commands and ``?`` questions as comments, line by line.

    A text that can be compiled has none.
    """
    try:
        ast.parse(source)
    except COMPILE_ERRORS:
        return _MAGIC_LINE.sub("# ", source)
    return source


# ---------------------------------------------------------------- decoding


def _decode(path: Path, data: bytes) -> _Notebook:
    try:
        return _decode_text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotebookUnreadable(path, f"it is not UTF-8 (line {line}, byte {error.start})") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise NotebookUnreadable(path, f"it is not JSON ({place}: {error.msg})") from error
    except msgspec.ValidationError as error:
        raise NotebookUnreadable(path, f"it is not a notebook ({error})") from error
    except RecursionError as error:
        raise NotebookUnreadable(path, "it is nested too deeply") from error


def _decode_text(text: str) -> _Notebook:
    try:
        return described(_Notebook).decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeEncodeError):
        # Python's parser accepts more (NaN in an output) and reports where it stopped.
        return converted(json.loads(text), _Notebook)


# ---------------------------------------------------------------- selecting


def _rule_for(cells: Sequence[NotebookCell]) -> tuple[str, Callable[[NotebookCell], bool]]:
    """Return the rule that selects a notebook's exported cells, with the advice for authors."""
    rules: list[tuple[str, Callable[[NotebookCell], bool]]] = [
        ("give it a name in its metadata", lambda cell: cell.metadata.name is not msgspec.UNSET),
        ("tag it dltk", lambda cell: _has_tag(cell, "dltk")),
    ]
    for advice, rule in rules:
        if any(rule(cell) for _, cell in _numbered(cells)):
            return advice, rule
    return DEFINE, lambda cell: is_definition(_text(cell))


def _has_tag(cell: NotebookCell, tag: str) -> bool:
    return isinstance(cell.metadata.tags, list) and tag in cell.metadata.tags


def _numbered(cells: Sequence[NotebookCell]) -> list[tuple[int, NotebookCell]]:
    """Return the code cells with their numbers."""
    return [(number, cell) for number, cell in enumerate(cells, start=1) if cell.cell_type == "code"]


def _as_cell(number: int, cell: NotebookCell) -> Cell:
    name = cell.metadata.name
    shown = "" if name is msgspec.UNSET or name is None else " ".join(str(name).split())[:_MAX_NAME_LENGTH]
    return Cell(number, shown, _text(cell))


def _text(cell: NotebookCell) -> str:
    return cell.source if isinstance(cell.source, str) else "".join(cell.source)


def _defines(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return ast.unparse(function).startswith(_PREPARING)
        case ast.Try():
            parts = (statement.body, statement.orelse, statement.finalbody, *(each.body for each in statement.handlers))
            return all(_defines(each) for part in parts for each in part)
        case ast.Assign(targets=targets, value=value):
            return all(_is_constant(target, value) for target in targets)
        case ast.AnnAssign(target=target, value=value):
            return _is_constant(target, value)
    return False


def _is_constant(target: ast.expr, value: ast.expr | None) -> bool:
    names = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    if not all(isinstance(name, ast.Name) for name in names):
        return False
    if all(isinstance(name, ast.Name) and name.id.isupper() for name in names):
        return True
    return value is None or not any(isinstance(node, ast.Call | ast.Await) for node in ast.walk(value))
