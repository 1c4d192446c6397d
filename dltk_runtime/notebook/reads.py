"""The parameters that a notebook's code reads, found in its text."""

from __future__ import annotations

import ast
import contextlib
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

from dltk_runtime.files.state import Stamp, stamp_of
from dltk_runtime.notebook.cells import COMPILE_ERRORS
from dltk_runtime.notebook.declaration import declared
from dltk_runtime.notebook.parameters import RUNTIME_PARAMETERS
from dltk_runtime.notebook.source import Source, read_source


def taken(source: Source, given: Mapping[str, str]) -> frozenset[str]:
    """Return which of the runtime's parameters in `given` belong to the notebook.

    They do if it declares or reads them; ``algo`` never does.
    """
    asked = {name for name in RUNTIME_PARAMETERS if name in given and name != "algo"}
    if not asked:
        return frozenset()
    found = {name for cell in source.cells for _, name, _ in reads(cell.source)}
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
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except COMPILE_ERRORS:
        return
    aliases = {
        target.id: key
        for node in nodes
        if isinstance(node, ast.Assign) and (key := _key_of(node.value, {}))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        match node:
            case ast.Subscript(value=holder, slice=ast.Constant(value=str(name)), ctx=ast.Load()):
                pass
            case ast.Call(
                func=ast.Attribute(value=holder, attr="get" | "pop" | "setdefault"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                pass
            case _:
                continue
        if key := _key_of(holder, aliases):
            yield key, name, node.lineno


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
