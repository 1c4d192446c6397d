"""Import notebooks as modules, without generated files: ``umap.ipynb`` is ``app.model.umap``.

::

    umap.ipynb ── source ──> cells ── ast ──> srv_paths ── compile ──> app.model.umap
                                              (each cell under its own file name,
                                               by which `coordinates` recognises frames)

The import finder serves the package ``app.model``, which is on the path of workers, of their child
processes and of Jupyter kernels, so that pickles find their classes in all of them.
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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from dltk_runtime.files import state as file_state
from dltk_runtime.files.state import FileState
from dltk_runtime.notebook.cells import Cell
from dltk_runtime.notebook.coordinates import at
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.places import candidates, folders
from dltk_runtime.notebook.prefixes import keep_prefixes
from dltk_runtime.notebook.source import Source, code_damaged, is_name, source_of, unpack
from dltk_runtime.notebook.srv_paths import rebase_constants
from dltk_runtime.paths import Paths
from dltk_runtime.settings import code_location

PACKAGE = "app.model"
# As in Jupyter, ``from __future__ import …`` in one cell applies to all later cells.
_FUTURE_FLAGS = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


def compile_cell(source: Source, cell: Cell, paths: Paths, flags: int = 0) -> CodeType:
    """Compile one cell under its file name.

    `flags` are compiler flags of ``__future__`` imports in earlier cells.

    Raises:
        SyntaxError: with the cell's file name, line and text.
        ValueError: the text cannot be encoded (a lone surrogate).
    """
    filename = cell.filename(source.path)
    try:
        tree = keep_prefixes(rebase_constants(ast.parse(cell.source, filename), paths))
        code: CodeType = compile(tree, filename, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        # The compiler, unlike the parser, does not set the text.
        error.text = error.text or at(source, cell, error.lineno or 1).text
        raise
    return code


class CodeFinder(importlib.abc.MetaPathFinder):
    """Import finder for ``app.model.<name>``, from folders or from a version's ``code.json``.

    Attributes:
        states: The state of every file and folder that was searched, including missing ones, which
            may appear later and take precedence. Empty with a ``code.json``, which never changes.
        sources: The sources of the imported modules.
    """

    def __init__(self, paths: Paths, kept: Path | None = None) -> None:
        """Serve the folders of `paths`, or only `kept`, a version's ``code.json``.

        Raises:
            StoreDamaged: `kept` cannot be read.
        """
        self.paths = paths
        self.kept = kept
        self._states: dict[str, FileState] = {}
        self.sources: list[Source] = []
        self._kept = {source.name: source for source in _read_kept(kept)} if kept else {}

    @property
    def states(self) -> list[FileState]:
        """The states in the order in which they were read last."""
        return list(self._states.values())

    def depend_on(self, states: Iterable[FileState]) -> None:
        """Let a change of these files count as a change of the code."""
        self._states = {**{each.path: each for each in states}, **self._states}

    @property
    def searched(self) -> tuple[Path, ...]:
        """The searched folders or file, for messages."""
        return (self.kept,) if self.kept else folders(self.paths)

    def install(self) -> None:
        """Make this process and its future children import with this `CodeFinder` only."""
        for finder in [each for each in sys.meta_path if isinstance(each, CodeFinder) and each is not self]:
            finder.remove()
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        os.environ["DLTK_HOME"] = str(self.paths.home)
        os.environ["DLTK_NOTEBOOKS"] = str(self.paths.notebooks)
        os.environ["DLTK_CODE"] = str(self.kept or "")
        os.environ["DLTK_PICTURES"] = str(self.paths.pictures or "")

    def remove(self) -> None:
        """Remove this finder from the import system, and `forget` its modules."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self.forget()

    def forget(self) -> None:
        """Drop all modules, so that the next import runs their cells again."""
        package = sys.modules.get(PACKAGE)
        for name in [each for each in sys.modules if each.startswith(PACKAGE + ".")]:
            del sys.modules[name]
            child = name.removeprefix(PACKAGE + ".")
            if package and hasattr(package, child):
                delattr(package, child)
        self._states.clear()
        self.sources.clear()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the finder has its own folders
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's signature
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of ``app.model.<name>``; None for other modules, or if there is no file.

        Raises:
            NotebookUnreadable: the file exists and is invalid.
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
        """Return the source of a module; None if there is none.

        Raises:
            NotebookUnreadable: as `find_spec`.
        """
        if self.kept:
            return self._kept.get(name)
        if not all(is_name(part) for part in name.split(".")):
            return None
        for path in self._candidates(name):
            if (data := self._read(path)) is not None:
                return source_of(name, path, data, self.paths.notebooks)
        return None

    def _candidates(self, name: str) -> Iterator[Path]:
        parent, _, child = name.rpartition(".")
        if not parent:
            yield from candidates(name, self.paths, self._remember)
        for package in (each for each in self.sources if each.name == parent):
            folder = Path(package.origin).parent
            yield folder / child / "__init__.py"
            yield folder / f"{child}.py"

    def _read(self, path: Path) -> bytes | None:
        """Return a file's content, or None if it is missing; record its state either way."""
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
        self._states.pop(state.path, None)
        self._states[state.path] = state


def install_from_environment() -> None:
    """Install the finder of the parent process, unless this process already has one."""
    if not any(isinstance(each, CodeFinder) for each in sys.meta_path):
        CodeFinder(*code_location()).install()


class _CellLoader(importlib.abc.Loader):
    """Loader that runs a source's cells in the module, in order."""

    def __init__(self, source: Source, paths: Paths) -> None:
        self._source = source
        self._paths = paths

    def exec_module(self, module: ModuleType) -> None:
        """Run the cells; an exception ends the import."""
        # `inspect.getsource` searches the text of the whole module for a class.
        _register(self._source.origin, self._source.text)
        flags = 0
        for cell in self._source.cells:
            _register(cell.filename(self._source.path), cell.source)
            code = compile_cell(self._source, cell, self._paths, flags)
            flags |= code.co_flags & _FUTURE_FLAGS
            exec(code, module.__dict__)  # noqa: S102 - runs the notebook

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - importlib's signature
        """Return the module's text, for `inspect` and `linecache`."""
        return self._source.text


def _register(filename: str, text: str) -> None:
    """Register the lines of a cell in `linecache`; without an mtime they never expire."""
    lines = io.StringIO(text + "\n", newline=None).readlines()
    linecache.cache[filename] = (len(text), None, lines, filename)


def _read_kept(kept: Path) -> tuple[Source, ...]:
    try:
        return unpack(kept.read_bytes())
    except OSError as error:
        raise code_damaged(error) from error
