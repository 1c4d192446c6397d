"""Review a notebook for its author: problems of the contract, and hints at code that may fail.

Only the text is analysed, which takes a few milliseconds, so that every save can be reviewed.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.errors import nearest
from dltk_runtime.notebook import places
from dltk_runtime.notebook.algorithm import contract_of
from dltk_runtime.notebook.catalogue import parameters_of
from dltk_runtime.notebook.cells import COMPILE_ERRORS, Cell, code_cells, not_exported, tagged_cells
from dltk_runtime.notebook.coordinates import at
from dltk_runtime.notebook.declaration import undeclared
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.notebook.outline import bound_names, tables_of
from dltk_runtime.notebook.parameters import RUNTIME_MODES, RUNTIME_PARAMETERS
from dltk_runtime.notebook.reads import reads
from dltk_runtime.notebook.source import Source, is_name, read_source
from dltk_runtime.notebook.surroundings import held_back, helpers_of, missing_imports
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

# Names that Python and the import system bind in every module.
_MODULE_NAMES = {*dir(builtins), "__file__", "__name__", "__doc__", "__spec__", "__builtins__", "__annotations__"}


@dataclass(frozen=True, slots=True)
class Review:
    """The findings about a notebook.

    With `problems`, no search can use it; with `hints`, it may fail. `functions` are the names of
    the contract's functions that it defines, `exported` the numbers of its cells that are the algorithm;
    `notes` are facts and no findings.
    """

    name: str
    functions: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    exported: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    readable: bool = True

    @property
    def text(self) -> str:
        """All findings, one per line; a single line if there are none."""
        lines = [*self.problems, *(f"hint: {hint}" for hint in self.hints)]
        return "\n".join([*(lines or [f"{self.name}: no problem"]), *self.notes])

    @property
    def brief(self) -> str:
        """The first finding without its source line, and how many more there are."""
        first, *more = self.text.splitlines()
        if not (self.problems or self.hints):
            return "; ".join([first, *more])
        opening, closing = first.find(": `"), first.rfind("`: ")
        if 0 <= opening < closing - 1:
            first = first[:opening] + first[closing + 1 :]
        return first + (f" (and {len(more)} more)" if more else "")


def review(path: Path, paths: Paths | None = None) -> Review:
    """Review a notebook or Python file; a file that cannot be read is reported as a problem.

    With the folders of `paths`, also say whether another notebook has its name.
    """
    try:
        source = read_source(path, paths.notebooks if paths else None)
    except NotebookError as error:
        return Review(path.name, problems=(error.sentence,), readable=False)
    contract = contract_of(source)
    placed = place_hints(path, source.name, paths) if paths and path.suffix == ".ipynb" else ()
    return Review(
        source.path,
        tuple(contract.functions),
        contract.problems,
        (*placed, *hints(source), *(helper_hints(source, paths) if paths else ())),
        tuple(cell.number for cell in source.cells),
    )


def place_hints(path: Path, name: str, paths: Paths) -> Iterator[str]:
    """Say that a notebook is not used because of its place, or that it hides others."""
    shown = places.shown(path, paths.notebooks)
    for each in places.left_out(paths):
        if each.path == shown and is_name(name):
            yield f"{shown} is not used: {each.why}"
            return
    if (found := places.notebooks(paths).get(name)) and found[0] == path and (why := places.clash(name, paths)):
        yield why


def helper_hints(source: Source, paths: Paths) -> Iterator[str]:
    """Say which variables the notebook's helpers read and do not get."""
    listed = Settings.from_env().notebook_secrets
    for path in helpers_of(source, (paths.helpers, paths.modules)):
        with contextlib.suppress(NotebookError):  # its import will fail, with coordinates
            yield from held_back(read_source(path), listed)


def hints(source: Source) -> Iterator[str]:
    """List what may fail although the contract is fulfilled."""
    yield from _left_out_magics(source)
    yield from _foreign_names(source)
    yield from missing_imports(source, Path(source.origin).parent)
    yield from held_back(source, Settings.from_env().notebook_secrets)
    yield from _parameters_read(source)
    yield from _declaration(source)


