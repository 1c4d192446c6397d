"""Rewriting of the texts in a cell's functions that may join the name for `save` and `load`.

f-strings, ``%``, ``format``, ``join``, ``substitute``, `str` and pathlib's ``/`` put texts together without
asking a `FileName`, whose prefix belongs elsewhere. Where an argument, or what was made of one, stands in such an
expression, it becomes one that asks, and does nothing else for other values::

    f"model_{name}"  ──  name._dltk_called("{}{}".format, "model_", name) if … else f"model_{name}"
"""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Iterator
from typing import TypeVar

from dltk_runtime.notebook.file_names import TEXT_METHODS

Tree = TypeVar("Tree", bound=ast.AST)
_JOINING = frozenset(("format", "format_map", "safe_substitute", "substitute"))


def keep_prefixes(tree: Tree) -> Tree:
    """Rewrite the texts in the functions of `tree` that may join a `FileName`; returns `tree`."""
    with contextlib.suppress(RecursionError):  # in a sum of hundreds of terms; what was rewritten until there is whole
        _Rewriting(frozenset(), frozenset(_attributes(tree))).visit(tree)
    return tree


class _Rewriting(ast.NodeTransformer):
    """Rewrites texts that join one of the `names`, or one of the `attributes` of any object."""

    def __init__(self, names: frozenset[str], attributes: frozenset[str]) -> None:
        self._names = names
        self._attributes = attributes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._within(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._within(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        parts = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        asked = [part for part in parts if _is_plain(part) and self._may_be_one(part.value)]
        for part in parts:
            part.value = self.visit(part.value)
        return _asking([part.value for part in asked], _as_format(node.values, asked), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        match node:
            case ast.BinOp(op=ast.Mod()):
                return self._called(ast.Call(ast.Attribute(node.left, "__mod__", ast.Load()), [node.right], []), node)
            case ast.BinOp(op=ast.Div()) if self._may_be_one(node.right):
                self.generic_visit(node)
                below = ast.Call(ast.Attribute(node.right, "_dltk_below", ast.Load()), [node.left], [])
                return _placed(ast.IfExp(_is_file_name(node.right), below, node), node)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(func=ast.Name(id="str"), args=[ast.Call(func=ast.Name(id="str"), keywords=[]) as value]):
                return self.visit_Call(value)  # once is enough
            case ast.Call(func=ast.Name(id="str"), args=[value], keywords=[]) if self._may_be_one(value):
                value = self.visit(value)
                return _placed(ast.IfExp(_is_file_name(value), value, ast.Call(node.func, [value], [])), node)
            case ast.Call(func=ast.Attribute(value=folder, attr="joinpath"), args=given, keywords=[]) if given:
                return self._below(node, folder, given)
            case ast.Call(func=ast.Attribute(attr="join"), args=[ast.List() | ast.Tuple()], keywords=[]):
                return self._called(node, node)
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in _JOINING:
                return self._called(node, node)
        return self.generic_visit(node)

    def _below(self, node: ast.Call, folder: ast.expr, given: list[ast.expr]) -> ast.AST:
        """Rewrite ``folder.joinpath(…)`` as ``folder / …`` where a name may be given."""
        if not any(map(self._may_be_one, given)):
            return self.generic_visit(node)
        for each in given:
            folder = ast.copy_location(ast.BinOp(folder, ast.Div(), each), node)
        return self.generic_visit(ast.Expr(folder)).value  # type: ignore[attr-defined, no-any-return]

    def _within(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        """Rewrite a function, which reads those around it, too."""
        names = self._names | {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
        return _Rewriting(names | _made_of(names, function), self._attributes).generic_visit(function)

    def _called(self, call: ast.Call, original: ast.expr) -> ast.AST:
        """Let the name that is among the values of a call join the texts; `original` has the parts of `call`."""
        may_be = [self._may_be_one(each) for each in _values(call)]
        self.generic_visit(call)
        if isinstance(original, ast.BinOp) and isinstance(call.func, ast.Attribute):
            original.left, original.right = call.func.value, call.args[0]
        asked = [each for each, may in zip(_values(call), may_be, strict=True) if may]
        return _asking(asked, call, original)

    def _may_be_one(self, node: ast.expr) -> bool:
        """Return whether an expression may be a `FileName`, and is the same however often it is asked for."""
        match node:
            case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name), slice=ast.Constant()):
                return name in self._names
            case ast.Attribute(value=ast.Name(), attr=attribute):
                return attribute in self._attributes
            case ast.Call(func=ast.Name(id="str"), args=[value], keywords=[]):
                return self._may_be_one(value)
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=given, keywords=[]) if attr in TEXT_METHODS:
                return self._may_be_one(value) and all(isinstance(each, ast.Constant) for each in given)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return (_is_text(left) and self._may_be_one(right)) or (self._may_be_one(left) and _is_text(right))
            case ast.JoinedStr(values=parts):
                values = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
                return bool(values) and all(isinstance(each, ast.Name) or self._may_be_one(each) for each in values)
        return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.JoinedStr)


def _is_plain(part: ast.FormattedValue) -> bool:
    """Return whether a part of an f-string is a value as it is."""
    match part:
        case ast.FormattedValue(
            conversion=-1 | 115, format_spec=None | ast.JoinedStr(values=[ast.Constant(value="s")])
        ):
            return True
    return False


def _is_file_name(node: ast.expr) -> ast.expr:
    condition = ast.parse("isinstance(_, str) and hasattr(_, '_dltk_at')", mode="eval").body
    for call in ast.walk(condition):
        if isinstance(call, ast.Call):
            call.args[0] = node
    return condition


def _asking(values: list[ast.expr], call: ast.Call, original: ast.expr) -> ast.expr:
    """Return an expression that lets the first value that is a `FileName` do the call; `original` without one."""
    if not values:
        return original
    first = values[-1]
    for value in reversed(values[:-1]):
        first = ast.IfExp(_is_file_name(value), value, first)
    called = ast.Call(ast.Attribute(first, "_dltk_called", ast.Load()), [call.func, *call.args], call.keywords)
    conditions = [_is_file_name(value) for value in values]
    condition = ast.BoolOp(ast.Or(), conditions) if conditions[1:] else conditions[0]
    return _placed(ast.IfExp(condition, called, original), original)


def _as_format(parts: list[ast.expr], asked: list[ast.FormattedValue]) -> ast.Call:
    """Return ``"{}{}".format(…)`` for the parts of an f-string: the values of `asked`, and the text between them."""
    given = list[ast.expr]()
    for is_asked, group in itertools.groupby(parts, lambda part: part in asked):
        same = list(group)
        given += (
            [part.value for part in same if isinstance(part, ast.FormattedValue)] if is_asked else [ast.JoinedStr(same)]
        )
    return ast.Call(ast.Attribute(ast.Constant("{}" * len(given)), "format", ast.Load()), given, [])


def _placed(result: ast.expr, original: ast.expr) -> ast.expr:
    return ast.fix_missing_locations(ast.copy_location(result, original))


def _values(call: ast.Call) -> Iterator[ast.expr]:
    """Yield what a call is given, and what stands in a list, tuple or dict that it is given."""
    for value in (*call.args, *(each.value for each in call.keywords if each.arg)):
        match value:
            case ast.List(elts=values) | ast.Tuple(elts=values) | ast.Dict(values=values):
                yield from values
            case _:
                yield value


def _made_of(names: frozenset[str], function: ast.AST) -> set[str]:
    """Return the variables of a function to which something made of one of the `names` is bound."""
    found: set[str] = set()
    for targets, value in _bindings(function):
        if _names_in(value) & (names | found):
            found.update(each for target in targets for each in _names_in(target))
    return found


def _attributes(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes that something is assigned to by a name alone: ``self.name = name``."""
    for targets, value in _bindings(tree):
        if isinstance(value, ast.Name):
            yield from (target.attr for target in targets if isinstance(target, ast.Attribute))


def _bindings(tree: ast.AST) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    """Yield targets and value of each assignment and loop."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield targets, value
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                yield [target], value
            case ast.AugAssign(target=target, value=value):
                yield [target], value
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield [target], value


def _names_in(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
