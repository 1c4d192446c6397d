"""Tables of searches and their results, as the files of `pipelines` and `cases` write them.

``out`` is a header and rows: ``;`` separates rows, ``,`` cells, ``|`` the values of a field with
several values; nothing is null. ``rows`` is the same as lists, for cells with such characters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.emulator.spl.values import Multi, from_cell, text

Table = list[list[str]]


def entries(folder: Path, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries under `key` of all files, each with a name for its test."""
    for path in sorted(folder.glob("*.toml")):
        for number, entry in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))[key], 1):
            yield f"{path.stem}-{number}", entry


def expected(entry: dict[str, Any]) -> Table:
    """Return the result that an entry promises."""
    if "rows" in entry:
        return [list(row) for row in entry["rows"]]
    return [line.split(",") for line in entry["out"].split(";")]


def table(frame: pd.DataFrame) -> Table:
    """Return a result as an entry writes it."""
    rows = [[_cell(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
    return [list(map(str, frame.columns)), *rows]


def _cell(cell: object) -> str:
    value = from_cell(cell)
    return "|".join(text(each) or "" for each in value.values) if isinstance(value, Multi) else text(value) or ""