# ---------------------------------------------------------------- names


def _foreign_names(source: Source) -> Iterator[str]:
    """Find names that exported cells use and no exported cell binds."""
    if any("import *" in cell.source for cell in source.cells):
        return  # any name may be bound
    bound: set[str] = _MODULE_NAMES.union(*(bound_names(cell.source) for cell in source.cells))
    advice, others = not_exported(Path(source.origin)) if source.origin.endswith(".ipynb") else ("", [])
    homes = {name: cell for cell in reversed(others) for name in bound_names(cell.source)}
    for cell in source.cells:
        for name, line in sorted(_used(cell.source).items(), key=lambda item: item[1]):
            if name not in bound:
                yield f"{at(source, cell, line)}: {name!r} {_home(name, homes.get(name), source, advice)}"


def _left_out_magics(source: Source) -> Iterator[str]:
    """Find magics of exported cells that became comments."""
    if not source.origin.endswith(".ipynb"):
        return
    texts = {cell.number: cell.source for cell in code_cells(Path(source.origin))}
    for cell in source.cells:
        before = texts.get(cell.number, cell.source).split("\n")
        for line, (old, new) in enumerate(zip(before, cell.source.split("\n"), strict=False), start=1):
            if old != new:
                place = f"{source.path}, cell {cell.number}, line {line}: `{old.strip()}`"
                yield f"{place}: magics are left out of the algorithm"


def _home(name: str, cell: Cell | None, source: Source, advice: str) -> str:
    if cell is None:
        return "is defined nowhere in the notebook"
    if source.parameters is not None and cell.number == source.parameters.number:
        return f'is a parameter; read it as param["parameters"]["{name}"]'
    return f"is defined only in cell {cell.number}, which is not exported: {advice}"


def _used(text: str) -> dict[str, int]:
    """Return the names that a cell looks up at module level, with the line of their first use."""
    wanted = {
        symbol.get_name()
        for table in tables_of(text)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global())
    }
    lines: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)) if wanted else ():
        if isinstance(node, ast.Name) and node.id in wanted:
            lines[node.id] = min(node.lineno, lines.get(node.id, node.lineno))
    return lines


# ---------------------------------------------------------------- parameters


def _parameters_read(source: Source) -> Iterator[str]:
    """Find parameters that exported cells read and the notebook does not declare."""
    known = {parameter.name for parameter in parameters_of(source) or ()}
    for cell in source.cells:
        for key, name, line in reads(cell.source):
            if name not in known and (key == "parameters" or (source.parameters and name not in RUNTIME_PARAMETERS)):
                declares = f"the parameters cell does not declare {name!r}.{nearest(name, known)}"
                yield f"{at(source, cell, line)}: {declares if source.parameters else _no_cell(name)}"


def _no_cell(name: str) -> str:
    return f"{name!r} is not declared: the notebook has no cell tagged parameters"


def _declaration(source: Source) -> Iterator[str]:
    """Check the cell that declares the parameters."""
    if source.parameters is None:
        return
    try:
        lines = list(undeclared(source.parameters.source))
    except COMPILE_ERRORS:
        return  # reported as a problem
    for line, why in lines:
        yield f"{at(source, source.parameters, line)}: {why}"
    for number in tagged_cells(Path(source.origin), "parameters")[1:]:
        why = "only the first cell tagged parameters counts; in a batch run this one undoes -p"
        yield f"{source.path}, cell {number}: {why}"
    for parameter in parameters_of(source) or ():
        if parameter.name in RUNTIME_PARAMETERS:
            yield f"{at(source, source.parameters, parameter.line)}: {_reserved(parameter.name)}"


def _reserved(name: str) -> str:
    """Return what it means that a notebook declares one of the runtime's parameters."""
    if name == "algo":
        return "algo= is reserved for the runtime"
    if name == "mode":
        return (
            f"mode= is the notebook's; only {' and '.join(f'mode={each}' for each in RUNTIME_MODES)} are the runtime's"
        )
    return f"{name}= is the notebook's, and no longer the runtime's"
