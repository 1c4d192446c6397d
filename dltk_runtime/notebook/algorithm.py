"""The contract between notebooks and the runtime: the required functions and their arguments.

`check` reads a notebook without running it. `Algorithm` imports it in a worker and binds its
functions.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dltk_runtime.names import checked_algorithm
from dltk_runtime.notebook import places
from dltk_runtime.notebook.cells import not_exported
from dltk_runtime.notebook.coordinates import Coordinates, at
from dltk_runtime.notebook.declaration import declared
from dltk_runtime.notebook.errors import AlgorithmInvalid, AlgorithmUnknown, NotebookUnreadable
from dltk_runtime.notebook.loader import PACKAGE, CodeFinder
from dltk_runtime.notebook.outline import Outline, outline_of
from dltk_runtime.notebook.places import LeftOut, candidates, folders
from dltk_runtime.notebook.source import Source, is_name, read_source, refused_name
from dltk_runtime.paths import Paths

# The functions that the runtime calls, with their positional arguments.
CALLS = {
    "init": ("df", "param"),
    "fit": ("model", "df", "param"),
    "apply": ("model", "df", "param"),
    "save": ("model", "name"),
    "load": ("name",),
    "summary": ("model",),
}
REQUIRED = ("init", "fit", "apply")
ROW_WISE = "row_wise"  # variable: whether each result of `apply` depends on its row alone
FUNCTIONS = (*CALLS, "stage")  # the runtime never calls `stage`; authors do

# In the bytes of a notebook, a line begins after a quotation mark or an escaped newline.
_MENTIONED = re.compile(rb"(?:\b|\\n)(?:def|import)\s+(?:init|fit|apply)\b")


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract functions that a notebook defines, with coordinates, and all problems."""

    algorithm: str
    functions: dict[str, Coordinates]
    problems: tuple[str, ...]
    source: Source


def check(algorithm: str, paths: Paths) -> Contract:
    """Check an algorithm's notebook against the contract, without running it.

    Raises:
        AlgorithmUnknown: there is no such notebook.
        NotebookUnreadable: the file is not a notebook.
    """
    return contract_of(source_of(algorithm, paths))


def source_of(algorithm: str, paths: Paths) -> Source:
    """Read the source of an algorithm.

    Raises:
        AlgorithmUnknown, NotebookUnreadable: as `check`.
    """
    return read_source(find(algorithm, paths), paths.notebooks)


def contract_of(source: Source) -> Contract:
    """Check a source against the contract, without running it."""
    outline = outline_of(source, FUNCTIONS)
    functions = {name: outline.bound[name].place for name in FUNCTIONS if name in outline.bound}
    unnamed = refused_name(source.name)
    problems = [
        *([unnamed] if unnamed else []),
        *outline.problems,
        *_signature_problems(outline),
        *_missing(outline, source),
    ]
    return Contract(source.name, functions, tuple(problems), source)


def algorithms(paths: Paths) -> list[str]:
    """List the names of all algorithms.

    These are the notebooks whose bytes mention a function of the contract, and the ``.py`` files
    that define one. Notebooks are not parsed, so that invalid ones are listed too, and a hundred
    take a few milliseconds.
    """
    others = folders(paths)[1:]
    notebooks = places.notebooks(paths)
    found = {path.stem for folder in others for path in folder.glob("*.py")}
    found |= {path.parent.name for folder in others for path in folder.glob("*/__init__.py")}
    python = {name for name in found - notebooks.keys() if is_name(name) and _first(places.python_files(name, paths))}
    return sorted(
        python | {each for each in notebooks if each in found or any(map(mentions_contract, notebooks[each]))}
    )


def mentions_contract(path: Path) -> bool:
    """Tell whether the bytes of a notebook mention a function of the contract."""
    return _MENTIONED.search(_content(path)) is not None


def others(paths: Paths) -> tuple[list[str], list[LeftOut]]:
    """Return the notebooks that are no algorithm: the paths of readable ones, and those that cannot be read."""
    known, readable, unreadable = set(algorithms(paths)), [], []
    for name, (used, *_) in places.notebooks(paths).items():
        if name in known:
            continue
        shown = places.shown(used, paths.notebooks)
        try:
            read_source(used, paths.notebooks)
            readable.append(shown)
        except NotebookUnreadable as error:
            unreadable.append(LeftOut(shown, error.sentence))
    return sorted(readable), sorted(unreadable)


def find(algorithm: str, paths: Paths) -> Path:
    """Find the file of an algorithm: a notebook, or a ``.py`` file that defines `fit` and `apply`.

    Raises:
        AlgorithmUnknown: with the searched folders and the closest known name.
    """
    path = _locate(checked_algorithm(algorithm), paths) if is_name(algorithm) else None
    if path is None:
        raise AlgorithmUnknown(algorithm, folders(paths), algorithms(paths))
    return path


