"""``stats``, ``eventstats``, ``top`` and ``rare``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import Reader, flag, natural, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.statistics.aggregation import columns_of, parse_aggregation
from dltk_runtime.emulator.spl.values import text
from dltk_runtime.texts import unquote

_TOP_OPTIONS: Mapping[str, Reader] = {
    "countfield": str,
    "limit": whole,
    "percentfield": str,
    "showcount": flag,
    "showperc": flag,
}


def stats(arguments: str, context: Context) -> Step:
    """Compute one row per group; without BY one row, unless nothing can be computed."""
    wanted = parse_aggregation(arguments, context.eval_functions())

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        aggregates = wanted.resolve(frame.columns)
        groups = wanted.groups(rows) if wanted.by else {(): rows}
        made: list[Row] = [
            {**dict(zip(wanted.by, key, strict=True)), **columns_of(aggregates, each)} for key, each in groups.items()
        ]
        if not wanted.by and all(value is None for value in made[0].values()):
            made = []
        empty = {each.name for each in aggregates if each.optional and all(row[each.name] is None for row in made)}
        columns = [*wanted.by, *(each.name for each in aggregates if each.name not in empty)]
        return Result(frame_of(made, columns).reindex(columns=columns))

    return step


def eventstats(arguments: str, context: Context) -> Step:
    """Add the columns of ``stats`` to each row of the group."""
    wanted = parse_aggregation(arguments, context.eval_functions(), {"allnum": _not_allnum})

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        aggregates = wanted.resolve(frame.columns)
        computed = {key: columns_of(aggregates, members) for key, members in wanted.groups(rows).items()}
        made = []
        for row in rows:
            keys = wanted.keys(row)
            if len(keys) > 1:
                raise SearchInvalid("eventstats BY a field with several values runs in Splunk only", "eventstats")
            made.append(row | (computed[keys[0]] if keys else {}))
        return Result(frame_of(made, [*frame.columns, *(each.name for each in aggregates)]))

    return step


def top(arguments: str, _: Context) -> Step:
    """Count the values of fields, the most frequent first."""
    return _ranked(arguments, most=True)


def rare(arguments: str, _: Context) -> Step:
    """Count the values of fields, the least frequent first."""
    return _ranked(arguments, most=False)


def _ranked(arguments: str, *, most: bool) -> Step:
    given, words = options.split(arguments, _TOP_OPTIONS)
    limit = given.get("limit", 10)
    if words and words[0].isdigit():
        limit = natural(words.pop(0))
    lower = [word.lower() for word in words]
    cut = lower.index("by") if "by" in lower else len(words)
    names, by = [unquote(word) for word in words[:cut]], [unquote(word) for word in words[cut + 1 :]]
    if not names or (cut < len(words) and not by):
        raise SearchInvalid("expected names of fields, and after BY those to group by")
    count_name, percent_name = given.get("countfield", "count"), given.get("percentfield", "percent")
    columns = [*by, *names, *([count_name] if given.get("showcount", True) else [])]
    columns += [percent_name] if given.get("showperc", True) else []

    def step(frame: pd.DataFrame) -> Result:
        made: list[Row] = []
        for group, counts in _counted(rows_of(frame), by, names).items():
            total = counts.total()
            ranked = sorted(counts.items(), key=lambda item: -item[1] if most else item[1])
            for key, count in ranked[: limit or None]:
                row: Row = dict(zip([*by, *names], [*group, *key], strict=True))
                made.append(row | {count_name: count, percent_name: f"{count * 100 / total:.6f}"})
        return Result(frame_of(made, columns).reindex(columns=columns))

    return step


def _counted(rows: list[Row], by: list[str], names: list[str]) -> dict[tuple[str, ...], Counter[tuple[str, ...]]]:
    found: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {}
    for row in rows:
        parts = [text(row.get(name)) for name in [*by, *names]]
        if None not in parts:
            key = tuple(str(part) for part in parts)
            found.setdefault(key[: len(by)], Counter())[key[len(by) :]] += 1
    return dict(sorted(found.items()))


def _not_allnum(value: str) -> bool:
    if flag(value):
        raise SearchInvalid("allnum=t runs in Splunk only")
    return False
