"""``timechart``, ``chart`` and the commands that turn rows into columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import Reader, flag
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.statistics.accumulators import Count, Moments
from dltk_runtime.emulator.spl.statistics.aggregation import (
    Aggregate,
    Aggregation,
    columns_of,
    in_order,
    parse_aggregation,
)
from dltk_runtime.emulator.spl.statistics.buckets import TimeSpan, read_span
from dltk_runtime.emulator.spl.values import Value, number, text, tidy, values_of
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

MAX_BUCKETS = 50_000


def _limit(value: str) -> int:
    found = re.fullmatch(r"(?:top)?(\d+)", value)
    if found is None:
        raise SearchInvalid(f"expected a number such as 10, got {shown(value)}")
    return int(found[1])


_SPLIT_OPTIONS: Mapping[str, Reader] = {
    "limit": _limit,
    "nullstr": str,
    "otherstr": str,
    "usenull": flag,
    "useother": flag,
}
_TIME_OPTIONS: Mapping[str, Reader] = {**_SPLIT_OPTIONS, "cont": flag, "span": read_span}


@dataclass(frozen=True, slots=True)
class _Series:
    """How rows are split into columns: by a field, or not at all."""

    field: str | None
    options: dict[str, Any]

    def of(self, row: Row) -> tuple[str, ...]:
        """Return the columns that a row belongs to."""
        values = values_of(row.get(self.field or ""))
        if not values:
            return (self.options.get("nullstr", "NULL"),) if self.options.get("usenull", True) else ()
        return tuple(text(value) or "" for value in values)


def timechart(arguments: str, context: Context) -> Step:
    """Compute one row per span of time, and with BY one column per value of a field."""
    wanted = parse_aggregation(arguments, context.eval_functions(), _TIME_OPTIONS)
    if "span" not in wanted.options:
        raise SearchInvalid("give span=, as in timechart span=1h: Splunk chooses it by the time range otherwise")
    series = _series(wanted, wanted.by)
    span: Any = wanted.options["span"]

    def step(frame: pd.DataFrame) -> Result:
        groups: dict[float, list[Row]] = {}
        for row in rows_of(frame):
            at = number(row.get("_time"))
            if at is not None:
                groups.setdefault(span.start(at), []).append(row)
        starts = _starts(sorted(groups), span) if wanted.options.get("cont", True) else sorted(groups)
        keyed = {tidy(start): groups.get(start, []) for start in starts}
        return Result(_pivot("_time", keyed, wanted.resolve(frame.columns), series))

    return step


def chart(arguments: str, context: Context) -> Step:
    """Compute one row per value of a field, as in ``chart avg(x) OVER a BY b``."""
    wanted = parse_aggregation(arguments, context.eval_functions(), _SPLIT_OPTIONS, separators=("over", "by"))
    names = [name for name in wanted.by if name.lower() != "by"]
    over = re.search(r"\bover\b", arguments, re.IGNORECASE) is not None
    if not 1 <= len(names) <= 2 or (over and len(wanted.by) == 2):
        raise SearchInvalid("expected chart <function> OVER <field> BY <field>, or BY with one or two fields")
    series = _series(wanted, names[1:])
    by_row = Aggregation((), (names[0],), {})

    def step(frame: pd.DataFrame) -> Result:
        keyed: dict[Value, list[Row]] = {key[0]: rows for key, rows in by_row.groups(rows_of(frame)).items()}
        return Result(_pivot(names[0], keyed, wanted.resolve(frame.columns), series))

    return step


def _series(wanted: Aggregation, fields: Sequence[str]) -> _Series | None:
    if len(fields) > 1:
        raise SearchInvalid("one field after BY, of which the values become columns")
    if fields and len(wanted.aggregates) > 1:
        raise SearchInvalid("several functions with BY run in Splunk only: use one, or stats")
    return _Series(fields[0], dict(wanted.options)) if fields else None


def _starts(found: Sequence[float], span: TimeSpan) -> list[float]:
    """Return the beginnings of all spans between the first and the last."""
    starts = list(found[:1])
    while starts and starts[-1] < found[-1]:
        starts.append(span.next(starts[-1]))
        if len(starts) > MAX_BUCKETS:
            raise SearchError(f"timechart makes more than {MAX_BUCKETS:,} rows: choose a longer span.")
    return starts


def _pivot(
    name: str, keyed: dict[Any, list[Row]], aggregates: tuple[Aggregate, ...], series: _Series | None
) -> pd.DataFrame:
    if series is None:
        made = [{name: key, **columns_of(aggregates, rows)} for key, rows in keyed.items()]
        return frame_of(made, [name, *(each.name for each in aggregates)])
    (aggregate,) = aggregates
    cells = {key: _split(rows, series) for key, rows in keyed.items()}
    shown_names, merged = _chosen(cells.values(), aggregate, series)
    null, other = series.options.get("nullstr", "NULL"), series.options.get("otherstr", "OTHER")
    use_other = bool(merged) and series.options.get("useother", True)
    if use_other and not _adds_up(aggregate):
        raise SearchError(
            f"{len(merged)} values of {series.field} would be merged into {other}, which for {aggregate.name} runs "
            "in Splunk only: give limit=0, or useother=f."
        )
    columns = [*sorted(shown_names - {null}, key=in_order), *([other] if use_other else [])]
    columns += [null] if null in shown_names else []
    made = []
    for key, parts in cells.items():
        row: Row = {name: key, **{each: aggregate.over(parts.get(each, [])) for each in columns}}
        if use_other:
            row[other] = aggregate.over([row for each in sorted(merged) for row in parts.get(each, [])])
        made.append(row)
    return frame_of(made, [name, *columns])


def _adds_up(aggregate: Aggregate) -> bool:
    """Return whether the function of a union is the sum of those of its parts."""
    made = aggregate.make()
    return isinstance(made, Count) or (isinstance(made, Moments) and made.kind == "sum")


def _split(rows: Iterable[Row], series: _Series) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        for value in series.of(row):
            found.setdefault(value, []).append(row)
    return found


def _chosen(cells: Iterable[dict[str, list[Row]]], aggregate: Aggregate, series: _Series) -> tuple[set[str], set[str]]:
    """Return the series to show, those with the largest sums, and those to merge."""
    scores: dict[str, float] = {}
    for parts in cells:
        for value, rows in parts.items():
            scores[value] = scores.get(value, 0) + (number(aggregate.over(rows)) or 0)
    limit = series.options.get("limit", 10)
    null = series.options.get("nullstr", "NULL")
    ranked = sorted((value for value in scores if value != null), key=lambda value: (-scores[value], value))
    kept = ranked if not limit else ranked[:limit]
    return {*kept, *({null} & scores.keys())}, set(ranked) - set(kept)


def xyseries(arguments: str, _: Context) -> Step:
    """Turn rows into columns, as in ``xyseries x series value``."""
    x, name, value = _three(arguments, "xyseries <x> <name> <value>")

    def step(frame: pd.DataFrame) -> Result:
        made: dict[str, Row] = {}
        names: set[str] = set()
        for row in rows_of(frame):
            key, column = text(row.get(x)), text(row.get(name))
            if key is not None and column is not None:
                made.setdefault(key, {x: row.get(x)})[column] = row.get(value)
                names.add(column)
        rows = [made[key] for key in sorted(made, key=in_order)]
        return Result(frame_of(rows, [x, *sorted(names, key=in_order)]))

    return step


def untable(arguments: str, _: Context) -> Step:
    """Turn columns into rows, as in ``untable x name value``."""
    x, name, value = _three(arguments, "untable <x> <name> <value>")

    def step(frame: pd.DataFrame) -> Result:
        made: list[Row] = [
            {x: row.get(x), name: column, value: cell}
            for row in rows_of(frame)
            for column, cell in row.items()
            if column != x and not column.startswith("_") and cell is not None
        ]
        return Result(frame_of(made, [x, name, value]))

    return step


def _three(arguments: str, form: str) -> tuple[str, str, str]:
    names = [unquote(word) for word in arguments.replace(",", " ").split()]
    if len(names) != 3 or any("=" in name for name in names):
        raise SearchInvalid(f"expected {form}")
    return names[0], names[1], names[2]
