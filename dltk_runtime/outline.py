"""What a source defines, seen from its text alone: the names its cells bind, and the cells that do not compile."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dltk_runtime.coordinates import Coordinates, at
from dltk_runtime.notebook import compile_cell
from dltk_runtime.paths import Paths
from dltk_runtime.sources import Cell, Source

_MAGIC = re.compile(r"(?:[\w.,\s]+=\s*)?[%!]|.*\?$")


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that a cell binds. `arguments` are a plain function's, None where only running would tell."""

    place: Coordinates
    arguments: ast.arguments | None = None
    is_async: bool = False

    def takes(self, count: int) -> bool:
        """Whether a call with `count` positional arguments is possible, as far as the text tells."""
        if self.arguments is None:
            return True
        positional = len(self.arguments.posonlyargs) + len(self.arguments.args)
        needed = positional - len(self.arguments.defaults)
        keywords_needed = any(default is None for default in self.arguments.kw_defaults)
        return needed <= count and (count <= positional or self.arguments.vararg is not None) and not keywords_needed


@dataclass(slots=True)
class Outline:
    """The names a source binds (the last binding of each) and the cells that do not compile."""

    bound: dict[str, Binding] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    open: bool = False  # ``from x import *``: there may be more names


def outline_of(source: Source, paths: Paths) -> Outline:
    """The outline of a source; nothing of it runs."""
    outline = Outline()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler; the import in the worker shows them
        for cell in source.cells:
            if problem := _compile_problem(source, cell, paths):
                outline.broken.append(problem)
                outline.bound |= _names_in_broken(source, cell)
                continue
            for statement in _statements(ast.parse(cell.source).body):
                place = at(source, cell, statement.lineno)
                outline.bound |= {name: _binding(statement, place) for name in _names(statement)}
    outline.open = "*" in outline.bound
    return outline


def _compile_problem(source: Source, cell: Cell, paths: Paths) -> str:
    try:
        compile_cell(source, cell, paths)
        return ""
    except SyntaxError as error:
        place = at(source, cell, error.lineno or 1)
        if cell.number and _MAGIC.match(place.text):
            return f"{place}: magics are not exported; move them to a cell that is not part of the algorithm"
        return f"{place}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:  # no text, or too deep for the compiler
        return f"{at(source, cell, 1)}: the cell cannot be compiled ({str(error) or type(error).__name__})"


def _names_in_broken(source: Source, cell: Cell) -> dict[str, Binding]:
    """Functions that the cell would define: they are not missing, the cell is broken."""
    found: dict[str, Binding] = {}
    for number, line in enumerate(cell.source.split("\n"), start=1):
        if define := re.match(r"(?:async\s+)?def\s+(\w+)", line):
            found[define[1]] = Binding(at(source, cell, number))
    return found


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.stmt]:
    """The statements that run when the text does: those inside ``if``, ``try``, ``with`` and loops too."""
    for node in body:
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "handlers", "cases", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, ()))


def _names(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds; ``*`` for all that a module has."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name for alias in names)
        case ast.Assign() | ast.AnnAssign(value=ast.expr()):
            nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            yield from (node.id for node in nodes if isinstance(node.ctx, ast.Store))


def _binding(statement: ast.stmt, place: Coordinates) -> Binding:
    match statement:
        case ast.FunctionDef(args=arguments, decorator_list=[]):
            return Binding(place, arguments)
        case ast.AsyncFunctionDef(decorator_list=[]):
            return Binding(place, is_async=True)
        case ast.Assign(value=ast.Lambda(args=arguments)):
            return Binding(place, arguments)
    return Binding(place)
