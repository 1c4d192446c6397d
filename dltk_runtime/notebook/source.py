"""The text that modules are made of: the exported cells of a notebook, or a Python file.

Notebooks are read as JSON and no further: outputs are never looked at, so one that breaks the
notebook format's schema does not matter.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime.errors import NameInvalid, StoreDamaged
from dltk_runtime.files import state
from dltk_runtime.names import checked
from dltk_runtime.notebook.errors import NotebookUnreadable

# Libraries that take long to import, by import name.
# fmt: off
HEAVY = (
    "torch", "tensorflow", "keras", "sklearn", "scipy", "xgboost", "lightgbm", "statsmodels", "transformers",
    "networkx", "matplotlib", "seaborn", "plotly", "dask", "ray",
)
# fmt: on
FORMAT = 1
_CONTRACT = re.compile(r"^def\s+(?:init|fit|apply|save|load|summary)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell that is exported. `number` counts all cells from 1, as a reader would; 0 is a whole Python file."""

    number: int
    name: str
    source: str

    def filename(self, notebook: str) -> str:
        """The file name it is compiled under: ``umap.ipynb, cell 22 (mltkc_fit)``; a file's is its path."""
        if not self.number:
            return notebook
        return f"{notebook}, cell {self.number}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True, slots=True)
class Source:
    """The text one module is made of.

    `name` is the module's below ``app.model``; `path` is how messages call the file
    (``umap.ipynb``, ``app/model/helper.py``) and `origin` where it was read. `sha256` is the
    cells' hash and not the file's: outputs, and cells that are not exported, do not count.
    `parameters` is the cell tagged so, which is read and never run (`dltk_runtime.notebook.parameters`).
    """

    name: str
    path: str
    origin: str
    cells: tuple[Cell, ...]
    sha256: str
    parameters: Cell | None = None

    @property
    def is_package(self) -> bool:
        return self.path.endswith("/__init__.py")

    @property
    def text(self) -> str:
        """All cells as one text, each under a comment that names it."""
        if not any(cell.number for cell in self.cells):
            return "".join(cell.source for cell in self.cells)
        return "\n".join(f"# {cell.filename(self.path)}\n{cell.source}\n" for cell in self.cells)


class _Metadata(msgspec.Struct):
    name: Any = msgspec.UNSET
    tags: Any = None


class _Cell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Notebook(msgspec.Struct):
    nbformat: int = 4
    cells: list[_Cell] | None = None


def is_name(text: str) -> bool:
    """Whether a file of that name can be an algorithm or a helper (``NAME.new`` and ``__init__`` are not)."""
    try:
        return not checked("a module", text).startswith("__")
    except NameInvalid:
        return False


def read_source(path: Path) -> Source:
    """The source of the module made from the notebook, or the Python file directly in ``app/model``, at `path`.

    Raises:
        NotebookUnreadable: no file, no JSON, not UTF-8, or not the format of notebooks.
    """
    try:
        data, _ = state.read(path)
    except OSError as error:
        raise NotebookUnreadable(path, error.strerror or str(error)) from error
    return source_of(path.parent.name if path.stem == "__init__" else path.stem, path, data)


def source_of(name: str, path: Path, data: bytes) -> Source:
    """The source of module `name` from the content of its file; raises as `read_source` does."""
    if path.suffix == ".ipynb":
        cells = _read_cells(path, data)
        return _source(name, path.name, path, tuple(exported(cells)), _parameters_of(cells))
    try:
        text = importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:  # an unknown or a wrong encoding
        raise NotebookUnreadable(path, str(error)) from error
    shown = "app/model/" + name.replace(".", "/") + ("/__init__.py" if path.stem == "__init__" else ".py")
    return _source(name, shown, path, (Cell(0, "", text),))


def exported(cells: Sequence[_Cell]) -> list[Cell]:
    """The cells that make the module: the named ones; without any, those tagged ``dltk``; else by `is_definition`."""
    _, rule = _rule_for(cells)
    return [_as_cell(number, cell) for number, cell in _numbered(cells) if rule(cell)]


def left_out(path: Path) -> tuple[str, list[Cell]]:
    """The code cells of a notebook that are not exported, and what would export one; raises as `read_source` does."""
    cells = _read_cells(path, path.read_bytes())
    advice, rule = _rule_for(cells)
    return advice, [_as_cell(number, cell) for number, cell in _numbered(cells) if not rule(cell)]


