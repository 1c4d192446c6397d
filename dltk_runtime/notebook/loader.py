"""Notebooks as modules, without generated files: ``umap.ipynb`` is ``app.model.umap``.

::

    umap.ipynb ─ sources ─> cells ─ ast ─> srv_paths ─ compile ─> app.model.umap
                                     each cell under its own file name,
                                     which `coordinates` knows again in frames

An import finder does this inside ``app.model``, a real package on the path of workers, of the
processes they start and of Jupyter kernels, so that pickles find their classes in all of them.
"""

from __future__ import annotations
import __future__

import ast
import importlib.abc
import importlib.machinery
import io
import linecache
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import state as file_state
from dltk_runtime.files.state import FileState, unchanged
from dltk_runtime.notebook.coordinates import Coordinates, at, coordinates, coordinates_in, format_traceback
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.source import Cell, Source, heavy_imports, is_name, pack, read_source, source_of, unpack
from dltk_runtime.notebook.srv_paths import rebase_constants
from dltk_runtime.paths import Paths
from dltk_runtime.settings import code_location

__all__ = [
    "Cell",
    "CodeFinder",
    "Coordinates",
    "FileState",
    "Source",
    "candidates",
    "compile_cell",
    "coordinates",
    "coordinates_in",
    "folders",
    "format_traceback",
    "heavy_imports",
    "install_from_environment",
    "is_name",
    "pack",
    "read_source",
    "rebase_constants",
    "unchanged",
    "unpack",
]

PACKAGE = "app.model"
# ``from __future__ import …`` of one cell holds for the cells after it, as it does in Jupyter.
_FUTURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


def folders(paths: Paths) -> tuple[Path, Path, Path]:
    """Where modules come from, first to last: notebooks, the helpers beside them, and an old volume's modules."""
    return paths.notebooks, paths.helpers, paths.modules


def candidates(name: str, paths: Paths) -> Iterator[Path]:
    """Where the module ``app.model.<name>`` may lie; the first file there is wins."""
    notebooks, *others = folders(paths)
    yield notebooks / f"{name}.ipynb"
    for folder in others:
        yield folder / name / "__init__.py"
        yield folder / f"{name}.py"


