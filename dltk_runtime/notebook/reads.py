"""The parameters that a notebook's code reads, found in its text."""

from __future__ import annotations

import ast
import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dltk_runtime.files.state import Stamp, stamp_of
from dltk_runtime.notebook.cells import COMPILE_ERRORS
from dltk_runtime.notebook.declaration import declared
from dltk_runtime.notebook.parameters import RUNTIME_PARAMETERS
from dltk_runtime.notebook.source import Source, read_source


def taken(source: Source, given: Mapping[str, str]) -> frozenset[str]:
    """Return which of the runtime's parameters in `given` belong to the notebook.

    They do if it declares or reads them, or may read them: its code has the name as a text, and hands
    ``param`` to a function with it, or takes entries of the search's parameters whose names are not written there.
    ``algo`` never does.
    """
    asked = {name for name in RUNTIME_PARAMETERS if name in given and name != "algo"}
    if not asked:
        return frozenset()
    found = {name for cell in source.cells for _, name, _ in reads(cell.source)}
    if asked - found:
        found |= _may_be_read([cell.source for cell in source.cells])
    with contextlib.suppress(*COMPILE_ERRORS):  # the worker reports them
        found |= {each.name for each in declared(source.parameters.source)} if source.parameters else set()
    return frozenset(asked & found)


def takes(name: str, path: Path) -> bool:
    """Tell whether the notebook at `path` takes the runtime's parameter `name`; fast for unchanged files.

    Raises:
        NotebookUnreadable: the file cannot be read.
    """
    return _takes(name, path, stamp_of(path))


@functools.lru_cache(maxsize=256)
def _takes(name: str, path: Path, stamp: Stamp | None) -> bool:  # noqa: ARG001 - the stamp is part of the cache's key
    return bool(taken(read_source(path), {name: ""}))


def reads(text: str) -> Iterator[tuple[str, str, int]]:
    """Find reads of ``…["parameters"]["name"]``, ``.get("name")`` or ``.pop("name")``, also through a variable.

    Yields:
        ``parameters`` or ``params``, the name, and the line.
    """
    nodes = _nodes(text)
    aliases = _aliases(nodes)
    for node in nodes:
        if (found := _named(node)) and (key := _key_of(found[0], aliases)):
            yield key, found[1], found[0].lineno


def _may_be_read(texts: Sequence[str]) -> set[str]:
    """Return the names that code may read of a search without naming parameter and name in one expression.

    It may hand `param` to a function with the name (``get(param, "holdout", 24)``), ask whether a name is
    there, or take the parameters as a whole (a loop, ``{**defaults, **params}``): then each text of the code
    may be a name.
    """
    nodes = [node for text in texts for node in _nodes(text)]
    aliases, holders = _aliases(nodes), _holders(nodes)
    handed, words, spoken_for = set[str](), set[str](), set[int]()
    for node in nodes:
        match node:
            case ast.Constant(value=str(word)):
                words.add(word)
            case ast.Call(args=given) if any(isinstance(each, ast.Name) and each.id in holders for each in given):
                handed |= {
                    each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
            case ast.Compare(left=ast.Constant(value=str(word)), comparators=[holder]) if _key_of(holder, aliases):
                handed.add(word)
                spoken_for.add(id(holder))
            case ast.Assign(targets=[ast.Name()], value=value):
                spoken_for.add(id(value))
        if found := _named(node):
            spoken_for.add(id(found[0]))
    read = (
        node for node in nodes if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", None), ast.Load | None)
    )
    whole = any(_key_of(node, aliases) == "params" and id(node) not in spoken_for for node in read)
    return handed | (words if whole else set())


def _nodes(text: str) -> list[ast.AST]:
    """Return the nodes of a cell; none where it does not compile."""
    with contextlib.suppress(*COMPILE_ERRORS):
        return list(ast.walk(ast.parse(text)))
    return []


def _aliases(nodes: Sequence[ast.AST]) -> dict[str, str]:
    """Return the variables that stand for ``param[…]["params"]`` or ``param["parameters"]``."""
    return {
        target.id: key
        for node in nodes
        if isinstance(node, ast.Assign) and (key := _key_of(node.value, {}))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _holders(nodes: Sequence[ast.AST]) -> set[str]:
    """Return how functions of the contract call `param`, their last argument."""
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name in {"init", "fit", "apply"}]
    return {function.args.args[-1].arg for function in functions if function.args.args}


def _named(node: ast.AST) -> tuple[ast.expr, str] | None:
    """Return what a name is read of by ``…["name"]``, ``.get("name")``, ``.pop("name")`` or ``.setdefault("name")``."""
    match node:
        case ast.Subscript(value=holder, slice=ast.Constant(value=str(name)), ctx=ast.Load()):
            return holder, name
        case ast.Call(
            func=ast.Attribute(value=holder, attr="get" | "pop" | "setdefault"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return holder, name
    return None


def _key_of(node: ast.expr, aliases: dict[str, str]) -> str:
    """Return ``parameters`` or ``params`` if `node` is that entry of `param`, else ""."""
    match node:
        case ast.Name(id=name):
            return aliases.get(name, "")
        case ast.Subscript(slice=ast.Constant(value="parameters" | "params" as key)):
            return str(key)
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value="params" as key), *_]):
            return str(key)
    return ""
