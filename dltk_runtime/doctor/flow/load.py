"""What the schedules add to the search head, against what it runs at once, and what it skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dltk_runtime.doctor.finding import Finding, error, ok, unknown, warning
from dltk_runtime.doctor.flow.installed import Installed
from dltk_runtime.doctor.flow.splunk import SearchHead
from dltk_runtime.doctor.rest import Refused
from dltk_runtime.flows.burden import burden
from dltk_runtime.texts import counted

CONCURRENCY = "/services/server/status/limits/search-concurrency"
LIMITS = "/services/configs/conf-limits"
SERVER = "/services/server/info"
SCHEDULER = "index=_internal sourcetype=scheduler"
PERCENT = 100
_SKIPPED = "skipped"


def load(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Compare the burden that `flow new` prints with the scheduler's limit."""
    adding = burden([each for each in installed.scheduled if installed.runs(each)])
    allowed, where = _limit(splunk)
    text = f"{adding}; this search head runs {allowed} scheduled searches at once"
    if adding.at_once > allowed:
        advice = "Spread their schedules over the minutes, or give the search head more cores."
        yield error("load", text, advice, where=where)
    elif 2 * adding.at_once > allowed:
        advice = "Spread their schedules: with those of other apps they will be skipped or late."
        yield warning("load", text, advice, where=where)
    else:
        yield ok("load", text, where=where)


def _limit(splunk: SearchHead) -> tuple[int, str]:
    """Return the number of scheduled searches that run at once, and where it is said.

    limits.conf: (max_searches_per_cpu * cores + base_max_searches) * max_searches_perc / 100.
    """
    try:
        told = splunk.rest.get(CONCURRENCY)[0]
        return int(told["max_hist_scheduled_searches"]), CONCURRENCY
    except (Refused, KeyError):
        search, scheduler = (splunk.rest.get(f"{LIMITS}/{name}")[0] for name in ("search", "scheduler"))
        server = splunk.rest.get(SERVER)[0]
        cores = int(server.get("numberOfVirtualCores") or server["numberOfCores"])
        at_once = int(search["max_searches_per_cpu"]) * cores + int(search["base_max_searches"])
        return at_once * int(scheduler["max_searches_perc"]) // PERCENT, f"{LIMITS}, {SERVER}"


def skipped(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Count what the scheduler skipped in a day, by what it writes of itself."""
    if not splunk.me.searches("_internal"):
        text = "the token's user may not search index=_internal"
        yield unknown("skipped", text, "Ask with the token of a user who may.", where=SCHEDULER)
        return
    query = (
        f'search {SCHEDULER} app="{installed.name}" | fillnull value="-" reason '
        "| stats count AS runs BY savedsearch_name status reason"
    )
    found = splunk.rows(query, "-24h", "now")
    times: Counter[str] = Counter()
    for row in found:
        times["all"] += int(float(row["runs"]))
        times[row["status"]] += int(float(row["runs"]))
    if not found and any(map(installed.runs, installed.scheduled)):
        yield unknown("skipped", "the scheduler says nothing of this app in a day", where=SCHEDULER)
    elif not times[_SKIPPED]:
        yield ok("skipped", f"none of {counted(times['all'], 'start')} in a day", where=SCHEDULER)
    for row in found:
        if row["status"] == _SKIPPED:
            text = f"{row['savedsearch_name']}: {row['runs']} times in a day: {row['reason']}"
            advice = "See load above; durable searches run their windows again, others have a hole: see the alert gaps."
            yield warning("skipped", text, advice, where=SCHEDULER)
