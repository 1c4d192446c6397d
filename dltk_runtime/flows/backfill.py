"""History for a flow: its saved search dispatched for one window after the other, as its schedule would have run it.

::

    saved search in Splunk ── its cron and times → windows of the period ── those with a whole run record are left out
                                                                         └─ the others: dispatched, a few at a time

A window that is run twice leaves duplicates in the index, which nothing reads. So an interrupted backfill may begin
anywhere; what it has done is written down all the same, since Splunk shows a run record only after a while, and metrics
have none.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
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

DAY = 86_400
FIRST_LOOK, LONGEST_LOOK = 0.1, 2.0  # seconds between two looks at the jobs that run
LAST_TRY = 1.0  # seconds for cancelling a job: somebody waits for the prompt
# Whole windows: of features as many rows as the run record says, of a scoring all rows with a prediction.
_FEATURES = (
    '(kind="row" OR kind="run") | stats dc(eval(if(kind="row",event_key,null()))) AS have '
    'max(eval(if(kind="run",rows,null()))) AS rows count(eval(kind="run")) AS runs BY win_start win_end '
    "| where runs>0 AND have>=rows"
)
_SCORES = 'kind="run" | stats max(rows) AS rows max(scored) AS scored BY win_start win_end | where scored>=rows'


@dataclass(frozen=True, slots=True)
class Window:
    """Epoch seconds: `begin` is part of it, `end` is not."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{_shown(self.begin)} to {_shown(self.end)}"


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved search as Splunk has it now, with what people changed of it."""

    name: str
    settings: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.settings["search"])

    def windows(self, begin: float, end: float, now: float) -> list[Window]:
        """The windows inside of the period that the schedule has had until `now`, oldest first.

        Raises:
            FlowInvalid: the search has no windows of time, or they leave gaps or overlap.
        """
        schedule = str(self.settings.get("cron_schedule") or "")
        if not schedule or self.settings.get("dispatch.index_earliest"):
            raise FlowInvalid(f"the saved search {self.name} has no schedule of windows of time: nothing to fill")
        starts = cron.starts(schedule, begin, min(end + 2 * DAY, now))
        found = sorted(set(map(self._window, starts)), key=lambda each: each.begin)
        for one, other in itertools.pairwise(found):
            if one.end != other.begin:
                raise FlowInvalid(f"the windows of the saved search {self.name} do not meet: {one}, then {other}")
        return [each for each in found if begin <= each.begin and each.end <= end]

    def whole(self, flow: str) -> str:
        """A search for the windows that have a whole run record; none when it leaves no records."""
        indexes = [option(stage.arguments, "index") for stage in stages(self.text) if stage.name == "collect"]
        if not any(indexes):
            return ""
        feature_set = re.search(r'feature_set="\w+"', self.text)
        kind = _FEATURES if 'kind="row"' in self.text else _SCORES
        own = f'flow="{flow}" {feature_set[0] if feature_set else ""}'
        return f"search index={indexes[0]} {own} {kind} | table win_start win_end"

    def _window(self, start: float) -> Window:
        try:
            times = [epoch(str(self.settings.get(f"dispatch.{name}_time")), start) for name in ("earliest", "latest")]
        except NotEmulated as error:
            raise FlowInvalid(f"the times of the saved search {self.name} cannot be read here: {error}") from error
        return Window(*map(int, times))


def saved_search(connection: Connection, flow: str) -> Saved:
    """The search of a flow that fills windows: the one that writes features, else the one that scores.

    Raises:
        NotThere: it has neither; the connection's app or the flow's name is wrong.
        SplunkError: as `Connection.call`.
    """
    names = f"dltk_{flow}_features", f"dltk_{flow}_score"
    with contextlib.suppress(NotThere):
        return _fetched(connection, names[0])
    return _fetched(connection, names[1])


@dataclass(frozen=True, slots=True)
class Backfill:
    """Runs `saved` of `flow` for windows, at most `at_once` at a time. `connection` is within the flow's app.

    `folder` takes the file with the windows that are done, until all are.
    """

    connection: Connection
    flow: str
    saved: Saved
    folder: Path
    at_once: int

    def missing(self, windows: Sequence[Window]) -> list[Window]:
        """Those of them that are to be run: without a whole run record, and not done by an interrupted backfill."""
        done = self._done() | self._recorded(windows)
        return [each for each in windows if each not in done]

    def run(self, windows: Sequence[Window], tell: Callable[[int], None]) -> None:
        """Run them all, oldest first; `tell` is told how many are done.

        Raises:
            FlowFailed: one of them failed, or Splunk does not answer for longer than its patience, refuses the token, …
                Those that run are cancelled, and those that are done stay so.
        """
        waiting, running, done, pause = list(reversed(windows)), dict[Window, Job](), 0, FIRST_LOOK
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
                tell(done)
                pause = FIRST_LOOK if ended else min(pause * 1.5, LONGEST_LOOK)
        self._file.unlink(missing_ok=True)

    def _dispatched(self, window: Window) -> Job:
        """A job for the window. When an answer is lost there may be two, which is why each row has a key."""

        def once() -> Job:
            return Job.dispatch(self.saved.name, window.begin, window.end, connection=self.connection)

        with _named(window):
            return retry(once, self.connection.patience)

    def _recorded(self, windows: Sequence[Window]) -> set[Window]:
        text = self.saved.whole(self.flow)
        if not text or not windows:
            return set()
        rows = search(text, windows[0].begin, windows[-1].end, connection=self.connection, progress=False)
        pairs = rows.itertuples(index=False, name=None) if len(rows) else ()
        return {Window(int(begin), int(end)) for begin, end in pairs}

    @property
    def _file(self) -> Path:
        return self.folder / quote(f"{self.connection.host}:{self.connection.port} {self.saved.name}", safe="")

    def _done(self) -> set[Window]:
        """What an interrupted backfill has noted; a kill can cut its last line."""
        try:
            lines = self._file.read_text(encoding="ascii").splitlines(keepends=True)
        except FileNotFoundError:
            return set()
        return {Window(*map(int, line.split())) for line in lines if line.endswith("\n")}

    def _note(self, window: Window) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="ascii") as file:
                file.write(f"{window.begin} {window.end}\n")
        except OSError as error:
            raise atomic.not_stored("What is done of the backfill", self._file, error) from error


@contextlib.contextmanager
def _cancelled_on_failure(running: dict[Window, Job]) -> Iterator[None]:
    """Cancel what still runs, so that a second backfill does not come on top of the first one's jobs."""
    try:
        yield
    except BaseException:  # Ctrl-C too
        for job in running.values():
            with contextlib.suppress(SplunkError):
                job.cancel(LAST_TRY)
        raise


@contextlib.contextmanager
def _named(window: Window) -> Iterator[None]:
    """Let an error say which window it was, and what next."""
    try:
        yield
    except SplunkError as error:
        raise FlowFailed(
            f"the window {window} was not filled. {error.sentence} Windows that are done stay so: the same command "
            "goes on from there"
        ) from error


def _ended(window: Window, job: Job) -> bool:
    with _named(window):
        return job.ended()


def _fetched(connection: Connection, name: str) -> Saved:
    path = client.PATH_SAVED_SEARCHES + client.UrlEncoded(name, encode_slash=True)
    found = connection.call(f"saved search {name!r}", lambda service: client.SavedSearch(service, path))
    return Saved(name, dict(found.content))


def _shown(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
