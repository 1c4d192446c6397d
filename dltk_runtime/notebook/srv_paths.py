"""Rewrite the ``/srv/…`` path constants of notebooks to this machine's folders.

Notebooks name ``/srv/app/model/data/`` and the like, which exist in the image. Elsewhere, each
string constant that begins so is replaced when the cell is compiled. The notebook's text and its
line numbers stay as they are. Used by `loader` in workers and by our Jupyter kernel.
"""

from __future__ import annotations

import ast
from typing import TypeVar

from dltk_runtime.paths import Paths

Tree = TypeVar("Tree", bound=ast.AST)


def rebase_constants(tree: Tree, paths: Paths) -> Tree:
    """Rebase the ``/srv/…`` string constants of `tree` in place and return `tree`.

    Parts of f-strings are included. Docstrings and other strings that are a statement of their
    own are not changed.
    """
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            node.value = paths.rebase(node.value)
    return tree
