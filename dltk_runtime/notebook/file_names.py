"""The `name` that `save` and `load` get: a prefix before it becomes part of the file's name.

A version's files are in a folder of their own, so the name has slashes. Notebooks put text before
it all the same (``MODEL_DIRECTORY + "model_" + name + ".json"``), which must not name another folder::

    "/data/" + "model_" + name  ──  /data/versions/umap/m/7/model_umap_m

`FileName` does this where texts are added. f-strings, ``%``, ``format`` and ``join`` put texts together
without asking it: `keep_prefixes` rewrites those of a cell's functions that contain an argument, so
that they add.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from typing import Self, TypeVar

from dltk_runtime.settings import worker_paths

Tree = TypeVar("Tree", bound=ast.AST)
_PLACEHOLDER = re.compile(r"%(.)")


class FileName(str):
    """A name such as ``versions/umap/m/7/umap_m``, whose prefix is put behind its last slash.

    `models` is the folder that notebooks put before it; of a folder below that one, the slashes
    become ``~``, since there is no such folder in the version's.
    """

    __slots__ = ("_dltk_at", "_dltk_models")  # where the file's own name begins, and that folder
    _dltk_at: int
    _dltk_models: str

    def __new__(cls, text: str, models: str = "", at: int | None = None) -> Self:
        made = super().__new__(cls, text)
        made._dltk_at = text.rfind("/") + 1 if at is None else at
        made._dltk_models = models.rstrip("/") + "/"
        return made

    def __add__(self, right: str) -> FileName:
        return FileName(super().__add__(right), self._dltk_models, self._dltk_at)

    def __radd__(self, left: str) -> str:
        if not isinstance(left, str):
            return NotImplemented
        if self._dltk_at == 0:  # no folder: as in a DSDL container
            return str(left) + str(self)
        if left == "/":  # as os.path.join does: the folder follows
            return FileName(f"/{self}", self._dltk_models, self._dltk_at + 1)
        folder, file = str(self)[: self._dltk_at], str(self)[self._dltk_at :]
        if folder.startswith("/"):
            left, folder = f"{left}/", folder[1:]
        head, slash, prefix = left.rpartition("/")
        if not slash:
            return FileName(f"{folder}{prefix}{file}", self._dltk_models, len(folder))
        head += slash
        if head.startswith(self._dltk_models) and head != self._dltk_models:
            prefix = f"{head.removeprefix(self._dltk_models)}{prefix}".replace("/", "~")
            head = self._dltk_models
        return f"{head}{folder}{prefix}{file}"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Become an ordinary text in a pickle, which others may read without this package."""
        return str, (str(self),)


def file_name(name: str) -> FileName:
    """Return the name of a version's files, as a notebook of this process gets it."""
    return FileName(name, str(worker_paths().models))


def keep_prefixes(tree: Tree) -> Tree:
    """Rewrite texts in the functions of `tree` that join an argument; returns `tree`.

    ``f"model_{name}"`` becomes ``"model_" + name if … else f"model_{name}"``, where the condition
    holds for a `FileName` only.
    """
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
        arguments = function.args
        names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        _Rewriting(names | _made_of(names, function)).generic_visit(function)
    return tree


class _Rewriting(ast.NodeTransformer):
    """Rewrites texts that join one of the `names`; nested functions are rewritten by themselves."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return self._rewritten(node, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        joined = _of_percent(node)
        return self._rewritten(joined, node) if joined else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        joined = _of_format(node) or _of_join(node)
        return self._rewritten(joined, node) if joined else self.generic_visit(node)

    def _rewritten(self, joined: ast.JoinedStr, original: ast.expr) -> ast.AST:
        result = original
        for index, name in reversed(list(_names_in(joined))):
            if name in self._names:
                result = ast.IfExp(_is_file_name(name), _added(joined.values, index, name), result)
        if result is original:
            return original
        return ast.fix_missing_locations(ast.copy_location(result, original))


def _names_in(joined: ast.JoinedStr) -> Iterator[tuple[int, str]]:
    """Yield the position and name of each part that is a variable and nothing else."""
    for index, part in enumerate(joined.values):
        match part:
            case ast.FormattedValue(value=ast.Name(id=name), conversion=-1 | 115, format_spec=None):
                yield index, name


def _is_file_name(name: str) -> ast.expr:
    return ast.parse(f"isinstance({name}, str) and hasattr({name}, '_dltk_at')", mode="eval").body


def _added(parts: list[ast.expr], index: int, name: str) -> ast.expr:
    result: ast.expr = ast.Name(name, ast.Load())
    if before := parts[:index]:
        result = ast.BinOp(ast.JoinedStr(before), ast.Add(), result)
    if after := parts[index + 1 :]:
        result = ast.BinOp(result, ast.Add(), ast.JoinedStr(after))
    return result


def _made_of(names: set[str], function: ast.AST) -> set[str]:
    """Return the variables of a function that are assigned a text made of one of the `names`."""
    found: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                used = {each.id for each in ast.walk(value) if isinstance(each, ast.Name)}
                if used & (names | found) and isinstance(value, ast.JoinedStr | ast.BinOp | ast.Call | ast.Name):
                    found.add(target)
    return found


def _of_percent(node: ast.BinOp) -> ast.JoinedStr | None:
    """Return ``"model_%s" % name`` as an f-string; None for what is not as simple."""
    match node:
        case ast.BinOp(left=ast.Constant(value=str(template)), op=ast.Mod(), right=right):
            values = right.elts if isinstance(right, ast.Tuple) else [right]
            kinds = _PLACEHOLDER.findall(template)
            if set(kinds) == {"s"} and len(kinds) == len(values) and _plain(values, right):
                return _joined(template.split("%s"), values)
    return None


def _plain(values: list[ast.expr], right: ast.expr) -> bool:
    """Return whether the values are given one by one; a single one may be a tuple or dict otherwise."""
    starred = any(isinstance(each, ast.Starred) for each in values)
    return not starred and isinstance(right, ast.Tuple | ast.Name)


def _of_format(node: ast.Call) -> ast.JoinedStr | None:
    """Return ``"model_{}".format(name)`` as an f-string; None for what is not as simple."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(template)), attr="format")):
            given = {str(index): value for index, value in enumerate(node.args)}
            given |= {each.arg: each.value for each in node.keywords if each.arg}
            try:
                fields = list(string.Formatter().parse(template))
            except ValueError:
                return None
            texts, values, automatic = [""], list[ast.expr](), 0
            for text, field, spec, conversion in fields:
                texts[-1] += text
                if field is None:
                    continue
                key = field or str(automatic)
                automatic += not field
                if spec or conversion or key not in given or isinstance(given[key], ast.Starred):
                    return None
                values.append(given[key])
                texts.append("")
            return _joined(texts, values)
    return None


def _of_join(node: ast.Call) -> ast.JoinedStr | None:
    """Return ``"_".join(["model", name])`` as an f-string; None for what is not as simple."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join"),
            args=[ast.List(elts=values) | ast.Tuple(elts=values)],
            keywords=[],
        ) if values and not any(isinstance(each, ast.Starred) for each in values):
            return _joined(["", *[between] * (len(values) - 1), ""], values)
    return None


def _joined(texts: list[str], values: list[ast.expr]) -> ast.JoinedStr:
    """Return an f-string of texts, one more than there are values between them."""
    parts: list[ast.expr] = []
    for index, text in enumerate(texts):
        if text:
            parts.append(ast.Constant(text))
        if index < len(values):
            parts.append(ast.FormattedValue(values[index], -1, None))
    return ast.JoinedStr(parts)
