"""Find the names that a source's cells bind, and the cells that do not compile; run nothing."""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dltk_runtime.notebook.cells import COMPILE_ERRORS, Cell, without_magics
from dltk_runtime.notebook.coordinates import Coordinates, at
from dltk_runtime.notebook.source import Source

_DEFINE = re.compile(r"(?:async\s+)?def\s+(\w+)")
_ASSIGNED_MAGIC = re.compile(r"(?<![ \t])[ \t]*+=[ \t]*+[%!].*")
_MAGIC = re.compile(r"(?:[\w.,\s]+=\s*)?[%!]|.*\?$")


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that a cell binds.

    `arguments` are those of a plain function; None if the signature is unknown without running.
    """

    place: Coordinates
    arguments: ast.arguments | None = None
    is_async: bool = False

    def takes(self, count: int) -> bool:
        """Tell whether a call with `count` positional arguments may succeed; True if unknown."""
        if self.arguments is None:
            return True
        positional = len(self.arguments.posonlyargs) + len(self.arguments.args)
        needed = positional - len(self.arguments.defaults)
        keywords_needed = any(default is None for default in self.arguments.kw_defaults)
        return needed <= count and (count <= positional or self.arguments.vararg is not None) and not keywords_needed


@dataclass(frozen=True, slots=True)
class Outline:
    """The last binding of each wanted name, and the problems of cells that do not compile.

    `open` is true after ``from x import *``, which may bind further names.
    """

    bound: dict[str, Binding]
    problems: tuple[str, ...]
    open: bool


def outline_of(source: Source, wanted: Collection[str]) -> Outline:
    """Find which of the `wanted` names a source binds, without running it."""
    bound: dict[str, Binding] = {}
    problems = []
    for cell in source.cells:
        try:
            bound |= _bindings(source, cell, _compiled(source, cell), wanted)
        except COMPILE_ERRORS as error:
            problems.append(_problem(source, cell, error))
            bound |= _bindings_in_broken(source, cell, wanted)
    if source.parameters and source.parameters not in source.cells:
        problems += _problems_of(source, source.parameters)
    return Outline(bound, tuple(problems), "*" in bound)


def _problems_of(source: Source, cell: Cell) -> list[str]:
    """List why a cell that is not exported cannot be parsed; empty if it can."""
    try:
        _compiled(source, cell)
    except COMPILE_ERRORS as error:
        return [_problem(source, cell, error)]
    return []


def _compiled(source: Source, cell: Cell) -> ast.Module:
    """Parse a cell, and compile it to find errors that the parser does not report."""
    filename = cell.filename(source.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import in the worker shows them
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
    """Find functions in a cell with a syntax error, so that they are not reported as missing."""
    lines = enumerate(cell.source.split("\n"), start=1)
    defined = {match[1]: number for number, line in lines if (match := _DEFINE.match(line))}
    return {name: Binding(at(source, cell, number)) for name, number in defined.items() if name in wanted}


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.stmt]:
    """Walk the statements of a module, including those in ``if``, ``try``, ``with`` and loops."""
    for node in body:
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "handlers", "cases", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, ()))


def _names(statement: ast.stmt) -> Iterator[str]:
    """Return the names that a statement binds; ``*`` stands for every name of a module."""
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


def bound_names(text: str) -> set[str]:
    """Return the names that a cell binds at module level, magics left out."""
    return {
        symbol.get_name()
        for table in tables_of(text)
        for symbol in table.get_symbols()
        if (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace())
        and (table.get_type() == "module" or symbol.is_declared_global())
    }


def tables_of(text: str) -> list[symtable.SymbolTable]:
    """Return the symbol tables of a cell, magics left out, and of the scopes in it."""
    try:
        found = [symtable.symtable(without_magics(_ASSIGNED_MAGIC.sub(" = None", text)), "cell", "exec")]
    except COMPILE_ERRORS:
        return []
    for table in found:  # the loop also visits the tables appended here
        found.extend(table.get_children())
    return found
