"""Run an app's searches in the order of their schedules, and wait for trainings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.mltk.results import MessageLevel, Result, SearchMessage
from dltk_runtime.emulator.spl.indexing import LOST
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.errors import FlowFailed
from dltk_runtime.flows.rehearsal.adding import Adder
from dltk_runtime.flows.rehearsal.people import Reviewer
from dltk_runtime.flows.rehearsal.runtime import Runtime
from dltk_runtime.flows.rehearsal.tuning import Tuned, Tuner
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.spl import has_command, makes_status
from dltk_runtime.texts import counted
from dltk_runtime.units import DAY_SECONDS

# The hour of the day at which reviewers label.
REVIEW_HOUR = 18
_ALERT_CONDITION = "number of events"


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """One start of one search; `at` is in epoch seconds."""

    at: float
    search: AppSearch


@dataclass(slots=True)
class Tally:
    """Counts over all runs of one search; `fired` counts runs of an alert that found rows."""

    runs: int = 0
    rows: int = 0
    fired: int = 0
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class RehearsalResult:
    """Tallies by search, labels by day, and the reasons of searches that cannot run here."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    labels: Counter[int] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)  # jobs of trainings that sent no rows
    tuned: list[Tuned] = field(default_factory=list)
    not_shown: list[str] = field(default_factory=list)  # panels and reports that cannot run here, with the reason

    def note(self, search: AppSearch, result: Result) -> None:
        tally = self.tallies.setdefault(search.name, Tally())
        tally.runs += 1
        tally.rows += len(result.frame)
        tally.fired += search.stanza.get("counttype") == _ALERT_CONDITION and len(result.frame) > 0
        # An apply without rows is answered with an error that changes nothing.
        if len(result.frame):
            tally.errors.update(message.text for message in result.messages if _is_error(message))


