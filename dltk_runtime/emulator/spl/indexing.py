"""Commands on indexes: ``search``, ``addinfo``, ``collect``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd

from dltk_runtime.emulator.arguments import parse_flag, split_options
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, warn
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.filters import Filter, parse_filter
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.values import Fields, number, text
from dltk_runtime.emulator.standin import IndexedEvent
from dltk_runtime.errors import shown

LOST = "events are lost"  # of a warning: the index they were for does not exist
_STASH_HEC = "stash_hec"  # the source type for which Splunk counts no licence
_OPTIONS = ("index", "addinfo", "output_format")
# What the manual of collect forbids beside output_format=hec.
_NOT_WITH_HEC = ("addtime", "host", "marker", "source", "sourcetype", "timeformat", "uselb")
_IGNORED = frozenset(("index", "splunk_server"))  # fields of a row that output_format=hec leaves out
_PAIR = re.compile(r'(?<![\w"])(\w+)=(?:"([^"]*)"|([^",\s]+))')


def search(arguments: str, context: Context) -> Step:
    """Read matching events of one index in the window, newest first; after a pipe, filter."""
    wanted = parse_filter(arguments, fold=True)
    index = wanted.fixed.get("index")

    def step(frame: pd.DataFrame) -> Result:
        if index is not None and frame.columns.empty:
            events = context.storage.indexes[index].events(context.window)
            return Result(frame_of(list(_found(events, index, wanted)), frame.columns))
        kept = [row for row in rows_of(frame) if wanted.keeps(row)]
        return Result(frame_of(kept, frame.columns))

    if index is not None:
        require_index(index, context)
    return step


def _found(events: Iterable[IndexedEvent], index: str, wanted: Filter) -> Iterator[Row]:
    """Yield the events that a search finds.

    Raises:
        SearchError: a condition is on an indexed field, which the text of the event need not hold.
    """
    for event in events:
        row = event.row(index)
        if not wanted.keeps(row):
            continue
        if event.indexed_fields and not wanted.keeps({"_raw": "", **replace(event, fields={}).indexed_row(index)}):
            raise SearchError(
                f"The index {index!r} holds events whose fields are indexed (collect output_format=hec). Whether a "
                "search finds them by these fields depends on fields.conf of the search head: read them by tstats."
            )
        yield dict(row)


def require_index(index: str, context: Context) -> None:
    """Refuse an index that is not there."""
    if index not in context.storage.indexes:
        known = ", ".join(sorted(each.name for each in context.storage.indexes)) or "none"
        raise SearchInvalid(f"there is no index {index!r} here (there is {known}): start from inputlookup")


def addinfo(arguments: str, context: Context) -> Step:
    """Add the window and the time of the search to each row."""
    if arguments.strip():
        raise SearchInvalid("it takes no arguments")
    return lambda frame: Result(frame_of([row | _info(context) for row in rows_of(frame)], frame.columns))


def collect(arguments: str, context: Context) -> Step:
    """Write the rows as events of an index, and return them.

    A row with ``_raw`` is written as that text, others as ``field="value"`` pairs. The event's time is
    the first of `info_min_time`, `_time` and now. With ``output_format=hec`` all fields are indexed, too,
    and the time is `_time`. Events for a missing index are lost, with a warning.
    """
    given, info, hec = _parse_collect(arguments)

    def step(frame: pd.DataFrame) -> Result:
        if given["index"] not in context.storage.indexes:
            return Result(frame, (_lost(given["index"], len(frame)),))
        index = context.storage.indexes[given["index"]]
        for row in rows_of(frame):
            event = _indexed_event if hec else _event
            index.add(event(_info(context) | row if info else row, context.clock()))
        return Result(frame)

    return step


def _parse_collect(arguments: str) -> tuple[dict[str, str], bool, bool]:
    """Return the options, whether ``info_*`` fields are added, and whether the fields are indexed."""
    hec = re.search(r"\boutput_format\s*=\s*\"?hec\b", arguments) is not None
    if hec and (wrong := [name for name in _NOT_WITH_HEC if re.search(rf"(?<!\w){name}\s*=", arguments)]):
        raise SearchInvalid(f"the option {wrong[0]}= is not valid with output_format=hec")
    given, rest = split_options(arguments, _OPTIONS)
    if rest or "index" not in given:
        raise SearchInvalid("index=<name> is wanted, and beside it addinfo= and output_format= alone run here")
    if given.get("output_format", "raw") not in ("raw", "hec"):
        raise SearchInvalid(f"output_format= is raw or hec, got {shown(given['output_format'])}")
    info = parse_flag(given.get("addinfo", "t"))
    if hec and info:
        raise SearchInvalid("write addinfo=f: which time events of output_format=hec get without is not documented")
    return given, info, hec


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


def _event(row: Fields, now: float) -> IndexedEvent:
    times = (number(row.get("info_min_time")), number(row.get("_time")), now)
    moment = float(next(each for each in times if each is not None))
    raw = text(row.get("_raw")) or _raw(row, moment)
    return IndexedEvent(moment, now, extracted(raw), raw)


def _indexed_event(row: Fields, now: float) -> IndexedEvent:
    """Return an event as ``output_format=hec`` writes it: all fields are indexed, its own text is kept."""
    moment = number(row.get("_time"))
    if moment is None:
        raise SearchError("collect output_format=hec: a row without _time; which time it gets is not documented.")
    fields = {name: str(text(value)) for name, value in row.items() if _is_field(name) and value is not None}
    origin = {name: fields.pop(name) for name in ("host", "source", "sourcetype") if name in fields}
    raw = text(row.get("_raw")) or _raw(row, float(moment))
    return IndexedEvent(float(moment), now, fields, raw, **{"sourcetype": _STASH_HEC, **origin}, indexed_fields=True)


def _is_field(name: str) -> bool:
    return name[:1] != "_" and name not in _IGNORED


def _raw(row: Fields, moment: float) -> str:
    stamp = datetime.fromtimestamp(moment, UTC).strftime("%m/%d/%Y %H:%M:%S +0000")
    pairs = (f'{name}="{text(value)}"' for name, value in row.items() if value is not None and name[:1] != "_")
    return ", ".join([stamp, *pairs])


def _lost(index: str, rows: int) -> SearchMessage:
    return warn(f"collect: the index {index!r} does not exist; {rows} {LOST}")
