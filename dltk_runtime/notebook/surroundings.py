"""What a notebook's code needs from its surroundings: libraries, and variables of the environment."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from dltk_runtime.notebook.cells import COMPILE_ERRORS
from dltk_runtime.notebook.coordinates import at
from dltk_runtime.notebook.source import Source
from dltk_runtime.paths import SITE
from dltk_runtime.secret_names import is_secret_name, is_secret_variable

# Modules that published notebooks import and that only the variant compat has, each with its distribution.
ONLY_IN_COMPAT = {
    name: name
    for name in (
        *("arviz", "bocd", "bokeh", "boto3", "combo", "datashader", "dill", "imagehash", "kmodes", "lime", "plotly"),
        *("pomegranate", "pymilvus", "rrcf", "sparse", "suod", "tslearn", "xarray"),
    )
} | {
    "apricot": "apricot-select",
    "dask_ml": "dask-ml",
    "imblearn": "imbalanced-learn",
    "Levenshtein": "levenshtein",
    "pywt": "pywavelets",
    "skimage": "scikit-image",
}
_OURS = ("app", "dsdlsupport", "dltk_runtime", "__future__")


def missing_imports(source: Source, beside: Path | None = None) -> Iterator[str]:
    """Find imports of libraries that are not installed here.

    Not those in a ``try``, and not of modules that lie below the folder `beside` where the code
    extends ``sys.path``.
    """
    extends = beside is not None and any("sys.path" in cell.source for cell in source.cells)
    for cell in source.cells:
        for name, line in _imports(cell.source):
            if not is_installed(name) and not (extends and beside and _lies_below(name, beside)):
                yield f"{at(source, cell, line)}: {not_installed(name)}"


def is_installed(name: str) -> bool:
    """Tell whether a top-level module can be imported; nothing is imported."""
    if name in _OURS or name in sys.modules or name in sys.stdlib_module_names:
        return True
    try:
        return importlib.util.find_spec(name) is not None or (SITE / name).exists()
    except (ImportError, ValueError):
        return False


def not_installed(name: str) -> str:
    """Return the sentence part with the next step about a library that is missing."""
    return (
        f"the library {name!r} is not installed in this environment: install it there with pip, in the "
        "image by an image of your own (FROM ours), or import it in a try where the notebook can do without it"
        + ("; the variant compat has it" if name in ONLY_IN_COMPAT else "")
    )


def variables_read(source: Source) -> Iterator[tuple[str, str]]:
    """Find variables of the environment that a notebook reads: name and coordinates."""
    for cell in source.cells:
        for name, line in _variables(cell.source):
            yield name, str(at(source, cell, line))


def held_back(source: Source, listed: Collection[str]) -> Iterator[str]:
    """Find variables that the notebook reads and does not get: their names or values tell of secrets."""
    for name, place in variables_read(source):
        if name in listed:
            continue
        if is_secret_name(name):
            yield f"{place}: {is_held_back(name)}"
        elif is_secret_variable(name, os.environ.get(name, "")):
            yield f"{place}: {is_held_back(name, 'value looks like')}"


def helpers_of(source: Source, folders: Sequence[Path]) -> Iterator[Path]:
    """Find the files ``app.model.<helper>`` that a notebook imports, each in the first of `folders` that has it."""
    names = {name for cell in source.cells for name in _helpers(cell.source)}
    for name in sorted(names):
        if found := next((path for each in folders if (path := each / f"{name}.py").is_file()), None):
            yield found


def is_held_back(name: str, what: str = "name announces") -> str:
    """Return the sentence part with the next step about a variable that notebooks do not get."""
    return f"the variable {name} is held back from notebooks, as its {what} a secret: list it in DLTK_NOTEBOOK_SECRETS"


def is_not_there(name: str) -> str:
    """Return the same about a variable that a worker lacks, which cannot know whether it was held back."""
    return (
        f"the variable {name} is not in the environment of notebooks: set it for the server, and list it in "
        "DLTK_NOTEBOOK_SECRETS if its value has a password or a key, as it is held back then"
    )


def _lies_below(name: str, folder: Path) -> bool:
    return any(True for _ in folder.rglob(f"{name}.py")) or any(True for _ in folder.rglob(f"{name}/__init__.py"))


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except COMPILE_ERRORS:
        return ast.Module([], [])


def _imports(text: str) -> Iterator[tuple[str, int]]:
    tree = _parsed(text)
    tried = {id(each) for node in ast.walk(tree) if isinstance(node, ast.Try) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in tried:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno


def _helpers(text: str) -> Iterator[str]:
    """Find the helpers in ``from app.model.x import y``, ``from app.model import x`` and ``import app.model.x``."""
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in imported:
            package, _, helper = name.rpartition(".")
            if package == "app.model":
                yield helper


def _variables(text: str) -> Iterator[tuple[str, int]]:
    """Find ``os.environ["X"]``, ``os.environ.get("X")`` and ``os.getenv("X")``."""
    for node in ast.walk(_parsed(text)):
        match node:
            case ast.Subscript(value=holder, slice=ast.Constant(value=str(name)), ctx=ast.Load()):
                wanted = "environ"
            case ast.Call(func=ast.Attribute(value=holder, attr="get"), args=[ast.Constant(value=str(name)), *_]):
                wanted = "environ"
            case ast.Call(
                func=(ast.Attribute(attr="getenv") | ast.Name(id="getenv")) as holder,
                args=[ast.Constant(value=str(name)), *_],
            ):
                wanted = "getenv"
            case _:
                continue
        if getattr(holder, "attr", getattr(holder, "id", "")) == wanted:
            yield name, node.lineno