@dataclass(slots=True)
class Player:
    """Run an app's searches; `outage` selects skipped runs, `report` gets a line for each day."""

    world: World
    runtime: Runtime
    reviewer: Reviewer | None = None
    labels_a_day: int = 200
    tuner: Tuner | None = None
    adder: Adder | None = None
    days_before: int = 1
    outage: Callable[[ScheduledRun], bool] = lambda _: False
    report: Callable[[str], None] = lambda _: None
    result: RehearsalResult = field(default_factory=RehearsalResult)

    def play(self, days: int) -> RehearsalResult:
        """Run `days_before` days without the model, train it, then run all searches for `days` days."""
        runnable = self._runnable()
        first = BEGIN + self.days_before * DAY_SECONDS
        for run in schedule([each for each in runnable if not _needs_model(self.world, each)], BEGIN, first):
            self.run(run)
        self._train_first(runnable, first)
        for day in range(1, days + 1):
            begin = first + (day - 1) * DAY_SECONDS
            self._day(runnable, begin)
            self.report(self._summary(day))
        return self.result

    def run(self, run: ScheduledRun) -> Result | None:
        """Run one search, unless in an outage, and wait for the end of a training."""
        if self.outage(run):
            return None
        try:
            result = self.world.run(run.search, run.at)
        except SearchError as error:
            self.result.tallies.setdefault(run.search.name, Tally()).errors[error.sentence] += 1
            return None
        self._check_answered(run, result)
        self.result.note(run.search, result)
        if has_command(self.world.app.readable(run.search), "fit"):
            self._trained(run.search, result)
        return result

    def _check_answered(self, run: ScheduledRun, result: Result) -> None:
        """Raise at the first unanswered request: hundreds of runs would wait for a timeout."""
        for message in result.messages:
            if isinstance(message.error, Unreachable):
                raise FlowFailed(f"{run.search.name}: {message.text} {self.runtime.log_end()}")

    def _trained(self, search: AppSearch, result: Result) -> None:
        """Wait for the fit; a later one without rows is no fault: a search may need more labels.

        Raises:
            FlowFailed: it failed, or the first one sent no rows: nothing after it could be judged.
        """
        jobs = self.runtime.wait()
        if result.frame.get("rows_sent", pd.Series(dtype=object)).tolist() == [0]:
            if not any(job.state == "succeeded" for job in jobs):
                raise FlowFailed(f"{search.name}: the first training sent no rows. {self._before()}")
            self.result.idle.update(job.id for job in jobs[-1:])
        elif jobs and jobs[-1].state != "succeeded":
            raise FlowFailed(f"{search.name}: the training failed: {jobs[-1].message} {self.runtime.log_end()}")

    def _before(self) -> str:
        """Return what a training without rows may come of: searches that failed before it, or what it reads."""
        failed = [f"{name}: {next(iter(tally.errors))}" for name, tally in self.result.tallies.items() if tally.errors]
        advice = (
            "Look at what it reads: the base and prepare macros over sample.csv, the window, and whether the target is "
            "null everywhere"
        )
        return f"Before it failed {'; '.join(failed)}" if failed else advice

    def _day(self, searches: Sequence[AppSearch], begin: float) -> None:
        review = begin + REVIEW_HOUR * 3600
        for low, high in ((begin, review), (review, begin + DAY_SECONDS)):
            for run in schedule(searches, low, high):
                self.run(run)
            if high == review and self.reviewer:
                judged = self.reviewer.judge(self.world, review, self.labels_a_day)
                self.result.labels[round((begin - BEGIN) / DAY_SECONDS) - self.days_before + 1] += judged
            if high == review and self.adder:
                self.adder.add(self.world, review)
            if high == review and self.tuner:
                change = self.tuner.tune(self.world, review, self.result.tuned)
                self.result.tuned.extend([change] if change else [])

    def _train_first(self, searches: Sequence[AppSearch], now: float) -> None:
        """Run what users run by hand according to the README: the status search, the first training."""
        fits = [search for search in searches if has_command(self.world.app.readable(search), "fit")]
        status = [search for search in fits if makes_status(self.world.app.readable(search))]
        trainings = [search for search in fits if search not in status]
        unscheduled = [search for search in trainings if not search.scheduled]
        waiting = [search for search in searches if search.name.endswith("_rescore")]
        for search in status + (unscheduled or trainings)[:1] + waiting:
            self.run(ScheduledRun(now, search))

    def _runnable(self) -> list[AppSearch]:
        """Return the saved searches that can run here; note the reason for all others."""
        found = []
        for search in self.world.app.searches:
            if search.view:
                continue
            try:
                self.world.check(search, BEGIN)
            except SearchError as error:
                # A model that is not fitted yet is no reason.
                if "does not exist." not in error.sentence or "model" not in error.sentence:
                    self.result.refused[search.name] = error.sentence
                    continue
            found.append(search)
        return found

    def _summary(self, day: int) -> str:
        jobs, rows = self.runtime.jobs(), len(self.world.predictions())
        errors = sum(sum(tally.errors.values()) for tally in self.result.tallies.values())
        labels = f", {counted(self.result.labels.total(), 'label')}" if self.reviewer else ""
        done = f"{counted(len(jobs), 'fit')}, {counted(errors, 'error')}"
        return f"day {day}: {counted(rows, 'row')} scored so far{labels}, {done}"


def schedule(searches: Sequence[AppSearch], begin: float, end: float) -> Iterator[ScheduledRun]:
    """Yield every start of the scheduled searches, by time, then in the order of `searches`."""
    starts = [
        (moment, number, search)
        for number, search in enumerate(searches)
        if search.scheduled
        for moment in cron.starts(search.stanza.get("cron_schedule"), begin, end)
    ]
    for moment, _, search in sorted(starts, key=lambda start: start[:2]):
        yield ScheduledRun(moment, search)


def _is_error(message: SearchMessage) -> bool:
    return message.level is MessageLevel.ERROR or message.text.endswith(LOST)


def _needs_model(world: World, search: AppSearch) -> bool:
    return has_command(world.app.readable(search), "fit", "apply") or search.stanza.get("counttype") == _ALERT_CONDITION
