"""``dltk flow backfill``: history window by window, a few at a time, and an end that comes in between is no matter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.spl.rows import rows_of
from dltk_runtime.emulator.spl.values import text
from dltk_runtime.emulator.standin import Window as Times
from dltk_runtime.flows.backfill import Backfill, BackfillWindow, Saved, saved_search
from dltk_runtime.flows.errors import FlowFailed, FlowInvalid
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings, Settings
from dltk_runtime.splunk.errors import NotThere, TokenRefused
from dltk_runtime.tls import certificate
from tests.emulator.container import TOKEN, standin
from tests.flows.helpers import NOBODY, count, flow_of, predicting, search_of, world_of
from tests.splunkd import Splunkd
from tests.support.service import ROOT, until

# Six windows of five minutes; the third and the last have no events.
SAMPLE = """offset,query,verdict
10,blue.com,good
20,x4kq9zt7bd.net,bad
310,q8w7zx5k2.com,bad
910,coffee.net,good
1190,zz9plk4h7t.info,bad
1210,blue.com,good
"""
MIDNIGHT, FIVE, HALF_AN_HOUR, LAG = int(BEGIN), 300, 1800, 420
ALL = [BackfillWindow(MIDNIGHT + FIVE * number, MIDNIGHT + FIVE * (number + 1)) for number in range(6)]
INDEX = "dltk_x"


@dataclass
class History:
    """A Splunk with a flow's app; `dispatched` counts the windows that its saved search was started for."""

    world: World
    dispatched: Counter[BackfillWindow] = field(default_factory=Counter)
    held: set[BackfillWindow] = field(default_factory=set)  # whose searches wait …
    release: threading.Event = field(default_factory=threading.Event)  # … for this
    failing: set[BackfillWindow] = field(default_factory=set)
    splunkd: Splunkd = field(init=False)

    def run(self, search: str, times: Times, now: float) -> Iterable[dict[str, str | None]]:
        """What the stand-in runs; a search that collects is the flow's."""
        window = BackfillWindow(int(times.earliest), int(times.latest))
        if "| collect" in search:
            self.dispatched[window] += 1
            if window in self.held:
                self.release.wait(60)
            if window in self.failing:
                raise SearchInvalid("the indexer idx3 is down")
        frame = run(search, self.world.at(now, times)).frame
        yield from ({name: text(value) for name, value in row.items()} for row in rows_of(frame))

    def backfill(self, folder: Path, at_once: int = 2, patience: float = 0.3) -> Backfill:
        connection = self.splunkd.connection(patience)
        return Backfill(connection, "x", saved_search(connection, "x"), folder, at_once)

    def fill(self, folder: Path) -> list[BackfillWindow]:
        """All of the half hour; the windows that were run."""
        filling = self.backfill(folder)
        missing = filling.missing(windows(filling.saved))
        filling.run(missing, lambda _: None)
        return missing


@contextmanager
def history(
    folder: Path, kind: str = "summary", client: ClientSettings = NOBODY, pair: tuple[Path, Path] | None = None
) -> Iterator[History]:
    made = History(world_of(flow_of(kind), folder, client, SAMPLE))
    with Splunkd(made.run, storage=made.world.storage, app="dltk_flow_x", certificate=pair) as made.splunkd:
        for search in made.world.app.searches:
            if not search.view:
                made.splunkd.searches.saved[search.name] = {**search.stanza.settings, "search": search.text}
        yield made


def windows(saved: Saved, begin: float = BEGIN, end: float = BEGIN + HALF_AN_HOUR) -> list[BackfillWindow]:
    return saved.windows(begin, end, BEGIN + 86_400)


@pytest.fixture
def summary(tmp_path: Path) -> Iterator[History]:
    with history(tmp_path / "flow") as made:
        yield made


def read(world: World) -> list[dict[str, Any]]:
    """What training and scoring read, without when it was written."""
    rows = world.ask("`dltk_x_rows` | table event_key win_start entity f_len f_digits y", BEGIN + 86_400)
    found: list[dict[str, Any]] = rows.sort_values("event_key").to_dict("records")
    return found


