"""Chapter 8: windows against each other: of writers, trainings, and of alerts on their records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import SearchFlow, dataflow
from dltk_runtime.flows.dataflow.pipe import everything_in
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rules.rule import NOON, Found, Rule, Text, moment, scheduled
from dltk_runtime.flows.rules.windows import interval_of
from dltk_runtime.units import DAY_SECONDS, HOUR_SECONDS

_OPEN_END = re.compile(r"floor\(\(?now\(\)(?:-(\d+))?\)?/(\d+)\)\*(\d+)")
# Commands of Splunk that make no rows; one that is not named here may be an add-on's, which does.
_NEEDS_ROWS = frozenset(
    ("addcoltotals", "addinfo", "addtotals", "appendpipe", "apply", "bin", "bucket", "chart", "collect", "convert",
     "dedup", "delta", "eval", "eventstats", "fieldformat", "fields", "filldown", "fillnull", "fit", "foreach", "head",
     "lookup", "makemv", "mcollect", "mvexpand", "outputlookup", "rare", "regex", "rename", "replace", "rex", "sample",
     "score", "sort", "spath", "stats", "streamstats", "table", "tail", "timechart", "top", "transaction",
     "transpose", "untable", "where", "xyseries")
)  # fmt: skip
_ROUNDED = re.compile(r"floor\(info_m(?:in|ax)_time[*/+-][^)]*\)")
_CHANGING = frozenset(("where", "eval", "stats", "fields", "sort", "dedup", "rename", "fillnull"))


def _unsnapped(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        stanza = text.search.stanza
        for key in ("earliest_time", "latest_time", "index_earliest", "index_latest"):
            value = stanza.get(f"dispatch.{key}")
            if (
                (text.writes or (text.says(r"\|\s*fit\b.*\binto\b") and text.says(r"\bspan\s*=")))
                and re.match(r"[-+]\d+[smhdw]?", value)
                and "@" not in value
                and not value.startswith("+")
            ):
                yield Found(text.where, f"dispatch.{key} = {value}")


def _inline_times(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search in dataflow(app, apps).searches:
        own = search.search.scheduled and (search.has("fit", "collect", "mcollect", "outputlookup"))
        for command in search.commands[:1] if own else ():
            if match := re.search(r"(?<![\w.])(?:_index_)?(?:earliest|latest)\s*=\s*\S+", command.arguments):
                yield Found(search.where, match[0])


def _trained_when(app: App, apps: Sequence[App]) -> Iterator[Found]:
    names = {search.where for search, fit in dataflow(app, apps).fits() if fit.model}
    for text in (each for each in scheduled(app) if each.where in names):
        schedule, interval = text.search.stanza.get("cron_schedule"), interval_of(text.search)
        if interval is None and not _starts(schedule):
            yield Found(text.where, f"cron_schedule = {schedule}: no start in 32 days")
        if interval is None:
            continue
        if interval < HOUR_SECONDS:
            yield Found(text.where, f"a training every {interval:.0f} s")
        length = _length(text)
        if length is not None and length < interval:
            yield Found(text.where, f"a training every {interval:.0f} s reads {length:.0f} s")


def _length(text: Text) -> float | None:
    """Return the seconds of the window, of those who read one."""
    stanza = text.search.stanza
    begin, end = moment(stanza.get("dispatch.earliest_time")), moment(stanza.get("dispatch.latest_time") or "now")
    generated = text.has("inputlookup", "makeresults")
    return None if begin is None or end is None or generated else end - begin


def _starts(schedule: str) -> bool:
    try:
        return next(cron.starts(schedule, NOON, NOON + 32 * DAY_SECONDS), None) is not None
    except FlowInvalid:
        return True  # rule 212 reports it


def _open_end(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """The window that an alert on gaps expects last, against the window of those who write run records."""
    flow = dataflow(app, apps)
    writers = [search for search in flow.searches if _writes_windows(search)]
    lags = [lag for search in writers for lag in _lags(search)]
    for text in scheduled(app):
        for behind, divided, times in _OPEN_END.findall(re.sub(r"\s+", "", text.spl)):
            for interval, lag in lags[:1] if text.search.stanza.get("counttype") else ():
                if {int(divided), int(times)} != {int(interval)}:
                    yield Found(text.where, f"windows of {divided} s; those of the writer have {interval:.0f} s")
                elif not lag <= int(behind or 0) <= lag + 6 * interval + HOUR_SECONDS:
                    yield Found(text.where, f"expects a window {behind or 0} s ago; the writer's end {lag:.0f} s ago")


def _writes_windows(search: SearchFlow) -> bool:
    written = {name for write in search.notes.writes for shape in write.shapes for name in shape.fields}
    return search.search.scheduled and {"win_start", "win_end"} <= written


def _lags(search: SearchFlow) -> Iterator[tuple[float, float]]:
    """Yield the interval of a writer, and how long ago its window ends, in seconds."""
    stanza = search.search.stanza
    latest = moment(stanza.get("dispatch.latest_time") or "now")
    try:
        starts = list(islice(cron.starts(stanza.get("cron_schedule"), NOON, NOON + 2 * DAY_SECONDS), 2))
    except (FlowInvalid, SearchInvalid):
        return
    if latest is not None and len(starts) == 2:
        yield starts[1] - starts[0], NOON - latest


def _other_windows(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Run records whose window is not the one that addinfo says."""
    wanted = {"win_start": "floor(info_min_time)", "win_end": "floor(info_max_time)"}
    for search, write in dataflow(app, apps).writes():
        for shape in write.shapes if not _keeps_whole_windows(search) else ():
            for name, expression in wanted.items():
                made = shape.expression(name)
                if name in shape.fields and made not in (expression, f"<{name}>"):
                    yield Found(search.where, f"{name} is {made[:60]}; the window of the run is {expression}")
        if _keeps_whole_windows(search):
            for bound in dict.fromkeys(each for shape in write.shapes for each in shape.filters):
                if match := _ROUNDED.search(bound):
                    yield Found(search.where, f"a bound of the windows is {match[0]}, not the end of the run")


