"""Search jobs: pages past 50,000 rows, saved searches over a window, and an end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.standin import Row, Window
from dltk_runtime.splunk.errors import (
    NotThere,
    ResultsCut,
    SearchFailed,
    SearchInterrupted,
    SplunkBusy,
    SplunkUnreachable,
)
from dltk_runtime.splunk.job import Job
from tests.splunkd import Splunkd
from tests.support.service import until

runs: list[tuple[str, float, float]] = []


def count_rows(search: str, window: Window, now: float) -> Iterable[Row]:
    """``… rows=N``: N numbered rows. ``… bad`` cannot be parsed, ``… breaks`` fails after some rows."""
    runs.append((search, window.earliest, window.latest))
    if "bad" in search.split():
        raise SearchInvalid("Error in 'bad' command: there is no such command")
    return _rows(search)


def _rows(search: str) -> Iterator[Row]:
    count = int(next(word.partition("=")[2] for word in search.split() if word.startswith("rows=")))
    yield from ({"n": str(number)} for number in range(count))
    if "breaks" in search.split():
        raise SearchInvalid("the third row is too long")


pytestmark = pytest.mark.splunkd(run_search=count_rows)


@pytest.fixture(autouse=True)
def _no_runs_yet() -> None:
    runs.clear()


@pytest.mark.parametrize("page", [50_000, 7_000])
def test_all_pages_are_read_however_long_splunk_makes_them(splunkd: Splunkd, page: int) -> None:
    splunkd.faults.page = page
    frame = Job.start("index=main rows=60001", connection=splunkd.connection()).frame()
    assert frame["n"].tolist() == list(range(60001))


def test_rows_that_splunk_does_not_keep_are_an_error(splunkd: Splunkd) -> None:
    job = Job.start("index=main rows=10", connection=splunkd.connection())
    job.wait()
    splunkd.faults.page = 0
    with pytest.raises(ResultsCut, match="returned 0 of the 10 rows"):
        list(job.rows())


def test_a_job_without_rows_is_an_empty_frame(splunkd: Splunkd) -> None:
    assert Job.start("index=main rows=0", connection=splunkd.connection()).frame().empty


def test_a_job_has_a_log(splunkd: Splunkd) -> None:
    job = Job.start("index=main rows=1", connection=splunkd.connection())
    job.wait()
    assert "search index=main rows=1" in job.log()


def test_a_wrong_search_and_a_failing_one_say_what_splunk_says(splunkd: Splunkd) -> None:
    with pytest.raises(SearchFailed, match="there is no such command"):
        Job.start("| bad", connection=splunkd.connection())
    with pytest.raises(SearchFailed, match="the third row is too long"):
        Job.start("index=main rows=2 breaks", connection=splunkd.connection()).frame()


def test_a_saved_search_runs_over_the_window_it_is_given(splunkd: Splunkd) -> None:
    splunkd.searches.saved["features"] = {"search": "search index=main rows=3", "dispatch.earliest_time": "500"}
    assert len(Job.dispatch("features", 1000, 1300, connection=splunkd.connection()).frame()) == 3
    Job.dispatch("features", connection=splunkd.connection()).wait()
    assert [earliest for _, earliest, _ in runs] == [1000, 500]
    with pytest.raises(NotThere, match="no saved search 'feature '"):
        Job.dispatch("feature ", connection=splunkd.connection())


def test_a_dispatch_whose_answer_is_lost_is_not_repeated(splunkd: Splunkd) -> None:
    splunkd.searches.saved["collects"] = {"search": "search index=main rows=3 | collect index=s"}
    connection = splunkd.connection()
    Job.dispatch("collects", connection=connection).wait()
    # The next answer but one (after the saved search itself was asked for) is lost.
    real, answers = splunkd.faults.due, iter([False, True])
    splunkd.faults.due = lambda name: name == "lost" and next(answers, False)  # type: ignore[method-assign]
    with pytest.raises(SplunkUnreachable, match="broke"):
        Job.dispatch("collects", connection=connection)
    splunkd.faults.due = real  # type: ignore[method-assign]
    assert len(runs) == 2


def test_a_job_over_its_time_is_cancelled_in_splunk_too(splunkd: Splunkd) -> None:
    splunkd.faults.slow = threading.Event()
    job = Job.start("index=main rows=1", connection=splunkd.connection())
    with pytest.raises(SearchInterrupted, match=r"took longer than 0\.3 s"):
        job.frame(timeout=0.3)
    assert splunkd.searches.jobs == {}


def test_a_job_can_be_cancelled_from_another_thread(splunkd: Splunkd) -> None:
    splunkd.faults.slow = threading.Event()
    job = Job.start("index=main rows=1", connection=splunkd.connection())
    threading.Timer(0.2, job.cancel).start()
    with pytest.raises((SearchInterrupted, NotThere)):
        job.wait()
    until(lambda: splunkd.searches.jobs == {})


def test_a_busy_splunk_is_waited_for_while_a_job_runs(splunkd: Splunkd) -> None:
    job = Job.start("index=main rows=5", connection=splunkd.connection())
    splunkd.faults.busy, splunkd.faults.down = 1, 1
    assert len(job.frame()) == 5
    splunkd.faults.busy = 10**6
    with pytest.raises(SplunkBusy):
        Job("1", "index=main", splunkd.connection(patience=0.3)).status()


def test_a_job_that_is_gone_is_named(splunkd: Splunkd) -> None:
    with pytest.raises(NotThere, match=r"no job 17\.4 \(Unknown sid"):
        Job("17.4", "index=main", splunkd.connection()).status()
