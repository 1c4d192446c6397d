"""The functions of stats, by name, with what they take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.statistics.accumulators import (
    Accumulator,
    ByTime,
    Count,
    Distinct,
    Extreme,
    InOrder,
    Moments,
    Percentile,
    Range,
)
from dltk_runtime.errors import nearest

_PERCENTILE = re.compile(r"(?:exact|upper)?perc(\d{1,2}(?:\.\d+)?)|p(\d{1,2}(?:\.\d+)?)")

Make = Callable[[], Accumulator | ByTime]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One function of stats; `form` is its line in the documentation.

    `streams` tells whether streamstats runs it. `repeatable` ones do not depend on the order of
    rows, and run in the scheduled searches of flows too.
    """

    make: Make
    form: str
    streams: bool = True
    repeatable: bool = False
    needs_field: bool = True


STATISTICS: Mapping[str, Statistic] = {
    "avg": Statistic(partial(Moments, "avg"), "avg(field)", repeatable=True),
    "c": Statistic(Count, "c or c(field)", needs_field=False),
    "count": Statistic(
        Count, "count, count(field) or count(eval(condition)) AS name", repeatable=True, needs_field=False
    ),
    "dc": Statistic(partial(Distinct, "dc"), "dc(field)", repeatable=True),
    "distinct_count": Statistic(partial(Distinct, "dc"), "distinct_count(field)"),
    "earliest": Statistic(partial(ByTime, "earliest"), "earliest(field)", streams=False),
    "first": Statistic(partial(InOrder, "first"), "first(field)"),
    "last": Statistic(partial(InOrder, "last"), "last(field)"),
    "latest": Statistic(partial(ByTime, "latest"), "latest(field)", streams=False),
    "list": Statistic(partial(InOrder, "list"), "list(field)"),
    "max": Statistic(partial(Extreme, "max"), "max(field)", repeatable=True),
    "mean": Statistic(partial(Moments, "avg"), "mean(field)"),
    "median": Statistic(partial(Percentile, 50, median=True), "median(field)"),
    "min": Statistic(partial(Extreme, "min"), "min(field)", repeatable=True),
    "mode": Statistic(partial(Distinct, "mode"), "mode(field)", streams=False),
    "range": Statistic(Range, "range(field)"),
    "stdev": Statistic(partial(Moments, "stdev"), "stdev(field)"),
    "stdevp": Statistic(partial(Moments, "stdevp"), "stdevp(field)"),
    "sum": Statistic(partial(Moments, "sum"), "sum(field)", repeatable=True),
    "sumsq": Statistic(partial(Moments, "sumsq"), "sumsq(field)"),
    "values": Statistic(partial(Distinct, "values"), "values(field)"),
    "var": Statistic(partial(Moments, "var"), "var(field)"),
    "varp": Statistic(partial(Moments, "varp"), "varp(field)"),
}
PERCENTILES_FORM = "perc95(field), p95(field), exactperc95(field), upperperc95(field)"

# Functions of Splunk that do not run here, each with its reason.
NOT_HERE: Mapping[str, str] = {
    "earliest_time": "use min(_time)",
    "estdc": "it is an estimate by Splunk's own digest; use dc",
    "estdc_error": "it is an estimate by Splunk's own digest",
    "latest_time": "use max(_time)",
    "per_day": "use bin _time span=1d and stats",
    "per_hour": "use bin _time span=1h and stats",
    "per_minute": "use bin _time span=1m and stats",
    "per_second": "use bin _time span=1s and stats",
    "rate": "use streamstats",
    "rate_avg": "use streamstats",
    "rate_sum": "use streamstats",
    "sparkline": "Splunk Web draws it",
}


def find_statistic(name: str, *, streamed: bool) -> Statistic:
    """Return the function `name`, also ``perc95`` and its kin.

    Raises:
        SearchInvalid: it does not run here.
    """
    percentile = _PERCENTILE.fullmatch(name)
    if percentile:
        return Statistic(partial(Percentile, float(percentile[1] or percentile[2])), PERCENTILES_FORM)
    if name in NOT_HERE:
        raise SearchInvalid(f"the function {name}() runs in Splunk only: {NOT_HERE[name]}")
    if name not in STATISTICS:
        known = ", ".join([*STATISTICS, "perc95"])
        raise SearchInvalid(f"the function {name!r} is none of those here ({known}).{nearest(name, STATISTICS)}")
    found = STATISTICS[name]
    if streamed and not found.streams:
        raise SearchInvalid(f"the function {name}() of streamstats runs in Splunk only")
    if streamed and name == "values":
        return Statistic(partial(Distinct, "values", streamed=True), found.form)
    return found
