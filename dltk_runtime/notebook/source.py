"""The source text of one module: the exported cells of a notebook, or a Python file."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from dltk_runtime.errors import NameInvalid, StoreDamaged
from dltk_runtime.files import state
from dltk_runtime.files.records import converted
from dltk_runtime.names import checked_algorithm
from dltk_runtime.notebook import places
from dltk_runtime.notebook.cells import COMPILE_ERRORS, Cell, exported, parameters_cell, read_cells
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.frameworks import SLOW_IMPORTS

CODE_FORMAT = 1  # of ``code.json``


@dataclass(frozen=True, slots=True)
class Source:
    """The source of one module.

    Attributes:
        name: The module's name below ``app.model``.
        path: The file as messages name it (``umap.ipynb``, ``team/umap.ipynb``,
            ``app/model/helper.py``).
        origin: The absolute path that was read.
        cells: The exported cells in order.
        sha256: The hash of the exported cells and the parameters cell. Outputs and other cells
            do not change it.
        parameters: The cell tagged ``parameters``, which is read and never run.
    """

    name: str
    path: str
    origin: str
    cells: tuple[Cell, ...]
    sha256: str
    parameters: Cell | None = None

    @property
    def is_package(self) -> bool:
        """Tell whether the file is an ``__init__.py``."""
        return self.path.endswith("/__init__.py")

    @property
    def text(self) -> str:
        """All cells as one text, each below a comment with its file name."""
        if not any(cell.number for cell in self.cells):
            return "".join(cell.source for cell in self.cells)
        return "\n".join(f"# {cell.filename(self.path)}\n{cell.source}\n" for cell in self.cells)


def is_name(text: str) -> bool:
    """Tell whether `text` can name a module; ``NAME.new`` and ``__init__`` cannot."""
    return not refused_name(text)


def refused_name(text: str) -> str:
    """Return why `text` cannot name a module; empty if it can."""
    try:
        checked_algorithm(text)
    except NameInvalid as error:
        return error.sentence
    return ""


def read_source(path: Path, notebooks: Path | None = None) -> Source:
    """Read the source of a module from a notebook or from a Python file in ``app/model``.

    The folder `notebooks` shortens the path of a notebook below it in messages.

    Raises:
        NotebookUnreadable: the file is missing, not UTF-8, not JSON or not a notebook.
    """
    try:
        data, _ = state.read(path)
    except OSError as error:
        raise NotebookUnreadable(path, error.strerror or str(error)) from error
    name = path.parent.name if path.stem == "__init__" else path.stem
    return source_of(unicodedata.normalize("NFC", name), path, data, notebooks)


def source_of(name: str, path: Path, data: bytes, notebooks: Path | None = None) -> Source:
    """Build the source of module `name` from `data`, the content of its file.

    Raises:
        NotebookUnreadable: as `read_source`.
    """
    if path.suffix == ".ipynb":
        cells = read_cells(path, data)
        return _source(name, places.shown(path, notebooks), path, tuple(exported(cells)), parameters_cell(cells))
    try:
        text = importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:  # an unknown or wrong encoding
        raise NotebookUnreadable(path, str(error)) from error
    shown = "app/model/" + name.replace(".", "/") + ("/__init__.py" if path.stem == "__init__" else ".py")
    return _source(name, shown, path, (Cell(0, "", text),))


def slow_imports(*texts: str) -> tuple[str, ...]:
    """Find which of `SLOW_IMPORTS` source texts import, in the order of `SLOW_IMPORTS`.

    Texts with syntax errors import nothing.
    """
    found: set[str] = set()
    for text in texts:
        try:
            found.update(_imports(ast.parse(text)))
        except COMPILE_ERRORS:
            continue
    return tuple(name for name in SLOW_IMPORTS if name in found)


def imports_of(*sources: Source) -> tuple[str, ...]:
    """Find which of `SLOW_IMPORTS` the code of `sources` imports."""
    return slow_imports(*(cell.source for source in sources for cell in source.cells))


def pack(sources: Iterable[Source]) -> bytes:
    """Encode sources as the content of a version's ``code.json``."""
    document = {"format": CODE_FORMAT, "sources": [asdict(source) for source in sources]}
    # Not msgspec, which refuses lone surrogates; a cell may contain them.
    return json.dumps(document, indent=1).encode()


def unpack(data: bytes) -> tuple[Source, ...]:
    """Decode the content of a version's ``code.json``.

    Raises:
        StoreDamaged: `data` is not what `pack` writes.
    """
    try:
        return converted(json.loads(data)["sources"], tuple[Source, ...])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise code_damaged(error) from error


def code_damaged(cause: Exception) -> StoreDamaged:
    """Build the error for a ``code.json`` that cannot be read."""
    return StoreDamaged(f"The code stored with the version cannot be read ({cause}). Fit the model again.")


def _source(name: str, shown: str, path: Path, cells: tuple[Cell, ...], parameters: Cell | None = None) -> Source:
    counted = [*cells, *([parameters] if parameters else [])]
    text = json.dumps([[cell.number, cell.name, cell.source] for cell in counted])
    return Source(name, shown, str(path), cells, hashlib.sha256(text.encode()).hexdigest(), parameters)


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
