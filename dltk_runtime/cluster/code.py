"""The code that a fit takes along: its notebook, and what that imports of ``app.model``.

A node has no copy of the notebooks' folder: it runs the text that the front read, so an edit during
a fit, or an older copy over there, cannot matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dltk_runtime.notebook.cells import COMPILE_ERRORS
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.loader import PACKAGE, CodeFinder
from dltk_runtime.notebook.source import Source, pack
from dltk_runtime.paths import Paths


def code_of(algorithm: str, paths: Paths) -> bytes:
    """Return an algorithm's code as `pack` encodes it, with every module of ``app.model`` that it names.

    Raises:
        NotebookUnreadable: a file among them cannot be read.
    """
    return pack(finder_of(algorithm, paths).sources)


def modules_of(algorithm: str, paths: Paths) -> set[str]:
    """Return the names of these modules, the algorithm's own among them; none where a file cannot be read."""
    try:
        return {each.name for each in finder_of(algorithm, paths).sources}
    except NotebookUnreadable:  # the worker reports it
        return set()


def finder_of(algorithm: str, paths: Paths) -> CodeFinder:
    """Return what has found an algorithm's code, with every module of ``app.model`` that it names.

    Raises:
        NotebookUnreadable: a file among them cannot be read.
    """
    finder = CodeFinder(paths)
    read(finder, algorithm)
    return finder


def read(finder: CodeFinder, algorithm: str) -> None:
    """Have `finder` find these; the states of the files that it has read stay, also of one that is refused.

    Raises:
        NotebookUnreadable: a file among them cannot be read.
    """
    wanted = [algorithm]
    while wanted:
        name = wanted.pop()
        if name in {each.name for each in finder.sources} or (source := finder.find(name)) is None:
            continue
        finder.sources.append(source)
        wanted += _named(source)


def _named(source: Source) -> Iterator[str]:
    """Yield the modules below ``app.model`` that a source may import; parents come last, to be read first."""
    for cell in source.cells:
        try:
            tree = ast.parse(cell.source)
        except COMPILE_ERRORS:  # the worker reports them
            continue
        for node in ast.walk(tree):
            for name in _modules(node, source):
                yield from reversed([name[:end] for end in _ends(name)])


def _ends(name: str) -> list[int]:
    return [at for at, letter in enumerate(name) if letter == "."] + [len(name)]


def _modules(node: ast.AST, source: Source) -> Iterator[str]:
    """Yield the names below ``app.model`` in an import; ``from x import y`` may import a module ``x.y``."""
    match node:
        case ast.Import(names=names):
            found = [each.name for each in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = ".".join(filter(None, [_parent(source, level) if level else "", module]))
            found = [base, *(f"{base}.{each.name}" for each in names)]
        case _:
            return
    yield from (each.removeprefix(f"{PACKAGE}.") for each in found if each.startswith(f"{PACKAGE}."))


def _parent(source: Source, level: int) -> str:
    """Return the package that a relative import of `level` dots begins at."""
    parts = f"{PACKAGE}.{source.name}".split(".")
    up = level - 1 if source.is_package else level
    return ".".join(parts[: len(parts) - up])