def _keeps_whole_windows(search: SearchFlow) -> bool:
    """Return whether a search that computes windows of its own drops those that it read in part."""
    filters = {each for write in search.notes.writes for shape in write.shapes for each in shape.filters}
    return all(any(bound in each for each in filters) for bound in ("info_min_time", "info_max_time"))


def _no_head(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search in dataflow(app, apps).searches:
        first = search.commands[0].name if search.commands else "search"
        piped = app.readable(search.search).lstrip().startswith("|")
        if piped and first in _NEEDS_ROWS:
            yield Found(search.where, f"begins with | {first}")
        for each in everything_in(search.commands):
            inside = each.inner[0].name if each.inner else ""
            if inside in _CHANGING and each.name not in ("appendpipe", "foreach", "map"):
                yield Found(search.where, f"a subsearch of {each.name} begins with {inside}, which makes no rows")
        if any(
            each.name == "inputlookup" and "append=" not in each.arguments
            for each in everything_in(search.commands[1:])
        ):
            yield Found(search.where, "inputlookup without append=t behind other commands")


def _unconditional(app: App, apps: Sequence[App]) -> Iterator[Found]:
    for search in dataflow(app, apps).searches:
        if search.search.view or search.search.stanza.get("counttype") != "number of events":
            continue
        if not any(command.name in ("where", "search") for command in search.commands[1:]):
            yield Found(search.where, "every row that it reads makes it fire")
        for command in search.commands:
            if command.name == "streamstats" and "current=f" not in command.arguments:
                yield Found(search.where, f"streamstats {command.arguments[:50]}: compares each row with itself")


RULES = (
    Rule(
        821,
        "A window whose ends are not snapped begins at the second of the start: windows overlap or leave gaps.",
        "Snap both ends: -12m@m, -7m@m.",
        _unsnapped,
    ),
    Rule(
        822,
        "A time in the text of a search overrides the window of its schedule, of backfills and of runs made up for.",
        "Leave earliest and latest to dispatch.earliest_time and dispatch.latest_time.",
        _inline_times,
    ),
    Rule(
        823,
        "A training that starts too often, never, or over less time than lies between two of them.",
        "Once a day over whole days: cron_schedule = 17 3 * * *, dispatch.earliest_time = -30d@d.",
        _trained_when,
    ),
    Rule(
        824,
        "The alert on gaps expects other windows than the writer writes: it fires always, or never.",
        "Let interval and lag be those of the writer: floor((now()-LAG)/INTERVAL)*INTERVAL.",
        _open_end,
    ),
    Rule(
        825,
        "A run record that does not say the window of its run: gaps between records are none of the data.",
        "Take it from addinfo: win_start=floor(info_min_time), win_end=floor(info_max_time). A search that writes "
        "several windows drops those that it read in part: where win_start>=floor(info_min_time) AND "
        "win_end<=floor(info_max_time).",
        _other_windows,
    ),
    Rule(
        826,
        "A search behind a pipe that begins with a command which makes no rows.",
        "Begin it with what does: inputlookup, makeresults, tstats, or events without a pipe.",
        _no_head,
    ),
    Rule(
        827,
        "An alert without a condition fires in every run, or in none.",
        "Say what is wrong: where scored<rows; compare with rows before: streamstats current=f.",
        _unconditional,
    ),
)
