"""Convert frames to rows of Splunk's values and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from dltk_runtime.emulator.spl.values import Value, from_cell

Row = dict[str, Value]


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return one dictionary per row, with every column of the frame."""
    columns = {name: [from_cell(cell) for cell in frame[name].tolist()] for name in frame.columns}
    if not columns:
        return [{} for _ in range(len(frame))]
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def frame_of(rows: Sequence[Mapping[str, Value]], columns: Iterable[str] = ()) -> pd.DataFrame:
    """Build a frame of dtype object; its columns are `columns`, then others by first appearance."""
    names = dict.fromkeys(columns)
    for row in rows:
        names.update(dict.fromkeys(row))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})