def compile_cell(source: Source, cell: Cell, paths: Paths, flags: int = 0) -> CodeType:
    """The code of one cell, under the cell's file name; `flags` are those of ``__future__`` imports in earlier cells.

    Raises:
        SyntaxError: with the cell's file name, line and text.
        ValueError: the text cannot be encoded (a lone surrogate).
    """
    filename = cell.filename(source.path)
    try:
        tree = rebase_constants(ast.parse(cell.source, filename), paths)
        code: CodeType = compile(tree, filename, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        # The compiler proper, other than the parser, has no text to show.
        error.text = error.text or at(source, cell, error.lineno or 1).text
        raise
    return code


class CodeFinder(importlib.abc.MetaPathFinder):
    """Serves ``app.model.<name>`` from the folders of notebooks and helpers, or from the code kept in a version.

    `states` holds every file that was looked for, missing ones too: one that appears later may
    shadow what is in use. It stays empty with kept code, which never changes. `sources` holds what became a module.
    """

    def __init__(self, paths: Paths, kept: Path | None = None) -> None:
        """`kept` is a version's ``code.json``.

        Raises:
            StoreDamaged: `kept` cannot be read.
        """
        self.paths = paths
        self.kept = kept
        self.states: list[FileState] = []
        self.sources: list[Source] = []
        self._kept = {source.name: source for source in _read_kept(kept)} if kept else {}

    @property
    def places(self) -> tuple[Path, ...]:
        """Where it looks, for messages."""
        return (self.kept,) if self.kept else folders(self.paths)

    def install(self) -> None:
        """Make this process, and those it will start, import with this finder and no other one."""
        for finder in [each for each in sys.meta_path if isinstance(each, CodeFinder) and each is not self]:
            finder.remove()
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        os.environ["DLTK_HOME"] = str(self.paths.home)
        os.environ["DLTK_NOTEBOOKS"] = str(self.paths.notebooks)
        os.environ["DLTK_CODE"] = str(self.kept or "")

    def remove(self) -> None:
        """Undo `install`, and `forget`."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self.forget()

    def forget(self) -> None:
        """Drop all modules, so that the next import runs their cells anew."""
        package = sys.modules.get(PACKAGE)
        for name in [each for each in sys.modules if each.startswith(PACKAGE + ".")]:
            del sys.modules[name]
            child = name.removeprefix(PACKAGE + ".")
            if package and hasattr(package, child):
                delattr(package, child)
        self.states.clear()
        self.sources.clear()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the finder's own folders count
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's signature
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of ``app.model.<name>``; None for other modules and when no file is there.

        Raises:
            NotebookUnreadable: the file is there, but broken.
        """
        name = fullname.removeprefix(PACKAGE + ".")
        if name == fullname or not (source := self.find(name)):
            return None
        self.sources = [each for each in self.sources if each.name != name] + [source]
        spec = importlib.machinery.ModuleSpec(
            fullname, _CellLoader(source, self.paths), origin=source.origin, is_package=source.is_package
        )
        spec.has_location = True
        return spec

    def find(self, name: str) -> Source | None:
        """The source of a module, None when there is none; raises as `find_spec` does."""
        if self.kept:
            return self._kept.get(name)
        if not all(is_name(part) for part in name.split(".")):
            return None
        for path in self._candidates(name):
            if (data := self._read(path)) is not None:
                return source_of(name, path, data)
        return None

    def _candidates(self, name: str) -> Iterator[Path]:
        parent, _, child = name.rpartition(".")
        if not parent:
            yield from candidates(name, self.paths)
        for package in (each for each in self.sources if each.name == parent):
            folder = Path(package.origin).parent
            yield folder / child / "__init__.py"
            yield folder / f"{child}.py"

    def _read(self, path: Path) -> bytes | None:
        """A file's content, None when there is none; either way `states` remembers."""
        try:
            data, state = file_state.read(path)
        except (FileNotFoundError, NotADirectoryError):
            data, state = None, FileState(str(path), None)
        except OSError as error:
            self._remember(FileState(str(path), file_state.stamp_of(path)))
            if isinstance(error, IsADirectoryError):
                return None
            raise NotebookUnreadable(path, error.strerror or str(error)) from error
        self._remember(state)
        return data

    def _remember(self, state: FileState) -> None:
        self.states = [each for each in self.states if each.path != state.path] + [state]


def install_from_environment() -> None:
    """Install the finder that this process's parent has, unless the process has one of its own already."""
    if not any(isinstance(each, CodeFinder) for each in sys.meta_path):
        CodeFinder(*code_location()).install()


class _CellLoader(importlib.abc.Loader):
    """Runs a source's cells in the module, one after another."""

    def __init__(self, source: Source, paths: Paths) -> None:
        self._source = source
        self._paths = paths

    def exec_module(self, module: ModuleType) -> None:
        """Run the cells; whatever they raise ends the import."""
        # `inspect.getsource` of a class looks for it in the text of the whole module.
        _register(self._source.origin, self._source.text)
        flags = 0
        for cell in self._source.cells:
            _register(cell.filename(self._source.path), cell.source)
            code = compile_cell(self._source, cell, self._paths, flags)
            flags |= code.co_flags & _FUTURES
            exec(code, module.__dict__)  # noqa: S102 - running the notebook is what this is for

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - importlib's signature
        """The module's text, for `inspect` and `linecache`."""
        return self._source.text


def _register(filename: str, text: str) -> None:
    """Give `linecache` the lines of a file that is none; without mtime it keeps them for good."""
    lines = io.StringIO(text + "\n", newline=None).readlines()
    linecache.cache[filename] = (len(text), None, lines, filename)


def _read_kept(kept: Path) -> tuple[Source, ...]:
    try:
        return unpack(kept.read_bytes())
    except OSError as error:
        raise StoreDamaged(f"The code kept in a version cannot be read ({error}). Fit the model again.") from error
