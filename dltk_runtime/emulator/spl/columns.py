"""Commands that choose, name or fill columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dltk_runtime.emulator.arguments import plain_words, split_options
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.lexer import runs
from dltk_runtime.emulator.mltk.request import glob
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import Reader, flag, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.statistics.aggregation import captured, filled
from dltk_runtime.emulator.spl.values import Value
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote


def table(arguments: str, _: Context) -> Step:
    """Select columns in the given order; a missing one is empty."""
    names = _names(arguments)
    return lambda frame: Result(frame.reindex(columns=matching(names, frame, missing=True)))


def fields(arguments: str, _: Context) -> Step:
    """Keep columns and all that start with an underscore, or with ``-`` drop columns."""
    text = arguments.strip()
    sign, rest = (text[0], text[1:]) if text[:1] in {"+", "-"} else ("+", text)
    names = _names(rest)
    if sign == "-":
        return lambda frame: Result(frame.drop(columns=matching(names, frame)))

    def step(frame: pd.DataFrame) -> Result:
        kept = matching(names, frame)
        internal = [column for column in frame.columns if column.startswith("_") and column not in kept]
        return Result(frame[kept + internal])

    return step


def rename(arguments: str, _: Context) -> Step:
    """Rename columns, as in ``rename a AS b, x* AS y*``; a new name replaces a field of that name."""
    names = [unquote(word).strip("'") for word in runs(arguments)]
    pairs = list(zip(names[::3], names[2::3], strict=False))
    if len(names) % 3 or not pairs or any(name.upper() != "AS" for name in names[1::3]):
        raise SearchInvalid("expected pairs: rename old AS new")
    for old, new in pairs:
        if old.count("*") != new.count("*"):
            raise SearchInvalid(f"{shown(old)} and {shown(new)} must have as many wildcards")
    if len({new for _, new in pairs}) < len(pairs) or {new for _, new in pairs} & {old for old, _ in pairs}:
        raise SearchInvalid("the same field is twice in this rename: write one rename after the other")

    def step(frame: pd.DataFrame) -> Result:
        for old, new in pairs:
            frame = _renamed(frame, old, new)
        return Result(frame)

    return step


def _renamed(frame: pd.DataFrame, old: str, new: str) -> pd.DataFrame:
    if "*" not in old:
        if old == new:
            return frame
        kept = frame.drop(columns=[new]) if new in frame.columns else frame
        return kept.rename(columns={old: new})
    pattern = captured(old)
    found = {name: match for name in frame.columns if not name.startswith("_") and (match := pattern.fullmatch(name))}
    pairs = {name: filled(new, match.groups()) for name, match in found.items()}
    if len(set(pairs.values())) < len(pairs):
        raise SearchError(f"rename {old} AS {new} makes several fields of one name.")
    kept = frame.drop(columns=[name for name in pairs.values() if name in frame.columns and name not in pairs])
    return kept.rename(columns=pairs)


def fillnull(arguments: str, _: Context) -> Step:
    """Replace nulls, as in ``fillnull value=0 a b``; create missing fields. Default: all fields."""
    given, rest = split_options(arguments, ("value",))
    value: Value = given.get("value", "0")
    names = plain_names(rest) if rest.strip() else []

    def step(frame: pd.DataFrame) -> Result:
        columns = names or [name for name in frame.columns if not name.startswith("_")]
        filled_ = [row | {name: value for name in columns if row.get(name) is None} for row in rows_of(frame)]
        return Result(frame_of(filled_, [*frame.columns, *names]))

    return step


def filldown(arguments: str, _: Context) -> Step:
    """Replace nulls with the last value above them, in the named fields or in all."""
    names = plain_words(arguments) if arguments.strip() else ["*"]
    if not names:
        raise SearchInvalid("expected names of fields")

    def step(frame: pd.DataFrame) -> Result:
        columns = matching(names, frame)
        last: Row = {}
        made = []
        for row in rows_of(frame):
            last |= {name: row[name] for name in columns if row[name] is not None}
            made.append(row | {name: last.get(name) for name in columns})
        return Result(frame_of(made, frame.columns))

    return step


_TRANSPOSE_OPTIONS: Mapping[str, Reader] = {"column_name": str, "header_field": str, "include_empty": flag}


def transpose(arguments: str, _: Context) -> Step:
    """Make a column of each of the first rows, 5 by default."""
    given, words = options.split(arguments, _TRANSPOSE_OPTIONS)
    if len(words) > 1:
        raise SearchInvalid(f"expected a number of rows, got {shown(arguments)}")
    count = whole(words[0]) if words else 5
    first = given.get("column_name", "column")
    header = given.get("header_field")

    def step(frame: pd.DataFrame) -> Result:
        if hidden := [name for name in frame.columns if name.startswith("_") and name != header]:
            raise SearchError(f"transpose of {hidden[0]} runs in Splunk only: drop it with fields - _*, or rename it.")
        rows = rows_of(frame)[: count or None]
        names = [_header(row, header, place) for place, row in enumerate(rows, 1)]
        made = [
            {first: name, **{new: row[name] for new, row in zip(names, rows, strict=True)}}
            for name in frame.columns
            if name != header
        ]
        if not given.get("include_empty", True):
            made = [row for row in made if any(row[name] is not None for name in names)]
        return Result(frame_of(made, [first, *names]))

    return step


def _header(row: Row, header: str | None, place: int) -> str:
    if header is None:
        return f"row {place}"
    if row.get(header) is None:
        raise SearchError(f"transpose: row {place} has no value in {header}.")
    return str(row[header])


def matching(names: Sequence[str], frame: pd.DataFrame, *, missing: bool = False) -> list[str]:
    """Return the columns that match `names`; with `missing`, also names that match no column."""
    found: list[str] = []
    for name in names:
        pattern = glob(name)
        matches = [column for column in frame.columns if pattern.fullmatch(column)]
        found += matches or ([name] if missing and "*" not in name else [])
    return list(dict.fromkeys(found))


def plain_names(arguments: str) -> list[str]:
    """Return names of fields without wildcards.

    Raises:
        SearchInvalid: there is none, or something else.
    """
    names = plain_words(arguments)
    if not names or any("*" in name for name in names):
        raise SearchInvalid(f"expected names of fields without wildcards, got {shown(arguments)}")
    return names


def _names(arguments: str) -> list[str]:
    names = [name.strip("'") for name in plain_words(arguments)]
    if not names:
        raise SearchInvalid("expected names of fields separated by blanks or commas")
    return names
