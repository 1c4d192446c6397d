"""Find every regular expression in the project's Python files, and what each is used for."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDERS = ("dltk_runtime", "container", "tools")
# Written so in every file that uses it, `_imports_from_re` sees to that; parsing the others takes seconds.
_IMPORTS_RE = re.compile(r"^\s*(?:import|from)\s[^#\n]*\bre\b", re.MULTILINE)
FUNCTIONS = ("compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")


@dataclass(frozen=True, slots=True)
class Use:
    """One call of a function of `re`: its file, its pattern as written, and how it is matched.

    `name` is the variable that a compiled pattern is bound to, empty for one that is used in place.
    """

    file: str
    written: str
    node: ast.Call
    methods: tuple[str, ...]
    name: str = ""

    def __str__(self) -> str:
        """Return ``jobs/progress.py: _TQDM``, with the pattern itself where it has no name."""
        return f"{self.file.removeprefix('dltk_runtime/')}: {self.name or self.written}"

    def pattern(self) -> re.Pattern[Any]:
        """Compile the pattern, with the names of its module."""
        module = self.file.removesuffix(".py").replace("/", ".")
        names = dict(vars(importlib.import_module(module))) if self.file.startswith("dltk_runtime/") else {}
        flags = [each for each in self.node.args[1:] if "re." in ast.unparse(each)]
        flags += [each.value for each in self.node.keywords if each.arg == "flags"]
        values = [eval(ast.unparse(each), {**names, "re": re}) for each in (self.node.args[0], *flags)]
        return re.compile(values[0], sum(values[1:]))


@cache
def uses() -> tuple[Use, ...]:
    """Return every use of `re` in the project, in the order of files and lines."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(use for path in paths for use in _uses_in(path))


def _uses_in(path: Path) -> Iterator[Use]:
    file, text = str(path.relative_to(ROOT)), path.read_text()
    if not _IMPORTS_RE.search(text):
        return
    tree = ast.parse(text)
    assert not _imports_from_re(tree), f"{file}: write `import re`, so that its patterns are found"
    methods = _methods_by_name(tree)
    bound = {id(value): name for name, value in _assignments(tree)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_re(node.func.value)):
            continue
        function, name = node.func.attr, bound.get(id(node), "")
        if function in FUNCTIONS:
            used = methods.get(name, ("search",)) if function == "compile" else (function,)
            yield Use(file, ast.unparse(node.args[0]), node, tuple(sorted(used)), name)


def _is_re(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _imports_from_re(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in ast.walk(tree))


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _methods_by_name(tree: ast.Module) -> dict[str, set[str]]:
    """Return the methods that are called on each name or attribute, as in ``_NAME.sub(…)``."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
            name = getattr(node.value, "id", "") or getattr(node.value, "attr", "")
            found.setdefault(name, set()).add(node.attr)
    return found
