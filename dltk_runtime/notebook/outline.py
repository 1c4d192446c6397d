"""What a source defines, seen from its text alone: the names its cells bind, and the cells that do not compile."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dltk_runtime.notebook.coordinates import Coordinates, at
from dltk_runtime.notebook.source import Cell, Source

_DEFINE = re.compile(r"(?:async\s+)?def\s+(\w+)")
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


@dataclass(frozen=True, slots=True)
class Outline:
    """Which of the wanted names a source binds (the last binding of each) and which cells do not compile.

    `open` is true after ``from x import *``: there may be more names.
    """

    bound: dict[str, Binding]
    problems: tuple[str, ...]
    open: bool


def outline_of(source: Source, wanted: Collection[str]) -> Outline:
    """The outline of a source; nothing of it runs."""
    bound: dict[str, Binding] = {}
    problems = []
    for cell in source.cells:
        try:
            bound |= _bindings(source, cell, _compiled(source, cell), wanted)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # broken, no text, or too deep
            problems.append(_problem(source, cell, error))
            bound |= _bindings_in_broken(source, cell, wanted)
    if source.parameters and source.parameters not in source.cells:
        problems += _problems_of(source, source.parameters)
    return Outline(bound, tuple(problems), "*" in bound)


def _problems_of(source: Source, cell: Cell) -> list[str]:
    """What keeps a cell, which is not exported, from being read."""
    try:
        _compiled(source, cell)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [_problem(source, cell, error)]
    return []


def _compiled(source: Source, cell: Cell) -> ast.Module:
    """The tree of a cell that compiles."""
    filename = cell.filename(source.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's; the import in the worker shows them
        tree = ast.parse(cell.source, filename)
        compile(tree, filename, "exec", dont_inherit=True)
    return tree


def _problem(source: Source, cell: Cell, error: BaseException) -> str:
    if not isinstance(error, SyntaxError):
        return f"{at(source, cell, 1)}: the cell cannot be compiled ({str(error) or type(error).__name__})"
    place = at(source, cell, error.lineno or 1)
    if cell.number and _MAGIC.match(place.text):
        return f"{place}: magics are not exported; move them to a cell that is not part of the algorithm"
    return f"{place}: {error.msg}"


def _bindings(source: Source, cell: Cell, tree: ast.Module, wanted: Collection[str]) -> dict[str, Binding]:
    return {
        name: _binding(statement, at(source, cell, statement.lineno))
        for statement in _statements(tree.body)
        for name in _names(statement)
        if name in wanted or name == "*"
    }


def _bindings_in_broken(source: Source, cell: Cell, wanted: Collection[str]) -> dict[str, Binding]:
    """Functions that the cell would define: they are not missing, the cell is broken."""
    lines = enumerate(cell.source.split("\n"), start=1)
    defined = {match[1]: number for number, line in lines if (match := _DEFINE.match(line))}
    return {name: Binding(at(source, cell, number)) for name, number in defined.items() if name in wanted}


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
