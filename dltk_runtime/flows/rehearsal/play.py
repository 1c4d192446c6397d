"""One simulated run after the other, in the order of their schedules; trainings are waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.mltk.results import MessageLevel, Result
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import Search
from dltk_runtime.flows.errors import FlowFailed
from dltk_runtime.flows.rehearsal.people import Reviewer
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.flows.rehearsal.world import BEGIN, DAY, World
from dltk_runtime.flows.spl import has_command

# When people work: hours of the day.
REVIEW_HOUR = 18
_ALERT = "number of events"


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one search."""

    at: float
    search: Search


@dataclass(slots=True)
class Tally:
    """What one search did over all its runs."""

    runs: int = 0
    rows: int = 0
    fired: int = 0
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Played:
    """What happened: a tally for each search, labels by day, and what could not run, with the reason."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    labels: Counter[int] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)  # jobs of trainings that had no rows: guards held them back

    def note(self, search: Search, result: Result) -> None:
        tally = self.tallies.setdefault(search.name, Tally())
        tally.runs += 1
        tally.rows += len(result.frame)
        tally.fired += search.stanza.get("counttype") == _ALERT and len(result.frame) > 0
        # An apply over no rows at all is answered with an error, and changes nothing.
        if len(result.frame):
            tally.errors.update(message.text for message in result.messages if message.level is MessageLevel.ERROR)


@dataclass(slots=True)
class Player:
    """Plays an app: `outage` says which runs do not happen, `tell` is told what each day brought."""

    world: World
    runtime: Runtime
    reviewer: Reviewer | None = None
    labels_a_day: int = 200
    outage: Callable[[Run], bool] = lambda _: False
    tell: Callable[[str], None] = lambda _: None
    played: Played = field(default_factory=Played)

    def play(self, days: int) -> Played:
        """A day brings data and features, somebody trains by hand, and for `days` days all searches run."""
        runnable = self._runnable()
        first = BEGIN + DAY
        for run in schedule([each for each in runnable if not _needs_model(self.world, each)], BEGIN, first):
            self.run(run)
        self._train_first(runnable, first)
        for day in range(1, days + 1):
            begin = BEGIN + day * DAY
            self._day(runnable, begin)
            self.tell(self._said(day))
        return self.played

    def run(self, run: Run) -> Result | None:
        """One start, unless there is an outage; a training is waited for."""
        if self.outage(run):
            return None
        try:
            result = self.world.run(run.search, run.at)
        except SearchError as error:
            self.played.tallies.setdefault(run.search.name, Tally()).errors[error.sentence] += 1
            return None
        self._check_answered(run, result)
        self.played.note(run.search, result)
        if has_command(self.world.app.readable(run.search), "fit"):
            self._trained(result)
        return result

    def _check_answered(self, run: Run, result: Result) -> None:
        """A runtime that is dead or does not answer would make each of the hundreds of runs wait in vain."""
        for message in result.messages:
            if isinstance(message.error, Unreachable):
                raise FlowFailed(f"{run.search.name}: {message.text} {self.runtime.log_end()}")

    def _trained(self, result: Result) -> None:
        """Wait for the fit; one without rows is what the guards of a training are for, and no fault."""
        jobs = self.runtime.wait()
        if jobs and result.frame.get("rows_sent", pd.Series(dtype=object)).tolist() == [0]:
            self.played.idle.add(jobs[-1].id)

    def _day(self, searches: Sequence[Search], begin: float) -> None:
        review = begin + REVIEW_HOUR * 3600
        for low, high in ((begin, review), (review, begin + DAY)):
            for run in schedule(searches, low, high):
                self.run(run)
            if high == review and self.reviewer:
                judged = self.reviewer.judge(self.world, review, self.labels_a_day)
                self.played.labels[round((begin - BEGIN) / DAY)] += judged

    def _train_first(self, searches: Sequence[Search], now: float) -> None:
        """What the README has a person do by hand: the first training."""
        trainings = [search for search in searches if has_command(self.world.app.readable(search), "fit")]
        unscheduled = [search for search in trainings if not search.scheduled]
        waiting = [search for search in searches if search.name.endswith("_rescore")]
        for search in (unscheduled or trainings)[:1] + waiting:
            self.run(Run(now, search))

    def _runnable(self) -> list[Search]:
        """Saved searches whose whole text runs here; the others are noted with the reason."""
        found = []
        for search in self.world.app.searches:
            if search.view:
                continue
            try:
                self.world.check(search, BEGIN)
            except SearchError as error:
                # A model that nobody has fitted yet is no fault of the text.
                if "does not exist." not in error.sentence or "model" not in error.sentence:
                    self.played.refused[search.name] = error.sentence
                    continue
            found.append(search)
        return found

    def _said(self, day: int) -> str:
        jobs, rows = self.runtime.jobs(), len(self.world.predictions())
        errors = sum(sum(tally.errors.values()) for tally in self.played.tallies.values())
        labels = f", {self.played.labels.total():,} labels" if self.reviewer else ""
        return f"day {day}: {rows:,} rows scored so far{labels}, {len(jobs)} fits, {errors} errors"


def schedule(searches: Sequence[Search], begin: float, end: float) -> Iterator[Run]:
    """Every start of the scheduled ones among `searches`, by time, then by the order of their file."""
    starts = [
        (moment, number, search)
        for number, search in enumerate(searches)
        if search.scheduled
        for moment in cron.starts(search.stanza.get("cron_schedule"), begin, end)
    ]
    for moment, _, search in sorted(starts, key=lambda start: start[:2]):
        yield Run(moment, search)


def _needs_model(world: World, search: Search) -> bool:
    return has_command(world.app.readable(search), "fit", "apply") or search.stanza.get("counttype") == _ALERT
