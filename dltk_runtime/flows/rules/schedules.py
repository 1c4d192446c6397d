"""Chapter 2: settings of scheduled searches, and when they start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dltk_runtime.flows import cron
from dltk_runtime.flows.app import App
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rules.rule import NOON, Found, Rule, Text, scheduled, writers
from dltk_runtime.units import HOUR_SECONDS


def _setting(
    key: str, wrong: Callable[[str], bool], of: Callable[[App], list[Text]] = writers
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
    for text in writers(app):
        stanza = text.search.stanza
        if stanza.get("durable.track_time_type") and (
            stanza.get("durable.backfill_type") != "time_interval" or not stanza.get("durable.max_backfill_intervals")
        ):
            yield Found(text.where, "durable.backfill_type or durable.max_backfill_intervals")


def _often(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        try:
            starts = list(cron.starts(text.search.stanza.get("cron_schedule"), NOON, NOON + HOUR_SECONDS))
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


def _alerts(app: App, _: Sequence[App]) -> Iterator[Found]:
    needed = {"alert.track": "1", "relation": "greater than", "quantity": "0"}
    for text in scheduled(app):
        stanza = text.search.stanza
        if stanza.get("counttype") and (wrong := [key for key, value in needed.items() if stanza.get(key) != value]):
            yield Found(text.where, ", ".join(wrong))


def _together(app: App, _: Sequence[App]) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for text in writers(app):
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
    for text in writers(app):
        stanza = text.search.stanza
        by_index, tracked = bool(stanza.get("dispatch.index_earliest")), stanza.get("durable.track_time_type")
        if tracked and (tracked == "_indextime") != by_index:
            yield Found(text.where, f"durable.track_time_type = {tracked}")


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
            lambda app: [text for text in writers(app) if text.has("collect", "mcollect")],
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
    Rule(212, "More than 12 starts an hour.", "Run it every 5 minutes or less often.", _often),
    Rule(
        213,
        "A scheduled search that begins with a search needs a lower bound of time.",
        "Set dispatch.earliest_time.",
        _unbounded,
    ),
    Rule(
        215,
        "An alert that does not fire.",
        "Set alert.track = 1, counttype = number of events, relation = greater than, quantity = 0.",
        _alerts,
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
        222,
        "A search that is ended after some time hands on what it has: half a window, with a whole run record.",
        "Leave dispatch.max_time to alerts and reports; apply and fit have time limits of their own.",
        _setting("dispatch.max_time", lambda value: value not in ("", "0")),
    ),
    Rule(
        221,
        "An alert without suppression repeats itself in every run that still sees the same rows.",
        "Set alert.suppress = 1 and a period; for an alert by row also the fields that tell rows apart.",
        _repeating,
    ),
)
