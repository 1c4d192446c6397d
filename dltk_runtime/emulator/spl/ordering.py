"""Commands that order or select rows: sort, dedup, head, tail, reverse."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

import pandas as pd

from dltk_runtime.emulator.arguments import parse_count
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.lexer import QUOTED_NAME, STRING
from dltk_runtime.emulator.mltk.results import Result, warn
from dltk_runtime.emulator.spl import expressions, options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import flag, natural, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Value, number, single, text
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

MAX_SORTED_ROWS = 10_000  # of a sort without a count

_KEY = re.compile(
    rf"\s*,?\s*(?P<sign>[+-]?)(?P<gap>\s*)(?:(?P<kind>auto|str|num|ip)\s*\(\s*)?"
    rf"(?P<name>{STRING}|{QUOTED_NAME}|[\w.:{{}}@]+(?:\([\w.*]*\))?)(?P<close>\s*\))?",
    re.DOTALL | re.IGNORECASE,
)
_BEFORE_A_NUMBER = frozenset("0123456789+-")
_LEADING_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_COUNT = re.compile(r"(?:(?:limit\s*=\s*)?(\d+))\s+(?=\S)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """One field to sort by: `sign` is -1 for descending, `kind` is auto, str, num or ip."""

    name: str
    sign: int
    kind: str


def sort(arguments: str, _: Context) -> Step:
    """Sort by fields, as in ``sort 100 -num(size), +str(source)``; nulls come last."""
    count = _COUNT.match(arguments.strip())
    rest = arguments.strip()[count.end() :] if count else arguments.strip()
    limit = int(count[1]) if count else MAX_SORTED_ROWS
    keys = parse_keys(rest)

    def step(frame: pd.DataFrame) -> Result:
        rows = sorted_rows(rows_of(frame), keys)
        cut = rows[:limit] if limit else rows
        lost = len(rows) - len(cut)
        text_ = f"sort keeps {MAX_SORTED_ROWS:,} rows: {lost:,} are lost. Write sort 0 to keep all"
        messages = (warn(text_),) if lost and not count else ()
        return Result(frame_of(cut, frame.columns), messages)

    return step


def parse_keys(written: str) -> list[Key]:
    """Parse the fields of a sort, with d or desc at the end to reverse the order.

    Raises:
        SearchInvalid: there is none, or one is of another form.
    """
    keys, place, gap = [], 0, False
    for match in _keys(written):
        kind = (match["kind"] or "auto").lower()
        if bool(match["kind"]) != bool(match["close"]):
            raise SearchInvalid(f"unmatched bracket in {shown(written)}")
        keys.append(Key(unquote(match["name"]).strip("'"), -1 if match["sign"] == "-" else 1, kind))
        gap |= bool(match["sign"] and match["gap"])
        place = match.end()
    if len(keys) > 1 and keys[-1].name.lower() in {"d", "desc"} and keys[-1].kind == "auto":
        keys = [Key(key.name, -key.sign, key.kind) for key in keys[:-1]]
    if not keys or written[place:].strip(" ,\n\t"):
        raise SearchInvalid(f"expected names of fields with an optional + or - before each, got {shown(written)}")
    if gap and len(keys) > 1:
        raise SearchInvalid("a sign with a blank behind it is for one field: write it at each, as in sort -a +b")
    return keys


def _keys(written: str) -> Iterator[re.Match[str]]:
    place = 0
    while (match := _KEY.match(written, place)) is not None:
        yield match
        place = match.end()


def sorted_rows(rows: list[Row], keys: list[Key]) -> list[Row]:
    """Sort `rows`, stable: by the last key first, so that the first decides."""
    for key in reversed(keys):
        there = [row for row in rows if row.get(key.name) is not None]
        nulls = [row for row in rows if row.get(key.name) is None]
        rows = [*_sorted_by(there, key), *nulls]
    return rows


def _sorted_by(rows: list[Row], key: Key) -> list[Row]:
    values = [row[key.name] for row in rows]
    single("sort", *values)
    order: list[Any] | None = _sortable(values, key.kind)
    if order is None:
        order = [cmp_to_key(_COMPARE[key.kind])(value) for value in values]
    places = sorted(range(len(rows)), key=order.__getitem__, reverse=key.sign < 0)
    return [rows[place] for place in places]


def _sortable(values: list[Value], kind: str) -> list[Any] | None:
    """Return values that Python sorts in the same order, if all are alike; it is much faster."""
    if kind == "str":
        return [text(value) for value in values]
    if kind != "ip" and None not in (numbers := [number(value) for value in values]):
        return numbers
    texts = [text(value) or "" for value in values]
    if kind == "auto" and not any(each[:1] in _BEFORE_A_NUMBER or ":" in each for each in texts):
        return texts  # neither numbers nor addresses
    return None


def _by_text(left: Value, right: Value) -> int:
    first, second = text(left) or "", text(right) or ""
    return (first > second) - (first < second)


def _by_number(left: Value, right: Value) -> int:
    first, second = number(left), number(right)
    if first is None or second is None:
        raise SearchError(f"num() of {shown(str(left if first is None else right))}, which is no number.")
    return (first > second) - (first < second)


def _by_address(left: Value, right: Value) -> int:
    first, second = _address(left), _address(right)
    if first is None or second is None:
        raise SearchError(f"ip() of {shown(str(left if first is None else right))}, which is no address.")
    return (first > second) - (first < second)


def _by_kind(left: Value, right: Value) -> int:
    """Compare a pair as what both are: numbers, addresses, else text."""
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return (first > second) - (first < second)
    one, two = _address(left), _address(right)
    if one is not None and two is not None:
        return (one > two) - (one < two)
    order = _by_text(left, right)
    lead = [_LEADING_NUMBER.match(text(value) or "") for value in (left, right)]
    if lead[0] and lead[1]:
        amounts = float(lead[0][0]), float(lead[1][0])
        if (amounts[0] > amounts[1]) - (amounts[0] < amounts[1]) == -order:
            raise SearchError(
                f"whether {shown(str(left))} or {shown(str(right))} comes first is Splunk's choice: "
                "say sort str(field), or make numbers of them."
            )
    return order


def _address(value: Value) -> tuple[int, int] | None:
    try:
        made = ipaddress.ip_address(text(value) or "")
    except ValueError:
        return None
    return made.version, int(made)


_COMPARE: dict[str, Callable[[Value, Value], int]] = {
    "auto": _by_kind,
    "ip": _by_address,
    "num": _by_number,
    "str": _by_text,
}

_DEDUP_OPTIONS = {"consecutive": flag, "keepempty": flag, "keepevents": flag}


def dedup(arguments: str, _: Context) -> Step:
    """Keep the first rows of each combination of values, as in ``dedup 2 host sortby -x``."""
    before, _word, order = re.sub(r"(?i)\bsortby\b", "\0", arguments, count=1).partition("\0")
    given, words = options.split(before, _DEDUP_OPTIONS)
    most = natural(words.pop(0)) if words and words[0].isdigit() else 1
    names = [unquote(word).strip("'") for word in words]
    if not names or any("*" in name or name.startswith("-") for name in names):
        raise SearchInvalid(f"expected names of fields without wildcards, got {shown(arguments)}")
    keys = parse_keys(order) if order.strip() else []

    def step(frame: pd.DataFrame) -> Result:
        kept = [row for row in _deduplicated(rows_of(frame), names, most, given) if row is not None]
        return Result(frame_of(sorted_rows(kept, keys) if keys else kept, frame.columns))

    def first(frame: pd.DataFrame) -> Result:
        ordered = frame_of(sorted_rows(rows_of(frame), keys), frame.columns) if keys else frame
        return step(ordered)

    return first


def _deduplicated(rows: list[Row], names: list[str], most: int, given: dict[str, bool]) -> Iterator[Row | None]:
    seen: dict[tuple[str | None, ...], int] = {}
    last: tuple[str | None, ...] | None = None
    for row in rows:
        key = tuple(text(row.get(name)) for name in names)
        if None in key:
            yield row if given.get("keepempty") else None
            continue
        if given.get("consecutive") and key != last:
            seen.pop(key, None)
        last = key
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= most:
            yield row
        elif given.get("keepevents"):
            yield row | dict.fromkeys(names)


_HEAD = re.compile(r"\s*(?:limit\s*=\s*)?(\d+)?\s*", re.IGNORECASE)
_HEAD_OPTION = re.compile(r"\b(limit|null|keeplast)\s*=\s*(\w+)", re.IGNORECASE)


def head(arguments: str, context: Context) -> Step:
    """Keep the first rows, 10 by default, or those before a condition is false."""
    count = _HEAD.fullmatch(arguments)
    if count:
        rows = int(count[1]) if count[1] else 10
        return lambda frame: Result(frame.head(rows))
    if not re.search(r"[(<>=]", arguments):
        raise SearchInvalid(f"expected an integer, got {shown(arguments.strip())}")
    given = {key.lower(): value for key, value in _HEAD_OPTION.findall(arguments)}
    condition = expressions.parse_condition(_HEAD_OPTION.sub("", arguments), context.eval_functions())
    null, last = flag(given.get("null", "f")), flag(given.get("keeplast", "f"))
    limit = whole(given["limit"]) if "limit" in given else None

    def step(frame: pd.DataFrame) -> Result:
        kept = 0
        for row in rows_of(frame):
            held = condition.evaluate(row)
            if held is not True and not (held is None and null):
                kept += last
                break
            kept += 1
        return Result(frame.head(kept if limit is None else min(kept, limit)))

    return step


def tail(arguments: str, _: Context) -> Step:
    """Keep the last rows, 10 by default, in reverse order, as Splunk does."""
    count = parse_count(arguments.strip() or "10")
    if count is None:
        raise SearchInvalid(f"expected an integer, got {shown(arguments.strip())}")
    return lambda frame: Result(frame.tail(count)[::-1] if count else frame.head(0))


def reverse(arguments: str, _: Context) -> Step:
    """Reverse the order of rows."""
    if arguments.strip():
        raise SearchInvalid("it takes no arguments")
    return lambda frame: Result(frame[::-1])
