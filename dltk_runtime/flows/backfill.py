"""Fill a flow's history: dispatch its saved search for each window of its schedule.

::

    saved search ── its cron and times → windows of the period ─┬─ with a complete run record: skipped
                                                                └─ others: dispatched, a few at once

A window that runs twice leaves duplicates in the index, which no search reads. So a backfill can
be interrupted anywhere. The completed windows are also noted in a file, because Splunk shows a run
record only after a while, and metrics have no run records.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from splunklib import client

from dltk_runtime.emulator.standin import NotEmulated, epoch
from dltk_runtime.files import atomic
from dltk_runtime.flows import cron
from dltk_runtime.flows.errors import FlowFailed, FlowInvalid
from dltk_runtime.flows.spl import option, stages
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import NotThere, SplunkError
from dltk_runtime.splunk.job import Job
from dltk_runtime.splunk.retry import retry
from dltk_runtime.splunk.search import search
from dltk_runtime.units import DAY_SECONDS, HOUR_SECONDS

# Between two polls of the running jobs.
FIRST_POLL_SECONDS = 0.1
MAX_POLL_SECONDS = 2.0
# For cancelling one job after Ctrl-C.
CANCEL_SECONDS = 1.0
# Complete windows have as many rows of features, or predictions, as the run record states.
_FEATURES = (
    '(kind="row" OR kind="run") | stats dc(eval(if(kind="row",event_key,null()))) AS have '
    'max(eval(if(kind="run",rows,null()))) AS rows count(eval(kind="run")) AS runs BY win_start win_end '
    "| where runs>0 AND have>=rows"
)
# How a search says that it writes the windows that have ended within so many seconds.
_SEVERAL = re.compile(r"win_end>floor\(info_max_time\)-(\d+)")
_SCORES = 'kind="run" | stats max(rows) AS rows max(scored) AS scored BY win_start win_end | where scored>=rows'


@dataclass(frozen=True, slots=True)
class BackfillWindow:
    """A window of time in epoch seconds, `end` excluded."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{_iso(self.begin)} to {_iso(self.end)}"


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved search with the settings that it has in Splunk now, local changes included."""

    name: str
    settings: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.settings["search"])

    def windows(self, begin: float, end: float, now: float) -> list[BackfillWindow]:
        """Return the windows within the period that the schedule had until `now`, oldest first.

        Times are epoch seconds.

        Raises:
            FlowInvalid: the search has no schedule or selects by index time, or its windows leave
                gaps or overlap.
        """
        schedule = str(self.settings.get("cron_schedule") or "")
        if not schedule or self.settings.get("dispatch.index_earliest"):
            raise FlowInvalid(f"the saved search {self.name} has no schedule with windows of time: nothing to fill")
        starts = cron.starts(schedule, begin, min(end + 2 * DAY_SECONDS, now))
        found = sorted(set(map(self._window, starts)), key=lambda each: each.begin)
        several = self.writes_back
        for one, other in itertools.pairwise(found):
            if other.end - one.end > several if several else one.end != other.begin:
                raise FlowInvalid(
                    f"the windows of the saved search {self.name} leave a gap or overlap: {one}, then {other}"
                )
        if several:
            return [each for each in found if begin < each.end and each.end - several < end]
        return [each for each in found if begin <= each.begin and each.end <= end]

    @property
    def writes_back(self) -> int:
        """Return for how many seconds back a start writes each window that has ended; 0 where it writes its own."""
        said = _SEVERAL.search(self.text)
        return int(said[1]) if said else 0

    def completed(self, flow: str) -> str:
        """Return a search for windows with complete run records; "" if there are no records."""
        indexes = [option(stage.arguments, "index") for stage in stages(self.text) if stage.name == "collect"]
        if not any(indexes):
            return ""
        feature_set = re.search(r'feature_set="\w+"', self.text)
        kind = _FEATURES if 'kind="row"' in self.text else _SCORES
        own = f'flow="{flow}" {feature_set[0] if feature_set else ""}'
        return f"search index={indexes[0]} {own} {kind} | table win_start win_end"

    def _window(self, start: float) -> BackfillWindow:
        try:
            times = [epoch(str(self.settings.get(f"dispatch.{name}_time")), start) for name in ("earliest", "latest")]
        except NotEmulated as error:
            raise FlowInvalid(
                f"cannot read the times of the saved search {self.name}: {error.sentence.removesuffix('.')}"
            ) from error
        return BackfillWindow(*map(int, times))


def saved_search(connection: Connection, flow: str) -> Saved:
    """Fetch the search that fills windows: the one that writes features, else the one that scores.

    Raises:
        NotThere: the flow has neither; the app of the connection or the name of the flow is wrong.
        SplunkError: as `Connection.call`.
    """
    names = f"dltk_{flow}_features", f"dltk_{flow}_score"
    with contextlib.suppress(NotThere):
        return _fetched(connection, names[0])
    return _fetched(connection, names[1])


@dataclass(frozen=True, slots=True)
class Backfill:
    """Run the search `saved` of `flow` for windows, at most `at_once` at a time.

    `connection` is within the flow's app. A file in `folder` lists the completed windows until all
    are completed.
    """

    connection: Connection
    flow: str
    saved: Saved
    folder: Path
    at_once: int

    def missing(self, windows: Sequence[BackfillWindow]) -> list[BackfillWindow]:
        """Return the windows that no run record and no interrupted backfill shows as completed."""
        done = self._done() | self._recorded(windows)
        return [each for each in windows if each not in done]

    def run(self, windows: Sequence[BackfillWindow], report: Callable[[int], None]) -> None:
        """Run all windows, oldest first; call `report` with the number of completed ones.

        Raises:
            FlowFailed: a window failed, or Splunk refused a request or did not answer within the
                connection's patience. Running jobs are cancelled; completed windows stay completed.
        """
        waiting, running, done, pause = list(reversed(windows)), dict[BackfillWindow, Job](), 0, FIRST_POLL_SECONDS
        with _cancelled_on_failure(running):
            while waiting or running:
                while waiting and len(running) < self.at_once:
                    window = waiting.pop()
                    running[window] = self._dispatched(window)
                time.sleep(pause)
                ended = [window for window, job in running.items() if _ended(window, job)]
                for window in ended:
                    self._note(window)
                    del running[window]
                done += len(ended)
                report(done)
                pause = FIRST_POLL_SECONDS if ended else min(pause * 1.5, MAX_POLL_SECONDS)
        self._file.unlink(missing_ok=True)

    def _dispatched(self, window: BackfillWindow) -> Job:
        """Start a job for the window; a lost answer can lead to two, so each row has a key."""

        def once() -> Job:
            return Job.dispatch(self.saved.name, window.begin, window.end, connection=self.connection)

        with _named(window):
            return retry(once, self.connection.patience)

    def _recorded(self, windows: Sequence[BackfillWindow]) -> set[BackfillWindow]:
        text = self.saved.completed(self.flow)
        if not text or not windows:
            return set()
        rows = search(text, windows[0].begin, windows[-1].end, connection=self.connection, progress=False)
        pairs = rows.itertuples(index=False, name=None) if len(rows) else ()
        recorded = {BackfillWindow(int(begin), int(end)) for begin, end in pairs}
        if several := self.saved.writes_back:
            return {each for each in windows if _all_written(each, recorded, several)}
        return recorded

    @property
    def _file(self) -> Path:
        return self.folder / quote(f"{self.connection.host}:{self.connection.port} {self.saved.name}", safe="")

    def _done(self) -> set[BackfillWindow]:
        """Read the windows that an interrupted backfill noted; a kill can cut the last line."""
        try:
            lines = self._file.read_text(encoding="ascii").splitlines(keepends=True)
        except FileNotFoundError:
            return set()
        return {BackfillWindow(*map(int, line.split())) for line in lines if line.endswith("\n")}

    def _note(self, window: BackfillWindow) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="ascii") as file:
                file.write(f"{window.begin} {window.end}\n")
        except OSError as error:
            raise atomic.not_stored("The progress of the backfill", self._file, error) from error


def _all_written(start: BackfillWindow, recorded: Iterable[BackfillWindow], several: int) -> bool:
    """Return whether the windows that ended in the last `several` seconds of a start's range have records.

    Of long ones, whose starts read an hour more, one is enough: a start before wrote the other.
    """
    ended = sum(each.end - each.begin for each in recorded if start.end - several < each.end <= start.end)
    return ended >= several - (2 * HOUR_SECONDS if several > HOUR_SECONDS else 0)


@contextlib.contextmanager
def _cancelled_on_failure(running: dict[BackfillWindow, Job]) -> Iterator[None]:
    """Cancel the running jobs on an error, so that a second backfill does not run beside them."""
    try:
        yield
    except BaseException:  # Ctrl-C too
        for job in running.values():
            with contextlib.suppress(SplunkError):
                job.cancel(CANCEL_SECONDS)
        raise


@contextlib.contextmanager
def _named(window: BackfillWindow) -> Iterator[None]:
    """Add the window, and what to do next, to an error."""
    try:
        yield
    except SplunkError as error:
        raise FlowFailed(
            f"the window {window} was not filled. {error.sentence} Completed windows are kept: run the same command "
            "to continue"
        ) from error


def _ended(window: BackfillWindow, job: Job) -> bool:
    with _named(window):
        return job.ended()


def _fetched(connection: Connection, name: str) -> Saved:
    path = client.PATH_SAVED_SEARCHES + client.UrlEncoded(name, encode_slash=True)
    found = connection.call(f"saved search {name!r}", lambda service: client.SavedSearch(service, path))
    return Saved(name, dict(found.content))


def _iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
