"""Commands that look at the rows before: delta, accum, autoregress; and sample."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.results import Result, info
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import Reader, natural, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Value, number, text, tidy
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote


def delta(arguments: str, _: Context) -> Step:
    """Add the difference to the row before, as in ``delta x AS d p=2``."""
    given, words = options.split(arguments, {"p": natural})
    field, made = _renamed(words, "delta({})")
    back = given.get("p", 1)

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        values = [number(row.get(field)) for row in rows]
        for place, row in enumerate(rows):
            now, before = values[place], values[place - back] if place >= back else None
            row[made] = None if now is None or before is None else tidy(now - before)
        return Result(frame_of(rows, [*frame.columns, made]))

    return step


def accum(arguments: str, _: Context) -> Step:
    """Add the sum of a field so far, as in ``accum x AS total``."""
    field, made = _renamed(options.split(arguments, {})[1], "{}")

    def step(frame: pd.DataFrame) -> Result:
        rows, total = rows_of(frame), 0.0
        for row in rows:
            amount = number(row.get(field))
            if amount is not None:
                total += amount
                row[made] = tidy(total)
        return Result(frame_of(rows, frame.columns))

    return step


def autoregress(arguments: str, _: Context) -> Step:
    """Add values of rows before, as in ``autoregress x p=1-3``."""
    given, words = options.split(arguments, {"p": str})
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", given.get("p", "1"))
    if found is None or not int(found[1]) or (found[2] and int(found[2]) < int(found[1])):
        raise SearchInvalid(f"p= is a number or a range such as 1-3, got {shown(given['p'])}")
    field, made = _renamed(words, "")
    steps = range(int(found[1]), int(found[2] or found[1]) + 1)
    if made and found[2]:
        raise SearchInvalid("a new name is for one value only: p=1, not a range")
    names = {back: made or f"{field}_p{back}" for back in steps}

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        values = [row.get(field) for row in rows]
        for place, row in enumerate(rows):
            row |= {name: values[place - back] if place >= back else None for back, name in names.items()}
        return Result(frame_of(rows, [*frame.columns, *names.values()]))

    return step


def _renamed(words: list[str], default: str) -> tuple[str, str]:
    names = [unquote(word) for word in words]
    if len(names) not in {1, 3} or (len(names) == 3 and names[1].lower() != "as"):
        raise SearchInvalid("expected the name of one field, and AS before a new name")
    return names[0], names[2] if len(names) == 3 else default.format(names[0])


def _ratio(value: str) -> float:
    found = number(value)
    if found is None or not 0 < found < 1:
        raise SearchInvalid(f"a ratio is a number between 0 and 1, got {shown(value)}")
    return float(found)


_SAMPLE_OPTIONS: Mapping[str, Reader] = {
    "count": natural,
    "fieldname": str,
    "partitions": natural,
    "ratio": _ratio,
    "seed": whole,
}


def sample(arguments: str, _: Context) -> Step:
    """Draw rows at random, as in ``sample 100`` or ``sample 0.5``, or number them with partitions=."""
    given, words = options.split(arguments, _SAMPLE_OPTIONS)
    if words and number(words[0]) is not None:
        key = "ratio" if "." in words[0] else "count"
        if key in given:
            raise SearchInvalid(f"{key} is given twice")
        given[key] = _SAMPLE_OPTIONS[key](words.pop(0))
    by = unquote(words[1]) if len(words) == 2 and words[0].lower() == "by" else None
    if words and by is None:
        raise SearchInvalid(
            f"{words[0]} runs in Splunk only; here run ratio=, count=, partitions=, seed= and by <field>"
        )
    ways = [name for name in ("ratio", "count", "partitions") if name in given]
    if len(ways) != 1 or (by and ways != ["count"]):
        raise SearchInvalid("give one of ratio=, count= and partitions=; by <field> is for count= alone")
    seeded = (info("sample: the rows that seed= draws here are others than in Splunk"),) if "seed" in given else ()

    def step(frame: pd.DataFrame) -> Result:
        dice = random.Random(given.get("seed"))  # noqa: S311 - a sample, not a secret
        if "partitions" in given:
            numbers = [dice.randrange(given["partitions"]) for _ in range(len(frame))]
            return Result(frame.assign(**{given.get("fieldname", "partition_number"): numbers}), seeded)
        if "ratio" in given:
            kept = [dice.random() < given["ratio"] for _ in range(len(frame))]
            return Result(frame[pd.Series(kept, index=frame.index, dtype=bool)], seeded)
        return Result(frame.iloc[_drawn(rows_of(frame), by, given["count"], dice)], seeded)

    return step


def _drawn(rows: list[Row], by: str | None, count: int, dice: random.Random) -> list[int]:
    """Return the indexes of `count` rows of each group, in their order."""
    groups: dict[Value, list[int]] = {}
    for place, row in enumerate(rows):
        if by is None or row.get(by) is not None:
            groups.setdefault(text(row.get(by)) if by else None, []).append(place)
    return sorted(place for each in groups.values() for place in dice.sample(each, min(count, len(each))))
