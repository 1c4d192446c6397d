"""The public API: what the documentation shows is what ``__all__`` exports, and the other way round."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = (
    "dltk_runtime",
    "dltk_runtime.parameters",
    "dltk_runtime.splunk",
    "dltk_runtime.splunk.hec",
    "dltk_runtime.splunk.job",
    "dltk_runtime.splunk.kvstore",
    "dltk_runtime.splunk.search",
)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_IMPORT = re.compile(r"from (dltk_runtime[\w.]*) import (\([^)]*\)|[\w, ]+)")


def documentation() -> list[Path]:
    """The files that users read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code(text: str) -> str:
    """The code blocks and code spans of a page."""
    return "\n".join(_CODE.findall(text))


def imports(text: str) -> Iterator[tuple[str, str]]:
    """The imports from this package in a page's code, as (module, name)."""
    for module, names in _IMPORT.findall(code(text)):
        for name in re.findall(r"\w+(?: as \w+)?", names):
            yield module, name.split()[0]


def is_documented(module: str, name: str, pages: str) -> bool:
    """Tell whether the code of `pages` names ``module.name``, also as ``job.Job``, or imports it."""
    if (module, name) in set(imports(pages)):
        return True
    short = module.rpartition(".")[2]
    return re.search(rf"(?<![\w.])(?:{re.escape(module)}|{short})\.{name}\b", code(pages)) is not None


PAGES = "\n\n".join(path.read_text(encoding="utf-8") for path in documentation())


def test_the_documentation_is_searched() -> None:
    found = set(imports(PAGES))
    assert {("dltk_runtime.parameters", "parameters"), ("dltk_runtime", "progress")} <= found
    assert set(imports("```\nfrom dltk_runtime.a import (b,\n c as d)\n```\nfrom dltk_runtime import prose")) == {
        ("dltk_runtime.a", "b"),
        ("dltk_runtime.a", "c"),
    }
    assert is_documented("dltk_runtime.a", "B", "`a.B` and B")
    assert not is_documented("dltk_runtime.a", "B", "a.B and `B` and `c.a.B`")


@pytest.mark.parametrize(("module", "name"), sorted(set(imports(PAGES))))
def test_an_import_in_the_documentation_is_public(module: str, name: str) -> None:
    assert module in PUBLIC
    assert name in importlib.import_module(module).__all__


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_exists_and_is_documented(module: str) -> None:
    exported = importlib.import_module(module).__all__
    assert exported == sorted(exported)
    for name in exported:
        # Python's own convention, and public modules, whose names are checked themselves.
        if name != "__version__" and f"{module}.{name}" not in PUBLIC:
            assert is_documented(module, name, PAGES), f"{module}.{name} is exported and not documented"


@pytest.mark.parametrize("module", PUBLIC)
def test_a_star_import_gives_the_public_names(module: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"from {module} import *", namespace)
    assert sorted(namespace.keys() - {"__builtins__"}) == importlib.import_module(module).__all__
