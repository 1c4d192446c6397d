"""Each kind of fault that outsiders found names tests, and these exist."""

from __future__ import annotations

import ast
import tomllib
from functools import cache

from tests.project.patterns import ROOT

KINDS = tomllib.loads((ROOT / "tests" / "project" / "kinds.toml").read_text())["kind"]


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_kind_of_fault_names_tests_that_exist() -> None:
    missing = []
    for kind in KINDS:
        assert kind["tests"], kind["row"]
        for test in kind["tests"]:
            file, _, name = test.partition("::")
            if not (ROOT / file).is_file() or name not in functions(file):
                missing.append(f"{kind['row']}: {test}")
    assert missing == []


def test_each_row_is_there_once() -> None:
    rows = [kind["row"] for kind in KINDS]
    assert sorted(rows) == sorted(set(rows))
    numbered = {"security A": 2, "security B": 11, "security C": 10, "operations A": 2, "users A": 8}
    wanted = {f"{name}{number}" for name, count in numbered.items() for number in range(1, count + 1)}
    wanted |= {f"operations B{number}" for number in range(2, 18)}
    wanted |= {f"users B{number}" for number in range(9, 28) if number != 17}  # the flows' own tests have that one
    assert wanted - set(rows) == set()
