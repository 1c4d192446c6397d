"""The table of values in the chart's README, made of the comments in ``values.yaml`` by helm-docs' rules.

``python -m tests.deploy.readme`` writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.deploy.chart import CHART

README = CHART / "README.md"
BEGIN = "| Key | Type | Default | Description |\n|-----|------|---------|-------------|\n"
INDENT = 2
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]+):")
_TYPES = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "object"}


def described() -> Iterator[tuple[str, str]]:
    """Yield the path of each key behind a ``# --`` comment, and the comment."""
    path: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            comment = [text.removeprefix("# -- ")]
        elif text.startswith("#") and comment:
            comment.append(text.removeprefix("#").strip())
        elif match := _KEY.match(line):
            path = [*path[: len(match["indent"]) // INDENT], match["key"]]
            if comment:
                yield ".".join(path), " ".join(comment)
            comment = []


def values() -> dict[str, Any]:
    """Return the chart's default values."""
    return dict(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))


def default_of(path: str) -> Any:
    """Return the default at a path of keys."""
    found: Any = values()
    for key in path.split("."):
        found = found[key]
    return found


def table() -> str:
    """Return the rows of the table."""
    rows = []
    for path, text in sorted(described()):
        default = default_of(path)
        shown = json.dumps(default, separators=(",", ":"), ensure_ascii=False)
        rows.append(f"| {path} | {_TYPES[type(default)]} | `{shown}` | {text} |\n")
    return BEGIN + "".join(rows)


def written(text: str) -> str:
    """Return the README's text with the table renewed."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition("\n\n")[2]
    return f"{before}{table()}\n{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
