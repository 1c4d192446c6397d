"""Writes two tables into the README: the settings that `dltk_runtime.settings` reads, and the notebooks we ship."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from dltk_runtime.notebook.algorithm import algorithms
from dltk_runtime.notebook.catalogue import entry, markdown
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings, Settings
from dltk_runtime.units import GIB, MIB

README = Path(__file__).resolve().parent.parent / "README.md"


def shown(default: Any) -> str:
    """A default as a person would write it into the variable; nothing when there is none."""
    match default:
        case None | "" | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case int() if default and default % GIB == 0:
            return f"`{default // GIB}G`"
        case int() if default and default % MIB == 0:
            return f"`{default // MIB}M`"
        case float():
            return f"`{default:g}`"
        case _:
            return f"`{default}`"


def table() -> str:
    """Every variable, its default, what it must be and what it does, as a Markdown table."""
    rows = [
        f"| `{each.metadata['variable'].name}` | {shown(each.default)} "
        f"| {each.metadata['variable'].wanted} | {each.metadata['variable'].help} |"
        for each in (*fields(Settings), *fields(ClientSettings))
    ]
    return "\n".join(["| variable | default | must be | what it does |", "|---|---|---|---|", *rows]) + "\n"


def library() -> str:
    """The notebooks we ship, as ``dltk algos --markdown`` lists them."""
    notebooks = README.parent / "notebooks"
    paths = Paths(home=notebooks, notebooks=notebooks)  # no volume of anybody's adds to the list
    return markdown(entry(name, paths) for name in algorithms(paths))


def updated(readme: str) -> str:
    """`readme` with the tables of today, each between its two marks."""
    for name, text in (("settings", table()), ("algorithms", library())):
        begin, end = f"<!-- {name}: written by `make readme` -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = readme.partition(begin)
        _, _, after = rest.partition(end)
        readme = f"{before}{begin}{text}{end}{after}"
    return readme


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    print("README.md has the settings and the notebooks of today.", file=sys.stderr)
