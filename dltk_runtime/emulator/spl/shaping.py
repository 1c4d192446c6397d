"""Commands that order, group and fill rows: the ``stats`` family, sort, dedup, rename, fillnull, bin, sample."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cmp_to_key

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.mltk.tokens import Parameter, tokenize
from dltk_runtime.emulator.spl.aggregates import parse_aggregation
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.scan import flag, options
from dltk_runtime.emulator.spl.values import Value, number, text, tidy
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_SPANS = {"s": 1, "m": 60, "h": 3600}


def stats(arguments: str, context: Context) -> Step:
    """One row for each group; without BY one row, also of no rows."""
    wanted = parse_aggregation(arguments, context.eval_functions())
    columns = [*wanted.by, *(each.name for each in wanted.aggregates)]

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        groups = wanted.groups(rows) if wanted.by else {(): rows}
        made: list[Row] = [
            {**dict(zip(wanted.by, key, strict=True)), **wanted.columns(each)} for key, each in groups.items()
        ]
        return Result(frame_of(made, columns))

    return step


def eventstats(arguments: str, context: Context) -> Step:
    """The columns of ``stats`` beside each row of the group."""
    wanted = parse_aggregation(arguments, context.eval_functions())

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        groups = wanted.groups(rows)
        computed = {key: wanted.columns(members) for key, members in groups.items()}
        made = [row | computed.get(tuple(map(str, wanted.key(row))), {}) for row in rows]
        return Result(frame_of(made, frame.columns))

    return step


def streamstats(arguments: str, context: Context) -> Step:
    """The columns of ``stats`` over the rows so far, with ``current=f`` without the row itself."""
    given, rest = options(arguments, ("current",))
    current = flag(given.get("current", "t"))
    wanted = parse_aggregation(rest, context.eval_functions())
    if wanted.by:
        raise SearchInvalid("streamstats with BY runs in Splunk only")

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        made = [row | wanted.columns(rows[: place + current]) for place, row in enumerate(rows)]
        return Result(frame_of(made, frame.columns))

    return step


def sort(arguments: str, _: Context) -> Step:
    """``sort 0 - a`` or ``sort 0 a -b``: by number where both are some, else by text; nulls last."""
    match = re.fullmatch(r"0\s+(.+)", arguments.strip(), re.DOTALL)
    if match is None:
        raise SearchInvalid(f"begin it with 0, or Splunk keeps 10,000 rows: sort 0 {arguments.strip()}")
    keys = _sort_keys(match[1])

    def compare(left: Mapping[str, Value], right: Mapping[str, Value]) -> int:
        return next((order for name, sign in keys if (order := _order(left.get(name), right.get(name), sign))), 0)

    return lambda frame: Result(frame_of(sorted(rows_of(frame), key=cmp_to_key(compare)), frame.columns))


def dedup(arguments: str, _: Context) -> Step:
    """The first row of each combination of values; rows where one is null go."""
    names = _plain_names(arguments)

    def step(frame: pd.DataFrame) -> Result:
        seen: dict[tuple[str | None, ...], Row] = {}
        for row in rows_of(frame):
            key = tuple(text(row.get(name)) for name in names)
            if None not in key:
                seen.setdefault(key, row)
        return Result(frame_of(list(seen.values()), frame.columns))

    return step


def rename(arguments: str, _: Context) -> Step:
    """``rename a AS b, c AS d``."""
    words = [unquote(word) for word in re.findall(r'"[^"]*"|[^\s,]+', arguments)]
    pairs = dict(zip(words[::3], words[2::3], strict=False))
    if len(words) % 3 or not pairs or any(word.upper() != "AS" for word in words[1::3]):
        raise SearchInvalid("pairs are wanted: rename old AS new")
    if wild := [word for word in words if "*" in word]:
        raise SearchInvalid(f"the wildcard {wild[0]} runs in Splunk only")

    def step(frame: pd.DataFrame) -> Result:
        there = {old: new for old, new in pairs.items() if old in frame.columns}
        kept = frame.drop(columns=[new for new in there.values() if new in frame.columns and new not in there])
        return Result(kept.rename(columns=there))

    return step


def fillnull(arguments: str, _: Context) -> Step:
    """``fillnull value=0 a b``: nulls of these fields, which are made where they are missing; without names, of all."""
    given, rest = options(arguments, ("value",))
    value: Value = given.get("value", "0")
    names = _plain_names(rest) if rest.strip() else []

    def step(frame: pd.DataFrame) -> Result:
        columns = names or [name for name in frame.columns if not name.startswith("_")]
        filled = [row | {name: value for name in columns if row.get(name) is None} for row in rows_of(frame)]
        return Result(frame_of(filled, [*frame.columns, *names]))

    return step


def bin_(arguments: str, _: Context) -> Step:
    """``bin _time span=5m``: the beginning of the span, counted in epoch seconds, so it must divide an hour."""
    tokens = list(tokenize(arguments))
    spans = {token.key: token.value for token in tokens if isinstance(token, Parameter)}
    match = re.fullmatch(r"(\d+)([smh])", spans.get("span", ""))
    seconds = int(match[1]) * _SPANS[match[2]] if match else 0
    names = [token.name for token in tokens if not isinstance(token, Parameter)]
    if names != ["_time"] or set(spans) != {"span"} or not seconds or 3600 % seconds:
        raise SearchInvalid(f"bin _time span=<a divisor of an hour, such as 5m> is wanted, got {shown(arguments)}")

    def binned(value: Value) -> Value:
        amount = number(value)
        return None if amount is None else tidy(amount // seconds * seconds)

    def step(frame: pd.DataFrame) -> Result:
        return Result(frame_of([row | {"_time": binned(row.get("_time"))} for row in rows_of(frame)], frame.columns))

    return step


def sample(arguments: str, _: Context) -> Step:
    """``sample partitions=10 seed=1``: a number for each row in the order of arrival, which no index keeps."""
    given, rest = options(arguments, ("partitions", "seed"))
    if rest or not re.fullmatch(r"[1-9]\d{0,3}", given.get("partitions", "")):
        raise SearchInvalid(
            "partitions=<a whole number> is wanted, and seed= beside it. Other forms run in Splunk only"
        )
    partitions, seed = int(given["partitions"]), given.get("seed")

    def step(frame: pd.DataFrame) -> Result:
        dice = random.Random(seed)  # noqa: S311 - a sample, no secret
        return Result(frame.assign(partition_number=[dice.randrange(partitions) for _ in range(len(frame))]))

    return step


def _sort_keys(words: str) -> list[tuple[str, int]]:
    found = [(sign, unquote(name)) for sign, name in re.findall(r"([+-]?)\s*(\"[^\"]+\"|[\w.]+)", words)]
    if re.match(r"[+-]\s", words) and len(found) > 1:
        raise SearchInvalid("a sign with a blank behind it counts for all fields: write it at each, as in sort 0 -a +b")
    left = re.sub(r"[+-]?\s*(\"[^\"]+\"|[\w.]+)", "", words)
    if not found or left.strip(" ,"):
        raise SearchInvalid(f"names of fields are wanted, with + or - in front, got {shown(words)}")
    return [(name, -1 if sign == "-" else 1) for sign, name in found]


def _order(left: Value, right: Value, sign: int) -> int:
    if left is None or right is None:
        return (left is None) - (right is None)
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return sign * ((first > second) - (first < second))
    texts = text(left) or "", text(right) or ""
    return sign * ((texts[0] > texts[1]) - (texts[0] < texts[1]))


def _plain_names(arguments: str) -> list[str]:
    tokens = list(tokenize(arguments))
    names = [token.name for token in tokens if not isinstance(token, Parameter)]
    if not names or len(names) < len(tokens) or any("*" in name for name in names):
        raise SearchInvalid(f"names of fields without wildcards are wanted, got {shown(arguments)}")
    return names
