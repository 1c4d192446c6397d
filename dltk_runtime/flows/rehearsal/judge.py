"""Judge a rehearsed flow by more than errors: what was missed, what people see, which alerts fire.

::

    end of the last day ─┬─ rows that came against rows that were scored
                         ├─ alerts that fire though nothing is wrong
                         ├─ panels and reports: refused, failing or empty
                         ├─ the overview's own count of missed rows against the records
                         └─ then, on purpose, what ``alarms`` breaks: each must fire its alert
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.rehearsal.alarms import alarms, alert_rows, alerts, nothing_late, pause
from dltk_runtime.flows.rehearsal.challengers import REPORT as COMPARED
from dltk_runtime.flows.rehearsal.world import World
from dltk_runtime.flows.spl import has_command, stages
from dltk_runtime.units import DAY_SECONDS

# Of the dashboards: what a person sees who has chosen nothing yet.
TOKENS: Mapping[str, str] = {"tick": "0", "why": "any", "env:user": "a second person"}
_TOKEN = re.compile(r"\$([\w:]+)(?:\|s)?\$")
PANEL_SPAN = "1h"  # of a day, as panels show it
_QUIET = ("gaps", "incomplete", "unscored", "health", "late")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Faults of the flow, and what could not be run here, with the reason."""

    faults: tuple[str, ...]
    not_run: tuple[str, ...]


def judge(world: World, now: float) -> Verdict:
    """Judge the flow at `now`, the end of its last day, in epoch seconds.

    The faults on purpose come last, and leave their records in the world.
    """
    verdict = look(world, now)
    return replace(verdict, faults=(*verdict.faults, *alarms(world, now)))


def look(world: World, now: float) -> Verdict:
    """Judge the flow without breaking anything."""
    faults: list[str] = [*_missed(world), *_firing(world, now)]
    not_run: list[str] = []
    for search in _shown(world):
        try:
            _look(world, search, now, faults)
        except SearchError as error:
            said = f"{search.view or 'report'}, {search.name}: {error.sentence}"
            (faults if is_fault(error.sentence) else not_run).append(said)
    if said := nothing_late(world):
        not_run.append(f"a source that is late: {said}")
    return Verdict(tuple(faults), tuple(not_run))


def is_fault(refusal: str) -> bool:
    """Return whether a search that is refused here would be refused by Splunk too."""
    return refusal.startswith("unknown macro")


def counts(world: World) -> tuple[int, int]:
    """Return the rows that came and those that were scored, by the run records; a window counts once."""
    kind = "scored" if _records(world, "scored") else "run"
    latest = {(row.get("win_start") or number): row for number, row in enumerate(_records(world, kind))}
    scored = [row for row in latest.values() if row.get("scored")]
    return sum(int(row["rows"]) for row in scored), sum(int(row["scored"]) for row in scored)


def _records(world: World, kind: str) -> list[dict[str, str]]:
    return [row for index in world.storage.indexes for row in index.rows() if row.get("kind") == kind]


def _missed(world: World) -> Iterator[str]:
    came, scored = counts(world)
    if scored < came:
        yield f"{came - scored:,} of {came:,} rows were not scored, though nothing was wrong with the container"


def _firing(world: World, now: float) -> Iterator[str]:
    for search in alerts(world):
        if search.name.endswith(_QUIET) and (rows := len(alert_rows(world, search, now))):
            yield f"{search.name}: fires at the end of the rehearsal, with {rows:,} rows, though no run failed"


def _shown(world: World) -> Iterator[AppSearch]:
    """Yield the searches that people look at: panels and reports that write nothing and need no click."""
    for search in world.app.searches:
        text = world.app.readable(search)
        passive = not has_command(text, "collect", "mcollect", "outputlookup", "fit", "apply")
        waits = set(_TOKEN.findall(search.text)) - set(TOKENS)
        report = not search.view and (not search.scheduled or search.name.endswith("_report"))
        if passive and not waits and (search.view or report):
            yield search


def _look(world: World, search: AppSearch, now: float, faults: list[str]) -> None:
    day = (
        None
        if search.stanza.get("dispatch.earliest_time")[:1] in "-@"
        else Window(now - max(DAY_SECONDS, 3 * pause(world)), now)
    )
    shown = replace(search, text=_with_span(search.text))
    frame = world.run(shown, now, day, tokens=dict(TOKENS)).frame
    place = f"{search.view}.xml, {search.name}" if search.view else search.name
    if frame.empty and not search.name.startswith(("second_", "mine_")) and not search.name.endswith(COMPARED):
        faults.append(f"{place}: is empty, though the flow ran")
    if "missed" in frame and search.view == "overview":
        missed = str(frame["missed"].iloc[0])
        if not missed.removesuffix(".0").isdigit():
            faults.append(f"{place}: says {missed!r} of the rows that were not scored")


def _with_span(text: str) -> str:
    """Return the search with a span for each ``timechart``, which Splunk chooses by the time range otherwise."""
    for stage in reversed(stages(text)):
        if stage.name == "timechart" and "span=" not in stage.arguments:
            text = f"{text[: stage.head]} span={PANEL_SPAN}{text[stage.head :]}"
    return text