def scheduled(world: World, but: Iterable[int] = ()) -> None:
    """The runs of the schedule over the half hour, without some."""
    for number, window in enumerate(ALL):
        if number not in but:
            world.run(search_of(world, "features"), window.end + LAG)


# Which windows


def test_windows_are_those_of_the_schedule_and_meet(summary: History) -> None:
    saved = saved_search(summary.splunkd.connection(), "x")
    assert saved.name == "dltk_x_features"
    assert windows(saved) == ALL
    assert windows(saved, BEGIN + 1, BEGIN + HALF_AN_HOUR - 1) == ALL[1:-1]
    assert saved.windows(BEGIN, BEGIN + HALF_AN_HOUR, BEGIN + 2 * FIVE + LAG + 60) == ALL[:2]


def test_what_people_changed_of_the_schedule_counts(summary: History) -> None:
    summary.splunkd.searches.saved["dltk_x_features"] |= {
        "cron_schedule": "*/10 * * * *",
        "dispatch.earliest_time": "-20m@m",
        "dispatch.latest_time": "-10m@m",
    }
    found = windows(saved_search(summary.splunkd.connection(), "x"))
    assert found == [BackfillWindow(MIDNIGHT + begin, MIDNIGHT + begin + 600) for begin in (0, 600, 1200)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dispatch.latest_time": "-8m@m"}, "leave a gap or overlap"),
        ({"cron_schedule": ""}, "no schedule with windows"),
        ({"dispatch.index_earliest": "-7m@m"}, "no schedule with windows of time"),
        ({"dispatch.earliest_time": "-1mon@mon"}, "cannot read the times"),
    ],
)
def test_a_search_without_windows_that_meet_is_refused(summary: History, changes: dict[str, str], message: str) -> None:
    summary.splunkd.searches.saved["dltk_x_features"] |= changes
    with pytest.raises(FlowInvalid, match=message):
        windows(saved_search(summary.splunkd.connection(), "x"))


# What is filled


def test_history_that_was_filled_is_read_as_if_the_schedule_had_run(summary: History, tmp_path: Path) -> None:
    assert summary.fill(tmp_path / "done") == ALL
    with history(tmp_path / "whole") as whole:
        scheduled(whole.world)
        assert read(summary.world) == read(whole.world)
    assert len(read(summary.world)) == 6
    assert summary.fill(tmp_path / "done") == []


def test_windows_with_a_whole_run_record_are_left_out_and_halves_are_not(summary: History, tmp_path: Path) -> None:
    scheduled(summary.world, but=(1, 2))
    events = summary.world.storage.indexes[INDEX]._events
    events.remove(next(each for each in events if each.fields.get("entity") == "coffee.net"))
    assert summary.fill(tmp_path) == [ALL[1], ALL[2], ALL[3]]
    assert [row["entity"] for row in read(summary.world)].count("coffee.net") == 1


def test_another_version_of_the_features_is_another_history(summary: History, tmp_path: Path) -> None:
    scheduled(summary.world)
    saved = summary.splunkd.searches.saved["dltk_x_features"]
    saved["search"] = saved["search"].replace('feature_set="v1"', 'feature_set="v2"')
    assert summary.fill(tmp_path) == ALL


def test_a_scoring_is_filled_where_rows_have_no_prediction(tmp_path: Path) -> None:
    with standin() as container, history(tmp_path / "flow", "direct") as direct:
        container.answer = predicting
        world = direct.world.calling(ClientSettings(url=container.url, token=TOKEN))
        score = search_of(world, "score")
        world.run(score, ALL[0].end + LAG)
        direct.world.run(score, ALL[1].end + LAG)  # no container: a failed apply is a successful search
        direct.world = world
        assert direct.fill(tmp_path) == ALL[1:]
        assert count(world, INDEX, kind="prediction") == 6
        assert direct.fill(tmp_path) == []


# At most so many, and ends of every kind


