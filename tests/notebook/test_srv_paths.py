"""``/srv/…`` constants of notebooks are mapped to this machine's folders."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from dltk_runtime.notebook.srv_paths import rebase_constants
from dltk_runtime.paths import Paths


class TestRebasing:
    PATHS = Paths(Path("/home/me"), Path("/books"))

    def rebased(self, text: str) -> str:
        return ast.unparse(rebase_constants(ast.parse(text), self.PATHS))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a = '/srv/app/model/data/'", "a = '/home/me/app/model/data/'"),
            ("a = '/srv/notebooks'", "a = '/books'"),
            ("a = f'/srv/notebooks/logs/{b}'", "a = f'/books/logs/{b}'"),
            ("a = f'file://{b}/srv/x'", "a = f'file://{b}/home/me/x'"),
            ("a = '/srvx', 'at /srv/x', b'/srv/x'", "a = ('/srvx', 'at /srv/x', b'/srv/x')"),
        ],
    )
    def test_constants_that_begin_with_srv_are_rebased(self, text: str, expected: str) -> None:
        assert self.rebased(text) == expected

    def test_docstrings_stay(self) -> None:
        text = "'/srv/x'\ndef f():\n    '/srv/x'\n    return '/srv/x'"
        assert self.rebased(text).count("/srv/x") == 2

    def test_lines_stay(self) -> None:
        tree = rebase_constants(ast.parse("\n\na = ['/srv/x',\n 1]"), self.PATHS)
        assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant)] == [3, 4]