class Algorithm:
    """The imported functions of one algorithm; `places` has the coordinates of each."""

    def __init__(self, name: str, finder: CodeFinder) -> None:
        """Install `finder`, and import ``app.model.<name>`` through it.

        Raises:
            AlgorithmUnknown: the finder has no such module.
            AlgorithmInvalid: the contract is not fulfilled; with all problems.
            BaseException: any exception of the cells; `coordinates` gives its place.
        """
        finder.install()
        source = finder.find(name)
        if source is None:
            raise AlgorithmUnknown(name, finder.searched, algorithms(finder.paths))
        contract = contract_of(source)
        if contract.problems:
            raise AlgorithmInvalid(name, contract.problems)
        self.name = name
        self.parameters = declared(source.parameters.source) if source.parameters else None
        self.places = contract.functions | declaration(source)
        module = importlib.import_module(f"{PACKAGE}.{name}")
        functions = _bind(module, contract)
        self.init: Callable[..., Any] = functions["init"]
        self.fit: Callable[..., Any] = functions["fit"]
        self.apply: Callable[..., Any] = functions["apply"]
        self.save: Callable[..., Any] | None = functions.get("save")
        self.load: Callable[..., Any] | None = functions.get("load")
        self.summary: Callable[..., Any] | None = functions.get("summary")
        self.to_onnx: Callable[..., Any] | None = _own_export(module)
        self.row_wise: bool = getattr(module, ROW_WISE, False) is True


def _own_export(module: ModuleType) -> Callable[..., Any] | None:
    """Return `to_onnx`, which only an export calls, if the module has a function of that name."""
    found = getattr(module, "to_onnx", None)
    return found if callable(found) else None


def declaration(source: Source) -> dict[str, Coordinates]:
    """Return the coordinates of the parameters cell, by the phase that reads it."""
    return {"parameters": at(source, source.parameters, 1)} if source.parameters else {}


# ---------------------------------------------------------------- problems


def _signature_problems(outline: Outline) -> Iterator[str]:
    for name, arguments in CALLS.items():
        binding = outline.bound.get(name)
        if binding and binding.is_async:
            yield f"{binding.place}: async functions are not supported; write a plain def"
        if binding and not binding.takes(len(arguments)):
            yield f"{binding.place}: it cannot be called as {_call(name)}"


def _missing(outline: Outline, source: Source) -> Iterator[str]:
    for name in REQUIRED:
        if name not in outline.bound and not outline.open:
            yield f"{source.path} has no function {_call(name)}{_hint(name, source)}"


def _hint(name: str, source: Source) -> str:
    """Name the cell that defines a missing function but is not exported, if any."""
    try:
        advice, cells = not_exported(Path(source.origin)) if source.origin.endswith(".ipynb") else ("", [])
    except (OSError, NotebookUnreadable):  # changed since it was read: no hint then
        return ""
    defines = re.compile(rf"^(?:async\s+)?def\s+{name}\b|^{name}\s*=", re.MULTILINE)
    number = next((cell.number for cell in cells if defines.search(cell.source)), 0)
    return f" (cell {number} defines it, but is not exported: {advice})" if number else ""


def _call(name: str) -> str:
    return f"{name}({', '.join(CALLS[name])})"


def _bind(module: ModuleType, contract: Contract) -> dict[str, Callable[..., Any]]:
    """Return the functions of the imported module; a name bound to None counts as missing.

    Raises:
        AlgorithmInvalid: with the problems that only the import revealed.
    """
    functions = {name: found for name in CALLS if (found := getattr(module, name, None)) is not None}
    problems = [f"{contract.source.path} has no function {_call(name)}" for name in REQUIRED if name not in functions]
    for name, function in functions.items():
        if not _can_be_called(function, CALLS[name]):
            place = contract.functions.get(name, contract.source.path)
            problems.append(f"{place}: it cannot be called as {_call(name)}")
    if problems:
        raise AlgorithmInvalid(contract.algorithm, problems)
    return functions


def _can_be_called(function: object, arguments: Sequence[str]) -> bool:
    if not callable(function):
        return False
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # written in C, without a signature
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


# ---------------------------------------------------------------- locations


def _locate(name: str, paths: Paths) -> Path | None:
    """Return the file that ``app.model.<name>`` would be imported from, if it is an algorithm."""
    return _first(candidates(name, paths))


def _first(files: Iterator[Path]) -> Path | None:
    path = next((path for path in files if path.is_file()), None)
    return path if path and (path.suffix == ".ipynb" or _defines_algorithm(path)) else None


def _defines_algorithm(path: Path) -> bool:
    content = _content(path)
    if b"fit" not in content or b"apply" not in content:
        return False
    try:
        return {"fit", "apply"} <= outline_of(read_source(path), FUNCTIONS).bound.keys()
    except NotebookUnreadable:
        return False


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