def test_no_more_windows_run_at_a_time_than_were_asked_for(summary: History, tmp_path: Path) -> None:
    summary.held = set(ALL)
    filling = summary.backfill(tmp_path, at_once=3)
    told: list[int] = []
    thread = threading.Thread(target=filling.run, args=[ALL, told.append])
    thread.start()
    until(lambda: len(told) >= 3)
    assert sorted(summary.dispatched, key=lambda each: each.begin) == ALL[:3]
    summary.release.set()
    thread.join()
    assert summary.dispatched == Counter(ALL)
    assert told[-1] == len(ALL)


@pytest.mark.process
def test_a_kill_in_the_middle_is_gone_on_from(tmp_path: Path, paths: Paths) -> None:
    """By the command line, over TLS; Splunk does not show the run records of the first one yet."""
    pair = certificate(Settings(home=tmp_path / "tls", host="127.0.0.1"))
    with history(tmp_path / "flow", pair=pair) as made:
        made.held = {ALL[3]}
        first = started(made.splunkd, paths)
        until(lambda: made.dispatched[ALL[4]] and noted(paths) == {ALL[0], ALL[1], ALL[2], ALL[4], ALL[5]}, 60)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        made.release.set()
        written = list(made.world.storage.indexes[INDEX]._events)
        until(lambda: not any(job.state == "RUNNING" for job in made.splunkd.searches.jobs.values()))
        made.world.storage.indexes[INDEX]._events.clear()
        said, _ = started(made.splunkd, paths).communicate(timeout=60)
        assert "dltk_x_features: 6 windows, 5 of them completed before.\n1 windows filled.\n" in said, said
        assert made.dispatched == Counter(ALL) + Counter([ALL[3]])
        made.world.storage.indexes[INDEX]._events += written
        assert len(read(made.world)) == 6
        assert not noted(paths)


def started(splunkd: Splunkd, paths: Paths) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dltk_runtime.cli", "flow", "backfill", "x", "--from", "2026-01-05"]
    variables = {**os.environ, **splunkd.variables, "DLTK_HOME": str(paths.home)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*command, "--to", "2026-01-05T00:30"], env=variables, cwd=ROOT, **pipes)


def noted(paths: Paths) -> set[BackfillWindow]:
    """What is written down as done."""
    return {
        BackfillWindow(*map(int, line.split()))
        for path in paths.backfills.glob("*")
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    }


def test_a_window_that_fails_is_named_others_are_cancelled_and_the_rest_comes_later(
    summary: History, tmp_path: Path
) -> None:
    summary.failing, summary.held = {ALL[1]}, {ALL[2]}
    with pytest.raises(FlowFailed, match=r"2026-01-05T00:05:00Z to 2026-01-05T00:10:00Z was not filled.*idx3 is down"):
        summary.fill(tmp_path)
    assert summary.dispatched[ALL[3]] == 0
    assert not any("RUNNING" in job.state for job in summary.splunkd.searches.jobs.values())
    summary.failing, summary.held = set(), set()
    summary.release.set()
    assert summary.fill(tmp_path) == ALL[1:]
    assert len(read(summary.world)) == 6


def test_a_splunk_that_is_down_or_refuses_ends_it_with_what_is_done(summary: History, tmp_path: Path) -> None:
    filling = summary.backfill(tmp_path, at_once=1)  # so that none is on its way when Splunk goes down

    def stops(done: int) -> None:
        if done == 2:
            summary.splunkd.faults.down = 10**6

    with pytest.raises(FlowFailed, match=r"was not filled\. No answer from Splunk.*run the same command to continue"):
        filling.run(ALL, stops)
    summary.splunkd.faults.down = 0
    assert len(summary.fill(tmp_path)) == 4
    summary.splunkd.sessions.clear()
    with pytest.raises(TokenRefused, match="splunk_access_token"):
        summary.fill(tmp_path)


def test_a_busy_splunk_is_asked_again(summary: History, tmp_path: Path) -> None:
    filling = summary.backfill(tmp_path, patience=10)
    summary.splunkd.faults.busy = 3
    filling.run(ALL, lambda _: None)
    assert len(read(summary.world)) == 6


def test_a_flow_that_is_not_there_is_told(summary: History) -> None:
    with pytest.raises(NotThere, match="saved search 'dltk_y_score'"):
        saved_search(summary.splunkd.connection(), "y")
