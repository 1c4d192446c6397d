"""Commands on fields with several values: makemv, mvexpand, nomv, mvcombine."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import flag, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Multi, Value, multi, text, values_of
from dltk_runtime.texts import unquote

MAX_EXPANDED_ROWS = 10_000_000


def makemv(arguments: str, _: Context) -> Step:
    """Split a text into values, as in ``makemv delim="," field``."""
    given, words = options.split(arguments, {"allowempty": flag, "delim": str})
    field, mark = _one(words), given.get("delim", " ")

    def split(value: Value) -> Value:
        if value is None or isinstance(value, Multi):
            return value
        parts = (text(value) or "").split(mark)
        return multi(parts if given.get("allowempty") else [part for part in parts if part])

    return _changing(field, split)


def nomv(arguments: str, _: Context) -> Step:
    """Make one text of several values, one line each."""
    field = _one(options.split(arguments, {})[1])
    return _changing(field, lambda value: str(value) if isinstance(value, Multi) else value)


def mvexpand(arguments: str, _: Context) -> Step:
    """Make a row of each value of a field."""
    given, words = options.split(arguments, {"limit": whole})
    field, limit = _one(words), given.get("limit", 0)

    def step(frame: pd.DataFrame) -> Result:
        made: list[Row] = []
        for row in rows_of(frame):
            values = values_of(row.get(field))[: limit or None]
            made += [row | {field: value} for value in values] or [row]
            if len(made) > MAX_EXPANDED_ROWS:
                raise SearchError(f"mvexpand makes more than {MAX_EXPANDED_ROWS:,} rows.")
        return Result(frame_of(made, frame.columns))

    return step


def mvcombine(arguments: str, _: Context) -> Step:
    """Make one row of rows that are alike but for one field, with all its values."""
    field = _one(options.split(arguments, {})[1])

    def step(frame: pd.DataFrame) -> Result:
        groups: dict[tuple[str | None, ...], list[Row]] = {}
        others = [name for name in frame.columns if name != field and not name.startswith("_")]
        for row in rows_of(frame):
            groups.setdefault(tuple(text(row[name]) for name in others), []).append(row)
        made = [
            rows[0] | {field: multi(value for row in rows for value in values_of(row.get(field)))}
            for rows in groups.values()
        ]
        return Result(frame_of(made, frame.columns))

    return step


def _one(words: list[str]) -> str:
    if len(words) != 1:
        raise SearchInvalid("expected the name of one field")
    return unquote(words[0])


def _changing(field: str, change: Callable[[Value], Value]) -> Step:
    def step(frame: pd.DataFrame) -> Result:
        rows = [row | {field: change(row[field])} if field in row else row for row in rows_of(frame)]
        return Result(frame_of(rows, frame.columns))

    return step
