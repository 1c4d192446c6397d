"""Writes the settings into the README: one row for each variable that `dltk_runtime.settings` reads."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from dltk_runtime.settings import GIB, MIB, ClientSettings, Settings

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN = "<!-- settings: written by `make readme` -->\n"
END = "<!-- end of settings -->\n"


def shown(default: Any) -> str:
    """A default as a person would write it into the variable; nothing when there is none."""
    match default:
        case None | "":
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


def updated(readme: str) -> str:
    """`readme` with the table of today between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    print("README.md has the settings of today.", file=sys.stderr)
