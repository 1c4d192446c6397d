"""Commands on indexes: ``search``, ``addinfo``, ``collect``."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pandas as pd

from dltk_runtime.emulator.arguments import parse_flag, split_options
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, warn
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.filters import parse_filter
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Fields, number, text
from dltk_runtime.emulator.standin import Event

LOST = "events are lost"  # of a warning: the index they were for does not exist
_PAIR = re.compile(r'(?<![\w"])(\w+)=(?:"([^"]*)"|([^",\s]+))')


def search(arguments: str, context: Context) -> Step:
    """Read matching events of one index in the window, newest first; after a pipe, filter."""
    wanted = parse_filter(arguments, fold=True)
    index = wanted.fixed.get("index")

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        if index is not None and frame.columns.empty:
            rows = [dict(row) for row in context.storage.indexes[index].rows(context.window)]
        kept = [row for row in rows if wanted.keeps(row)]
        return Result(frame_of(kept, frame.columns))

    if index is not None and index not in context.storage.indexes:
        known = ", ".join(sorted(each.name for each in context.storage.indexes)) or "none"
        raise SearchInvalid(f"there is no index {index!r} here (there is {known}): start from inputlookup")
    return step


def addinfo(arguments: str, context: Context) -> Step:
    """Add the window and the time of the search to each row."""
    if arguments.strip():
        raise SearchInvalid("it takes no arguments")
    return lambda frame: Result(frame_of([row | _info(context) for row in rows_of(frame)], frame.columns))


def collect(arguments: str, context: Context) -> Step:
    """Write the rows as events of an index, and return them.

    A row with ``_raw`` is written as that text, others as ``field="value"`` pairs. The event's time is
    the first of `info_min_time`, `_time` and now. Events for a missing index are lost, with a warning.
    """
    given, rest = split_options(arguments, ("index", "addinfo"))
    if rest or "index" not in given:
        raise SearchInvalid("index=<name> is wanted, and beside it addinfo= alone runs here")
    info = parse_flag(given.get("addinfo", "t"))

    def step(frame: pd.DataFrame) -> Result:
        if given["index"] not in context.storage.indexes:
            return Result(frame, (_lost(given["index"], len(frame)),))
        index = context.storage.indexes[given["index"]]
        for row in rows_of(frame):
            index.add(_event(_info(context) | row if info else row, context.clock()))
        return Result(frame)

    return step


def extracted(raw: str) -> dict[str, str]:
    """Extract fields from ``key="value"`` text as a search does; a quote in a value ends it."""
    return {name: quoted or bare for name, quoted, bare in _PAIR.findall(raw) if quoted or bare}


def _info(context: Context) -> Row:
    window = context.window
    latest = "+Infinity" if window.latest == float("inf") else f"{window.latest:.3f}"
    return {
        "info_min_time": f"{window.earliest:.3f}",
        "info_max_time": latest,
        "info_search_time": f"{context.clock():.3f}",
        "info_sid": f"scheduler_{context.clock():.0f}",
    }


def _event(row: Fields, now: float) -> Event:
    times = (number(row.get("info_min_time")), number(row.get("_time")), now)
    moment = float(next(each for each in times if each is not None))
    raw = text(row.get("_raw")) or _raw(row, moment)
    return Event(moment, now, extracted(raw), raw)


def _raw(row: Fields, moment: float) -> str:
    stamp = datetime.fromtimestamp(moment, UTC).strftime("%m/%d/%Y %H:%M:%S +0000")
    pairs = (f'{name}="{text(value)}"' for name, value in row.items() if value is not None and name[:1] != "_")
    return ", ".join([stamp, *pairs])


def _lost(index: str, rows: int) -> SearchMessage:
    return warn(f"collect: the index {index!r} does not exist; {rows} {LOST}")