def first_words(path: Path) -> str:
    """The text of a notebook's first cell when that is no code, else nothing; raises as `read_source` does."""
    cells = _read_cells(path, path.read_bytes())
    return _text(cells[0]).strip() if cells and cells[0].cell_type == "markdown" else ""


def is_definition(source: str) -> bool:
    """Whether a cell only imports, assigns constants and defines functions or classes: harmless to run.

    So does a broken one that begins to define a function of the contract, so that its author is told what broke it.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _CONTRACT.search(source) is not None
    return bool(body) and all(_defines(statement) for statement in body)


def heavy_imports(*texts: str) -> tuple[str, ...]:
    """Those of `HEAVY` that source texts import, anywhere in them, in `HEAVY`'s order; broken texts import nothing."""
    found: set[str] = set()
    for text in texts:
        try:
            found.update(_imports(ast.parse(text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return tuple(name for name in HEAVY if name in found)


def pack(sources: Iterable[Source]) -> bytes:
    """Sources as the bytes of a version's ``code.json``."""
    document = {"format": FORMAT, "sources": [asdict(source) for source in sources]}
    return json.dumps(document, indent=1).encode()  # not msgspec: a lone surrogate in a cell must survive


def unpack(data: bytes) -> tuple[Source, ...]:
    """What `pack` was given.

    Raises:
        StoreDamaged: the bytes are not what `pack` writes.
    """
    try:
        return msgspec.convert(json.loads(data)["sources"], tuple[Source, ...])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreDamaged(f"The code kept in a version cannot be read ({error}). Fit the model again.") from error


def _source(name: str, shown: str, path: Path, cells: tuple[Cell, ...], parameters: Cell | None = None) -> Source:
    counted = [*cells, *([parameters] if parameters else [])]
    text = json.dumps([[cell.number, cell.name, cell.source] for cell in counted])
    return Source(name, shown, str(path), cells, hashlib.sha256(text.encode()).hexdigest(), parameters)


def _parameters_of(cells: Sequence[_Cell]) -> Cell | None:
    """The code cell tagged ``parameters``; the first, as for papermill."""
    tagged = (_as_cell(number, cell) for number, cell in _numbered(cells) if _has_tag(cell, "parameters"))
    return next(tagged, None)


def _has_tag(cell: _Cell, tag: str) -> bool:
    return isinstance(cell.metadata.tags, list) and tag in cell.metadata.tags


def _read_cells(path: Path, data: bytes) -> list[_Cell]:
    notebook = _decode(path, data)
    if notebook.cells is None:
        old = f" (it is in format {notebook.nbformat}; 4 is needed)" if notebook.nbformat < 4 else ""
        raise NotebookUnreadable(path, f"it has no list of cells{old}")
    return notebook.cells


def _decode(path: Path, data: bytes) -> _Notebook:
    try:
        text = data.decode("utf-8-sig")
        try:
            return msgspec.json.decode(text, type=_Notebook)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeEncodeError):
            # Python's own reader takes more (NaN in an output) and says where it stopped.
            return msgspec.convert(json.loads(text), _Notebook)
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


def _rule_for(cells: Sequence[_Cell]) -> tuple[str, Callable[[_Cell], bool]]:
    """The rule that chooses a notebook's exported cells, and what one does to have a cell chosen."""
    rules: list[tuple[str, Callable[[_Cell], bool]]] = [
        ("give it a name in its metadata", lambda cell: cell.metadata.name is not msgspec.UNSET),
        ("tag it dltk", lambda cell: _has_tag(cell, "dltk")),
    ]
    for advice, rule in rules:
        if any(rule(cell) for _, cell in _numbered(cells)):
            return advice, rule
    return "keep nothing in it but imports, constants and definitions", lambda cell: is_definition(_text(cell))


def _numbered(cells: Sequence[_Cell]) -> list[tuple[int, _Cell]]:
    return [(number, cell) for number, cell in enumerate(cells, start=1) if cell.cell_type == "code"]


def _as_cell(number: int, cell: _Cell) -> Cell:
    name = cell.metadata.name
    shown = "" if name is msgspec.UNSET or name is None else " ".join(str(name).split())[:80]
    return Cell(number, shown, _text(cell))


def _text(cell: _Cell) -> str:
    return cell.source if isinstance(cell.source, str) else "".join(cell.source)


def _defines(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
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


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
