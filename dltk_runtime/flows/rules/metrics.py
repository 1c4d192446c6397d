"""Chapter 5: metrics indexes and accelerated data models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules.rule import NOON, Found, Rule, Text, moment, scheduled, texts
from dltk_runtime.flows.rules.windows import interval_of, window_starts
from dltk_runtime.units import DAY_SECONDS

_LEAST_LAG = 600  # seconds: two intervals of the default acceleration


def _metrics_text(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("mcollect"):
            if "split=true" not in arguments.lower() or not text.has("fields", "table"):
                yield Found(text.where, "mcollect without split=true, or without fields before it")


def _summed(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("mstats"):
            yield from (Found(text.where, f"mstats {each}") for each in re.findall(r"\b(?:sum|count)\(", arguments))


def _unsummarised(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("tstats"):
            if "datamodel" in arguments and not (
                "summariesonly=t" in arguments and "allow_old_summaries=f" in arguments
            ):
                yield Found(text.where, "tstats")


def _not_first(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        late = [name for name, _ in text.commands[1:] if name in ("tstats", "mstats")]
        yield from (Found(text.where, f"{name} is not the first command") for name in late)


def _datatype(app: App, apps: Sequence[App]) -> Iterator[Found]:
    metric = {stanza.name: stanza.get("datatype") == "metric" for each in apps for stanza in each.conf("indexes.conf")}
    for text in texts(app):
        for name, arguments in text.commands:
            match = re.search(r"index\s*=\s*\"?([^\s\"]+)", arguments) if name in ("collect", "mcollect") else None
            if match and metric.get(match[1], name == "mcollect") != (name == "mcollect"):
                yield Found(text.where, f"{name} into the index {match[1]}")


def _too_early(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        if text.writes and any("datamodel" in arguments for arguments in text.of("tstats")):
            latest = text.search.stanza.get("dispatch.latest_time")
            end = moment(latest or "now")
            if end is not None and end > NOON - _LEAST_LAG:
                yield Found(text.where, f"dispatch.latest_time = {latest or '(missing)'}")


def _null_groups(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("tstats"):
            by = re.split(r"\bby\b", arguments, flags=re.IGNORECASE)[1:]
            groups = [word for word in by[0].split() if word != "_time" and "=" not in word] if by else []
            if len(groups) > 1 and "fillnull_value" not in arguments:
                yield Found(text.where, f"BY {' '.join(groups)}")


def _cut_bins(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        for span in _spans(text) if text.writes else ():
            starts = window_starts(text)
            if any(start % span for start in starts):
                earliest = text.search.stanza.get("dispatch.earliest_time")
                yield Found(text.where, f"span={span // 60}m, and a window that begins at {earliest}")


def _other_span(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        interval = interval_of(text.search)
        for span in _spans(text) if text.writes and interval else ():
            if span != interval and not _whole_days(interval or 0, span):
                yield Found(text.where, f"span={span // 60}m in windows of {interval:.0f} s")


def _whole_days(interval: float, span: int) -> bool:
    """Return whether a run reads a day of whole bins, each as it was scored."""
    return interval >= DAY_SECONDS and interval % span == 0


def _spans(text: Text) -> list[int]:
    """Return the spans of ``tstats`` and ``mstats`` in seconds."""
    found = (re.findall(r"\bspan=(\d+)([smh])\b", each) for each in text.of("tstats", "mstats"))
    return [int(count) * {"s": 1, "m": 60, "h": 3600}[unit] for each in found for count, unit in each]


RULES = (
    Rule(
        511,
        "mcollect makes a measure of every field that is not listed, text too.",
        "Name what goes on with fields, and the dimensions behind split=true.",
        _metrics_text,
    ),
    Rule(
        512,
        "A second run adds points to a metrics index.",
        "Read with latest, max or avg, never sum or count.",
        _summed,
    ),
    Rule(
        513,
        "tstats leaves out or mixes in what is not summarised yet.",
        "Write summariesonly=t allow_old_summaries=f, and lag two intervals of the acceleration.",
        _unsummarised,
    ),
    Rule(514, "tstats and mstats come first in a search.", "Put what is before them behind them.", _not_first),
    Rule(
        521,
        "mcollect writes to metrics indexes alone, and collect to the others.",
        "Set datatype = metric in indexes.conf, on the search head too.",
        _datatype,
    ),
    Rule(
        522,
        "What an acceleration has not summarised yet is left out without a word.",
        "End the window two intervals of the acceleration ago: dispatch.latest_time = -10m@m for one of five minutes.",
        _too_early,
    ),
    Rule(
        523,
        "A row with a null in one of the group fields is dropped.",
        'Write fillnull_value="unknown" into tstats.',
        _null_groups,
    ),
    Rule(
        526,
        "The window begins inside a bin: every bin is seen twice, each time in part, and training sees it whole.",
        "Let windows begin at multiples of the span: minute of the run minus earliest, divided by it, leaves nothing.",
        _cut_bins,
    ),
    Rule(
        527,
        "Bins of another length than the window: rows of other features than those of the training.",
        "Make span, window and interval of the schedule one length.",
        _other_span,
    ),
)
