"""What the searches write to: indexes, run records, lookups, collections and the entries of models."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from dltk_runtime import booleans
from dltk_runtime.doctor.finding import Finding, error, ok, unknown, warning
from dltk_runtime.doctor.flow import crowded
from dltk_runtime.doctor.flow.installed import COLLECTIONS, LOOKUPS, TRANSFORMS, Installed
from dltk_runtime.doctor.flow.records import RunRecord, gap, records
from dltk_runtime.doctor.flow.splunk import SearchHead
from dltk_runtime.emulator.mltk.stubs import PREFIX, SUFFIX
from dltk_runtime.flows.rights import needs
from dltk_runtime.texts import counted, listed

INDEXES = "/services/data/indexes"
STATISTICS = "/services/server/introspection/kvstore/collectionstats"
# What one search reads of a collection at most, by default: limits.conf [kvstore] max_rows_per_query.
MAX_COLLECTION_ROWS = 50_000


def indexes(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check that what the searches write to is there, and of the right kind."""
    known = {str(each["name"]): each for each in splunk.rest.entries(INDEXES, datatype="all")[0]}
    writes = {(each.target, each.command) for _, each in installed.flow.writes() if each.command != "outputlookup"}
    for index, command in sorted(writes):
        wanted, entry = "metric" if command == "mcollect" else "event", known.get(index)
        kind = str(entry.get("datatype") or "event") if entry else ""
        where = f"{INDEXES}/{index}"
        if entry is None:
            advice = "Install the app for indexers on the indexers, and on the search head too: it holds indexes.conf."
            text = f"{index} is not on this search head; whether indexers have it shows in the run records"
            yield unknown("indexes", text, advice, where=where)
        elif booleans.parse_conf(entry.get("disabled")) or booleans.parse_conf(entry.get("isReadOnly")):
            advice = "Enable it: what is written to it is lost."
            yield error("indexes", f"{index} is disabled or read-only", advice, where=where)
        elif kind != wanted:
            advice = f"Set datatype = {wanted}, which only a new index takes, or name another one in the macro."
            yield error(
                "indexes", f"{index} is an index of {kind}s, and {command} writes {wanted}s", advice, where=where
            )
        else:
            yield ok("indexes", f"{index} takes {wanted}s", where=where)


def runs(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check the last run record of each search that leaves one."""
    now = time.time()
    for record in records(installed):
        place = f"index={record.index} kind={record.kind}"
        if not splunk.me.searches(record.index):
            text = f"{record.search.name}: the token's user may not search index={record.index}"
            yield unknown("runs", text, "Ask with the token of a user who may.", where=place)
            continue
        found = splunk.rows(record.query, f"-{record.days}d@d", "+1d")
        last = next((row for row in found if row.get("at")), None)
        yield _judged(record, last, place, now, running=installed.runs(record.search))


def _judged(record: RunRecord, last: object, place: str, now: float, *, running: bool) -> Finding:
    name = record.search.name
    if not isinstance(last, dict):
        text = f"{name}: no run record in {record.days} days"
        if not running:
            return unknown("runs", f"{text}; its schedule is off", where=place)
        return error("runs", text, "Look at its jobs (Activity, Jobs) and its index.", where=place)
    age = now - float(last.get("until") or last["at"])
    rows, scored = (int(float(last.get(key) or 0)) for key in ("rows", "scored"))
    said = f"{name}: last run record {age / 60:,.0f} minutes old, {rows:,} rows in {record.days} days"
    if running and age > record.patience(now):
        advice = f"It should be written every {gap(record.search, now) / 60:,.0f} minutes: see skipped searches below."
        return error("runs", said, advice, where=place)
    if record.scores and scored < rows:
        advice = "The container failed or a feature was null: 'dltk doctor', and the alert health."
        return error("runs", f"{said}, {rows - scored:,} of them not scored", advice, where=place)
    return ok("runs", f"{said}, all scored" if record.scores else said, where=place)


def models(_: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check that every model that is applied has its entry, and say which are trained."""
    wanted = [(flow.search.name, model) for flow in installed.flow.searches for model in needs(flow).applied]
    where = installed.path(LOOKUPS)
    for model in sorted({model for _, model in wanted}):
        fitting = listed(flow.search.name for flow in installed.flow.searches if model in needs(flow).fitted)
        if f"{PREFIX}{model}{SUFFIX}" in installed.seen[LOOKUPS]:
            yield ok("models", f"{model} has its entry", where=where)
        else:
            applied = listed({name for name, each in wanted if each == model})
            advice = f"Run {fitting} once by hand, as its owner." if fitting else "No search of the app fits it."
            yield error("models", f"{model} has no entry, so it cannot be applied by {applied}", advice, where=where)


def collections(splunk: SearchHead, installed: Installed) -> Iterator[Finding]:
    """Check the definitions of lookups, and the sizes of the app's collections."""
    used = {name for each in installed.flow.searches for name in needs(each).read_lookups | needs(each).written_lookups}
    known = installed.seen[TRANSFORMS].keys() | installed.seen[LOOKUPS].keys()
    if missing := {name for name in used if "$" not in name} - known:
        advice = "Install the app again, or share the lookup from the app that has it."
        yield error(
            "collections", f"no lookup of that name: {listed(missing)}", advice, where=installed.path(TRANSFORMS)
        )
    own = installed.own(COLLECTIONS)
    counts = _counts(splunk, installed.name) if own else {}
    for name in sorted(own):
        count = counts.get(name)
        if count is None:
            yield unknown("collections", f"{name}: its size is not told", where=STATISTICS)
        elif count > MAX_COLLECTION_ROWS:
            text = f"{name} has {count:,} records, of which one search reads {MAX_COLLECTION_ROWS:,}"
            yield warning("collections", text, crowded.advice(installed.name, name), where=STATISTICS)
        else:
            yield ok("collections", f"{name} has {counted(count, 'record')}", where=STATISTICS)


def _counts(splunk: SearchHead, app: str) -> dict[str, int]:
    """Return the numbers of records by collection."""
    told = [text for entry in splunk.rest.entries(STATISTICS)[0] for text in entry.get("data") or []]
    statistics = [json.loads(each) for each in told]
    begin = f"{app}."
    return {each["ns"].removeprefix(begin): int(each["count"]) for each in statistics if each["ns"].startswith(begin)}
