"""Constant paths of notebooks, put where they lie on this machine.

Notebooks name ``/srv/app/model/data/`` and the like. In the image these exist; elsewhere each
string constant that begins so is replaced while the cell is compiled, so that the text of the
notebook stays as it is and its line numbers too.
"""

from __future__ import annotations

import ast
from typing import TypeVar

from dltk_runtime.paths import Paths

Tree = TypeVar("Tree", bound=ast.AST)


def rebase_constants(tree: Tree, paths: Paths) -> Tree:
    """`tree` with its ``/srv/…`` string constants (parts of f-strings too) rebased, in place.

    Strings that stand alone as a statement, such as docstrings, stay.
    """
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            node.value = paths.rebase(node.value)
    return tree
