"""The run records that searches of a flow write: which there are, and how old the last one may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dltk_runtime.doctor.flow.installed import Installed
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.standin import epoch
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.units import DAY_SECONDS

KINDS = ("run", "scored")
DAYS = 2  # in which the last record is looked for, and longer where a search starts more rarely
RESERVE_SECONDS = 900.0  # of a search that runs long, and of indexing
_WEEK_SECONDS = 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The run record of one search: its index, and the values by which it is found."""

    search: AppSearch
    index: str
    kind: str
    flow: str
    scores: bool  # it counts rows that were scored

    @property
    def days(self) -> int:
        """For how many days it is looked for."""
        return max(DAYS, 2 * round(gap(self.search, 0.0) / DAY_SECONDS))

    @property
    def query(self) -> str:
        """The search for the last record."""
        of_flow = f' flow="{self.flow}"' if self.flow else ""
        return (
            f'search index={self.index}{of_flow} kind="{self.kind}" '
            "| stats count AS records max(_time) AS at max(win_end) AS until sum(rows) AS rows sum(scored) AS scored"
        )

    def patience(self, now: float) -> float:
        """Return the seconds that the end of the last window may lie behind, if every run was in time."""
        try:
            lag = now - epoch(self.search.stanza.get("dispatch.latest_time") or "now", now)
        except SearchError:
            lag = 0.0
        return max(lag, 0.0) + 2 * gap(self.search, now) + RESERVE_SECONDS


def records(installed: Installed) -> Iterator[RunRecord]:
    """Yield the run records that the app's scheduled searches write, each once.

    A search that writes several windows has a form for each; one that counts scored rows is enough.
    """
    found: dict[tuple[str, ...], RunRecord] = {}
    for record in _forms(installed):
        key = record.search.name, record.index, record.kind, record.flow
        if key not in found or record.scores:
            found[key] = record
    yield from found.values()


def _forms(installed: Installed) -> Iterator[RunRecord]:
    """Yield one record for each form of each write."""
    for flow, write in installed.flow.writes():
        for shape in write.shapes if write.command == "collect" and flow.search.scheduled else ():
            kinds = [kind for kind in KINDS if kind in shape.values.get("kind", ())]
            flows = sorted(shape.values.get("flow", ()))
            for kind in kinds:
                yield RunRecord(flow.search, write.target, kind, flows[0] if flows else "", shape.has("scored"))


def gap(search: AppSearch, now: float) -> float:
    """Return the longest time between two starts of a search within a week, in seconds."""
    schedule = search.stanza.get("cron_schedule")
    try:
        midnight = now - now % DAY_SECONDS  # so that a schedule is computed once a day
        return cron.longest_pause(schedule, midnight, midnight + _WEEK_SECONDS + DAY_SECONDS) or _WEEK_SECONDS
    except FlowInvalid:
        return DAY_SECONDS
