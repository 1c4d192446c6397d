"""Commands that order, group and fill rows: the ``stats`` family, sort, dedup, rename, fillnull, bin, sample."""

from __future__ import annotations

import random
import re
from functools import cmp_to_key

import pandas as pd

from dltk_runtime.emulator.arguments import Option, parse_arguments, parse_flag, plain_words, split_options
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import STRING, runs
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl.aggregates import parse_aggregation
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Fields, Value, number, text, tidy
from dltk_runtime.emulator.standin.times import UNIT_SECONDS
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_SORT_KEY = re.compile(rf"([+-]?)\s*({STRING}|[\w.]+)", re.DOTALL)


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
    given, rest = split_options(arguments, ("current",))
    current = parse_flag(given.get("current", "t"))
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

    def compare(left: Fields, right: Fields) -> int:
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
    names = [unquote(word) for word in runs(arguments)]
    pairs = dict(zip(names[::3], names[2::3], strict=False))
    if len(names) % 3 or not pairs or any(name.upper() != "AS" for name in names[1::3]):
        raise SearchInvalid("pairs are wanted: rename old AS new")
    if wild := [name for name in names if "*" in name]:
        raise SearchInvalid(f"the wildcard {wild[0]} runs in Splunk only")

    def step(frame: pd.DataFrame) -> Result:
        there = {old: new for old, new in pairs.items() if old in frame.columns}
        kept = frame.drop(columns=[new for new in there.values() if new in frame.columns and new not in there])
        return Result(kept.rename(columns=there))

    return step


def fillnull(arguments: str, _: Context) -> Step:
    """``fillnull value=0 a b``: nulls of these fields, which are made where they are missing; without names, of all."""
    given, rest = split_options(arguments, ("value",))
    value: Value = given.get("value", "0")
    names = _plain_names(rest) if rest.strip() else []

    def step(frame: pd.DataFrame) -> Result:
        columns = names or [name for name in frame.columns if not name.startswith("_")]
        filled = [row | {name: value for name in columns if row.get(name) is None} for row in rows_of(frame)]
        return Result(frame_of(filled, [*frame.columns, *names]))

    return step


def bin_(arguments: str, _: Context) -> Step:
    """``bin _time span=5m``: the beginning of the span, counted in epoch seconds, so it must divide an hour."""
    tokens = list(parse_arguments(arguments))
    spans = {token.key: token.value for token in tokens if isinstance(token, Option)}
    match = re.fullmatch(r"(\d+)([smh])", spans.get("span", ""))
    seconds = int(match[1]) * UNIT_SECONDS[match[2]] if match else 0
    names = [token.name for token in tokens if not isinstance(token, Option)]
    if names != ["_time"] or set(spans) != {"span"} or not seconds or UNIT_SECONDS["h"] % seconds:
        raise SearchInvalid(f"bin _time span=<a divisor of an hour, such as 5m> is wanted, got {shown(arguments)}")

    def binned(value: Value) -> Value:
        amount = number(value)
        return None if amount is None else tidy(amount // seconds * seconds)

    def step(frame: pd.DataFrame) -> Result:
        return Result(frame_of([row | {"_time": binned(row.get("_time"))} for row in rows_of(frame)], frame.columns))

    return step


def sample(arguments: str, _: Context) -> Step:
    """``sample partitions=10 seed=1``: a number for each row in the order of arrival, which no index keeps."""
    given, rest = split_options(arguments, ("partitions", "seed"))
    if rest or not re.fullmatch(r"[1-9]\d{0,3}", given.get("partitions", "")):
        raise SearchInvalid(
            "partitions=<a whole number> is wanted, and seed= beside it. Other forms run in Splunk only"
        )
    partitions, seed = int(given["partitions"]), given.get("seed")

    def step(frame: pd.DataFrame) -> Result:
        dice = random.Random(seed)  # noqa: S311 - a sample, no secret
        return Result(frame.assign(partition_number=[dice.randrange(partitions) for _ in range(len(frame))]))

    return step


def _sort_keys(text: str) -> list[tuple[str, int]]:
    found = [(sign, unquote(name)) for sign, name in _SORT_KEY.findall(text)]
    if re.match(r"[+-]\s", text) and len(found) > 1:
        raise SearchInvalid("a sign with a blank behind it counts for all fields: write it at each, as in sort 0 -a +b")
    if not found or _SORT_KEY.sub("", text).strip(" ,"):
        raise SearchInvalid(f"names of fields are wanted, with + or - in front, got {shown(text)}")
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
    names = plain_words(arguments)
    if not names or any("*" in name for name in names):
        raise SearchInvalid(f"names of fields without wildcards are wanted, got {shown(arguments)}")
    return names
