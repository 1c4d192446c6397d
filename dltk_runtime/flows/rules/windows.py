"""Chapter 2: the windows of time that scheduled searches read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

from dltk_runtime.emulator.standin import epoch
from dltk_runtime.errors import DltkError
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import App, AppSearch
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rules.rule import NOON, Found, Rule, Text, moment, scheduled, writers
from dltk_runtime.units import DAY_SECONDS, HOUR_SECONDS

_SECONDS = {"s": 1, "m": 60, "h": HOUR_SECONDS}


def _meeting(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in writers(app):
        window, interval = _length(text, "dispatch."), interval_of(text.search)
        if text.search.stanza.get("dispatch.index_earliest"):
            window = _length(text, "dispatch.index_")
        if window is None or interval is None or not text.has("collect", "mcollect"):
            continue
        own = text.says(r"win_end<=floor\(info_max_time\)")  # it computes windows, and leaves out those read in part
        if window < interval - 1 if own else abs(window - interval) > 1:
            yield Found(text.where, f"a window of {window:.0f} s every {interval:.0f} s")


def _no_lag(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in writers(app):
        key = "dispatch.index_latest" if text.search.stanza.get("dispatch.index_latest") else "dispatch.latest_time"
        latest = text.search.stanza.get(key)
        if text.has("collect", "mcollect") and latest in ("", "now", "now()", "@m"):
            yield Found(text.where, f"{key} = {latest or '(missing)'}")


def _snaps(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        for key, value in text.search.stanza.settings.items():
            if key.startswith("dispatch.") and re.search(r"@\d", value):
                yield Found(text.where, f"{key} = {value.strip()}")


def _by_time(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in writers(app):
        if text.has("apply") and text.says(r'kind="row"') and not text.search.stanza.get("dispatch.index_earliest"):
            yield Found(text.where, 'reads kind="row" by _time')


def _zones(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in writers(app):
        if match := re.search(r"strftime\(|relative_time\(|span=\d*d\b", text.spl):
            yield Found(text.where, match[0])
        for span, count, unit in re.findall(r"\b(span=(\d+)([smh]))\b", text.spl):
            if HOUR_SECONDS % max(1, int(count) * _SECONDS[unit]):
                yield Found(text.where, f"{span} does not divide an hour")
        if text.has("collect", "mcollect") and "@d" in text.search.stanza.get("dispatch.earliest_time"):
            yield Found(text.where, "dispatch.earliest_time snaps to @d")


def _nothing_missed(app: App, _: Sequence[App]) -> Iterator[Found]:
    scoring = [text for text in writers(app) if text.has("apply") and text.search.stanza.get("dispatch.index_earliest")]
    by_key = any(text.says(r"\bBY event_key\b") and text.search.stanza.get("counttype") for text in scheduled(app))
    if scoring and not by_key:
        yield Found(scoring[0].where, "nothing looks for rows without a prediction")


def window_starts(text: Text) -> list[float]:
    """Return when the windows of a day's runs begin, in epoch seconds; none without a window of time."""
    earliest = text.search.stanza.get("dispatch.earliest_time")
    try:
        starts = _starts_of_a_day(text.search.stanza.get("cron_schedule"))
        return [epoch(earliest, start) for start in starts] if earliest else []
    except DltkError:
        return []


@lru_cache(maxsize=128)
def _starts_of_a_day(schedule: str) -> tuple[float, ...]:
    """Return the starts from noon to noon, in epoch seconds; several rules ask for the same ones."""
    return tuple(cron.starts(schedule, NOON, NOON + 24 * HOUR_SECONDS))


def seconds(span: str) -> int | None:
    """Return the seconds of a span such as ``5m``; None for one of months, and without one."""
    match = re.fullmatch(r"(\d+)([smhd])", span)
    return int(match[1]) * {**_SECONDS, "d": DAY_SECONDS}[match[2]] if match else None


def interval_of(search: AppSearch) -> float | None:
    """Return the seconds between two runs."""
    try:
        starts = list(islice(cron.starts(search.stanza.get("cron_schedule"), NOON, NOON + 48 * HOUR_SECONDS), 2))
    except FlowInvalid:
        return None
    return starts[1] - starts[0] if len(starts) > 1 else None


def _length(text: Text, prefix: str) -> float | None:
    suffix = "" if prefix.endswith("index_") else "_time"
    begin = moment(text.search.stanza.get(f"{prefix}earliest{suffix}"))
    end = moment(text.search.stanza.get(f"{prefix}latest{suffix}") or "now")
    return None if begin is None or end is None else end - begin


RULES = (
    Rule(
        209,
        "Windows that do not have the length of the interval overlap or leave gaps.",
        "Make latest minus earliest the interval of the schedule.",
        _meeting,
    ),
    Rule(
        210,
        "A window that ends now misses what arrives late.",
        "End it before: dispatch.latest_time = -7m@m for events that may take 5 minutes.",
        _no_lag,
    ),
    Rule(211, "Only snaps to single units are documented.", "Snap to @m, @h or @d.", _snaps),
    Rule(
        214,
        "Features that are backfilled are never scored by a window of _time.",
        "Read the summary by index time: dispatch.index_earliest and a wide dispatch.earliest_time.",
        _by_time,
    ),
    Rule(
        216,
        "It depends on the time zone of the search's owner.",
        "Use epoch arithmetic and spans that divide an hour.",
        _zones,
    ),
    Rule(
        220,
        "A scoring by index time has no windows that a gap could be found in.",
        'Alert on what it missed, by key: stats count(eval(kind="prediction")) AS n BY event_key | where n=0.',
        _nothing_missed,
    ),
)
