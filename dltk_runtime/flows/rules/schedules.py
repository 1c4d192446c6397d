"""Chapter 2: schedules and windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

from dltk_runtime.emulator.standin import epoch
from dltk_runtime.errors import DltkError
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import App
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rules.rule import NOON, Found, Rule, Text, moment, scheduled

_HOUR = 3600
_SECONDS = {"s": 1, "m": 60, "h": _HOUR}


def _writers(app: App) -> list[Text]:
    return [text for text in scheduled(app) if text.writes]


def _setting(
    key: str, wrong: Callable[[str], bool], of: Callable[[App], list[Text]] = _writers
) -> Callable[[App, Sequence[App]], Iterator[Found]]:
    """A rule about one setting; a missing one is the empty text."""

    def find(app: App, _: Sequence[App]) -> Iterator[Found]:
        for text in of(app):
            value = text.search.stanza.get(key)
            if wrong(value):
                yield Found(text.where, f"{key} = {value or '(missing)'}")

    return find


def _on(value: str) -> bool:
    return value.lower() not in ("0", "false", "f")


def _durable(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in _writers(app):
        stanza = text.search.stanza
        if stanza.get("durable.track_time_type") and (
            stanza.get("durable.backfill_type") != "time_interval" or not stanza.get("durable.max_backfill_intervals")
        ):
            yield Found(text.where, "durable.backfill_type or durable.max_backfill_intervals")


def _meeting(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in _writers(app):
        window, interval = _length(text, "dispatch."), interval_of(text)
        if text.search.stanza.get("dispatch.index_earliest"):
            window = _length(text, "dispatch.index_")
        if window is None or interval is None or not text.has("collect", "mcollect"):
            continue
        own = text.says(r"win_end<=floor\(info_max_time\)")  # it computes windows, and leaves out those read in part
        if window < interval - 1 if own else abs(window - interval) > 1:
            yield Found(text.where, f"a window of {window:.0f} s every {interval:.0f} s")


def _no_lag(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in _writers(app):
        key = "dispatch.index_latest" if text.search.stanza.get("dispatch.index_latest") else "dispatch.latest_time"
        latest = text.search.stanza.get(key)
        if text.has("collect", "mcollect") and latest in ("", "now", "now()", "@m"):
            yield Found(text.where, f"{key} = {latest or '(missing)'}")


def _snaps(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        for key, value in text.search.stanza.settings.items():
            if key.startswith("dispatch.") and re.search(r"@\d", value):
                yield Found(text.where, f"{key} = {value.strip()}")


def _often(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        try:
            starts = list(cron.starts(text.search.stanza.get("cron_schedule"), NOON, NOON + _HOUR))
        except FlowInvalid as error:
            yield Found(text.where, error.sentence)
            continue
        if len(starts) > 12:
            yield Found(text.where, f"{len(starts)} starts an hour")


def _unbounded(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        generates = text.search.text.lstrip().startswith("|")
        bounded = text.search.stanza.get("dispatch.earliest_time") not in ("", "0")
        if not generates and not bounded:
            yield Found(text.where, "no dispatch.earliest_time")


def _by_time(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in _writers(app):
        if text.has("apply") and text.says(r'kind="row"') and not text.search.stanza.get("dispatch.index_earliest"):
            yield Found(text.where, 'reads kind="row" by _time')


def _alerts(app: App, _: Sequence[App]) -> Iterator[Found]:
    needed = {"alert.track": "1", "relation": "greater than", "quantity": "0"}
    for text in scheduled(app):
        stanza = text.search.stanza
        if stanza.get("counttype") and (wrong := [key for key, value in needed.items() if stanza.get(key) != value]):
            yield Found(text.where, ", ".join(wrong))


def _zones(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in _writers(app):
        if match := re.search(r"strftime\(|relative_time\(|span=\d*d\b", text.spl):
            yield Found(text.where, match[0])
        for span, count, unit in re.findall(r"\b(span=(\d+)([smh]))\b", text.spl):
            if _HOUR % max(1, int(count) * _SECONDS[unit]):
                yield Found(text.where, f"{span} does not divide an hour")
        if text.has("collect", "mcollect") and "@d" in text.search.stanza.get("dispatch.earliest_time"):
            yield Found(text.where, "dispatch.earliest_time snaps to @d")


def _together(app: App, _: Sequence[App]) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for text in _writers(app):
        schedule = text.search.stanza.get("cron_schedule")
        if schedule in seen:
            yield Found(text.where, f"starts together with {seen[schedule]}")
        seen.setdefault(schedule, text.search.name)


def _repeating(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        stanza = text.search.stanza
        if stanza.get("counttype") and not stanza.flag("alert.suppress"):
            yield Found(text.where, "alert.suppress is not 1")
        elif stanza.get("alert.digest_mode", "1") == "0" and not stanza.get("alert.suppress.fields"):
            yield Found(text.where, "alert.digest_mode = 0 without alert.suppress.fields")


def _tracked(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in _writers(app):
        stanza = text.search.stanza
        by_index, tracked = bool(stanza.get("dispatch.index_earliest")), stanza.get("durable.track_time_type")
        if tracked and (tracked == "_indextime") != by_index:
            yield Found(text.where, f"durable.track_time_type = {tracked}")


def _nothing_missed(app: App, _: Sequence[App]) -> Iterator[Found]:
    scoring = [
        text for text in _writers(app) if text.has("apply") and text.search.stanza.get("dispatch.index_earliest")
    ]
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
    return tuple(cron.starts(schedule, NOON, NOON + 24 * _HOUR))


def interval_of(text: Text) -> float | None:
    """Return the seconds between two runs."""
    try:
        starts = list(islice(cron.starts(text.search.stanza.get("cron_schedule"), NOON, NOON + 48 * _HOUR), 2))
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
        201,
        "The default realtime_schedule = 1 skips periods when the search head is busy.",
        "Set realtime_schedule = 0: continuous, no period is skipped.",
        _setting("realtime_schedule", _on),
    ),
    Rule(
        202,
        "A start that may shift makes runs overlap.",
        "Set schedule_window = 0.",
        _setting("schedule_window", lambda value: value not in ("", "0")),
    ),
    Rule(
        203,
        "A start that may be skewed makes runs overlap.",
        "Set allow_skew = 0.",
        _setting("allow_skew", lambda value: value not in ("", "0")),
    ),
    Rule(
        204,
        "Two runs of one search at a time write twice.",
        "Set max_concurrent = 1.",
        _setting("max_concurrent", lambda value: value not in ("", "1")),
    ),
    Rule(
        205,
        "The default allows partial results: a dead indexer gives half features and no error.",
        "Set dispatch.allow_partial_results = false.",
        _setting(
            "dispatch.allow_partial_results",
            _on,
            lambda app: [text for text in scheduled(app) if text.writes or text.has("fit")],
        ),
    ),
    Rule(
        206,
        "Runs that fail or are skipped are lost.",
        "Make the search durable: durable.track_time_type = _time (or _indextime).",
        _setting(
            "durable.track_time_type",
            lambda value: not value,
            lambda app: [text for text in _writers(app) if text.has("collect", "mcollect")],
        ),
    ),
    Rule(
        207,
        "A durable search without these does not say what it runs again.",
        "Set durable.backfill_type = time_interval and durable.max_backfill_intervals = 288.",
        _durable,
    ),
    Rule(
        208,
        "The lag is in the window already; durable.lag_time adds another.",
        "Set durable.lag_time = 0.",
        _setting("durable.lag_time", lambda value: value not in ("", "0")),
    ),
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
    Rule(212, "More than 12 starts an hour.", "Run it every 5 minutes or less often.", _often),
    Rule(
        213,
        "A scheduled search that begins with a search needs a lower bound of time.",
        "Set dispatch.earliest_time.",
        _unbounded,
    ),
    Rule(
        214,
        "Features that are backfilled are never scored by a window of _time.",
        "Read the summary by index time: dispatch.index_earliest and a wide dispatch.earliest_time.",
        _by_time,
    ),
    Rule(
        215,
        "An alert that does not fire.",
        "Set alert.track = 1, counttype = number of events, relation = greater than, quantity = 0.",
        _alerts,
    ),
    Rule(
        216,
        "It depends on the time zone of the search's owner.",
        "Use epoch arithmetic and spans that divide an hour.",
        _zones,
    ),
    Rule(
        217,
        "A window that follows a data skew must not be set in durable searches.",
        "Remove allow_data_time_skew.",
        _setting("allow_data_time_skew", lambda value: bool(value) and _on(value)),
    ),
    Rule(218, "Writers that start in the same minutes wait for each other.", "Stagger the minutes.", _together),
    Rule(
        219,
        "What durable searches track must be the time that the window is made of.",
        "_indextime with dispatch.index_earliest, _time without.",
        _tracked,
    ),
    Rule(
        220,
        "A scoring by index time has no windows that a gap could be found in.",
        'Alert on what it missed, by key: stats count(eval(kind="prediction")) AS n BY event_key | where n=0.',
        _nothing_missed,
    ),
    Rule(
        221,
        "An alert without suppression repeats itself in every run that still sees the same rows.",
        "Set alert.suppress = 1 and a period; for an alert by row also the fields that tell rows apart.",
        _repeating,
    ),
)
