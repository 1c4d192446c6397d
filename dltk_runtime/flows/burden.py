"""What an app's schedules add to a search head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.units import DAY_SECONDS

# A midnight, so that a day of starts has all its daily ones; epoch seconds.
_MIDNIGHT = 1_767_571_200.0


@dataclass(frozen=True, slots=True)
class Burden:
    """Scheduled searches, their starts, and how many of them start in the busiest minute of a day."""

    searches: int
    starts_a_day: int
    at_once: int

    def __str__(self) -> str:
        hourly = round(self.starts_a_day / 24)
        return f"{self.searches} scheduled searches, {hourly} starts an hour, at most {self.at_once} in the same minute"


def burden(searches: Iterable[AppSearch]) -> Burden:
    """Count the starts of a day; a schedule that cannot be read counts as a search without starts."""
    minutes: Counter[float] = Counter()
    scheduled = [search for search in searches if search.scheduled]
    for search in scheduled:
        try:
            minutes.update(cron.starts(search.stanza.get("cron_schedule"), _MIDNIGHT, _MIDNIGHT + DAY_SECONDS))
        except (FlowInvalid, SearchInvalid):
            continue  # rule 212 reports it
    return Burden(len(scheduled), minutes.total(), max(minutes.values(), default=0))
