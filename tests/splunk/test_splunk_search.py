"""`search`: every row once, typed, in bounded memory; and when it cannot, an error that says what next."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.standin import Row, Window
from dltk_runtime.errors import SettingInvalid
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.errors import (
    AnswerUnreadable,
    CertificateRefused,
    SearchFailed,
    SearchInterrupted,
    SplunkBusy,
    SplunkUnreachable,
    TokenRefused,
)
from dltk_runtime.splunk.rows import SplunkWarning
from dltk_runtime.splunk.search import Search, search
from dltk_runtime.splunk.transport import Tls
from dltk_runtime.tls import certificate
from tests.splunkd import Splunkd
from tests.support.service import until

MEMORY = """
import resource, sys
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.search import search
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
connection = Connection("127.0.0.1", int(sys.argv[1]), "token", scheme="http")
search("index=main rows=20000", connection=connection)
before = peak()
frame = search("index=main rows=1000000", connection=connection)
print(len(frame), frame["n"].sum(), frame["n"].is_unique, peak() - before, frame.memory_usage(deep=True).sum())
"""


def count_rows(search: str, window: Window, now: float) -> Iterable[Row]:
    """``… rows=N``: N rows of a number, a text and a time. ``… bad`` cannot be parsed."""
    if "bad" in search.split():
        raise SearchInvalid("Error in 'bad' command: there is no such command")
    count = int(next(word.partition("=")[2] for word in search.split() if word.startswith("rows=")))
    time = "2026-01-01T00:00:00.000+00:00"
    return ({"_time": time, "n": str(number), "host": "web"} for number in range(count))


pytestmark = pytest.mark.splunkd(run_search=count_rows)


def exports(splunkd: Splunkd) -> int:
    return [path for _, path in splunkd.requests].count("search/v2/jobs/export")


# ------------------------------------------------------------ rows


def test_more_rows_than_a_page_holds_come_each_once(splunkd: Splunkd) -> None:
    frame = search("index=main rows=60001", connection=splunkd.connection())
    assert frame["n"].tolist() == list(range(60001))
    assert frame.dtypes["n"] == "int64"
    assert frame["_time"][0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert set(frame["host"]) == {"web"}


def test_a_search_that_finds_nothing_is_an_empty_frame(splunkd: Splunkd) -> None:
    assert search("index=main rows=0", connection=splunkd.connection()).empty


def test_frames_come_in_the_size_that_was_asked_for(splunkd: Splunkd) -> None:
    frames = Search("index=main rows=2500", 0, "now", splunkd.connection()).frames(rows=1000)
    assert [len(frame) for frame in frames] == [1000, 1000, 500]


def test_the_window_is_the_one_that_was_asked_for() -> None:
    seen = []

    def run(search: str, window: Window, now: float) -> Iterable[Row]:
        seen.append((search, window.earliest, window.latest))
        return [{"x": "1"}]

    with Splunkd(run) as splunkd:
        search("| tstats count", 1000, 2000.5, connection=splunkd.connection())
        search("error", "@d", connection=splunkd.connection())
    assert seen[0] == ("| tstats count", 1000.0, 2000.5)
    assert seen[1][0] == "search error"
    assert seen[1][1] % 86400 == 0


def test_an_older_splunk_is_asked_the_older_way() -> None:
    with Splunkd(count_rows, version="9.0.1") as splunkd:
        assert len(search("index=main rows=3", connection=splunkd.connection())) == 3
        assert ("POST", "search/jobs/export") in splunkd.requests


@pytest.mark.timeout(900)
@pytest.mark.process
def test_a_million_rows_take_little_more_memory_than_their_frame(splunkd: Splunkd) -> None:
    splunkd.sessions.add("token")
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(splunkd.port)], capture_output=True, text=True, check=False, timeout=280
    )
    assert result.returncode == 0, result.stderr
    rows, total, unique, grown, _ = result.stdout.split()
    assert (int(rows), int(total), unique) == (1_000_000, 499_999_500_000, "True")
    # Three columns: 24 MB of frame, the packed text of two of them, and what joining them takes. The JSON alone
    # has 110 MB.
    assert int(grown) < 180e6


def test_a_bar_counts_the_rows_where_it_is_asked_for(splunkd: Splunkd, capsys: pytest.CaptureFixture[str]) -> None:
    search("index=main rows=1234", connection=splunkd.connection(), progress=True)
    assert "1,234 rows" in capsys.readouterr().err
    search("index=main rows=1234", connection=splunkd.connection())
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------ what Splunk says


def test_splunks_warnings_are_pythons_and_stay_with_the_frame(splunkd: Splunkd) -> None:
    splunkd.faults.messages = [("INFO", "fine"), ("WARN", "Subsearch was cut at 50000 rows")]
    with pytest.warns(SplunkWarning, match="cut at 50000"):
        frame = search("index=main rows=1", connection=splunkd.connection())
    assert frame.attrs["messages"] == ["INFO fine", "WARN Subsearch was cut at 50000 rows"]


def test_rows_beside_an_error_are_not_taken_for_the_result(splunkd: Splunkd) -> None:
    splunkd.faults.messages = [("ERROR", "Search peer idx2 is down")]
    with pytest.raises(SearchFailed, match="idx2 is down"):
        search("index=main rows=3", connection=splunkd.connection())


def test_a_window_of_index_time_goes_beside_that_of_time() -> None:
    seen = []

    def run(search: str, window: Window, now: float) -> Iterable[Row]:
        seen.append(window)
        return [{"x": "1"}]

    with Splunkd(run) as splunkd:
        search("error", 0, 9e9, indexed=(1000, 2000), connection=splunkd.connection())
        search("error", 0, 9e9, connection=splunkd.connection())
    assert seen == [Window(0, 9e9, 1000, 2000), Window(0, 9e9)]


def test_an_error_after_some_rows_fails_the_search() -> None:
    def run(search: str, window: Window, now: float) -> Iterator[Row]:
        yield from ({"x": "1"} for _ in range(700))
        raise SearchInvalid("the eval expression has no fields")

    with Splunkd(run) as splunkd, pytest.raises(SearchFailed, match="no fields"):
        search("index=main", connection=splunkd.connection())


def test_a_wrong_search_says_what_splunk_says_and_is_asked_once(splunkd: Splunkd) -> None:
    with pytest.raises(SearchFailed, match=r"'\| bad' failed in Splunk: Error in 'bad' command"):
        search("| bad", connection=splunkd.connection())
    assert exports(splunkd) == 1


# ------------------------------------------------------------ no way to Splunk


def test_an_expired_token_is_named_and_not_shown(splunkd: Splunkd) -> None:
    splunkd.sessions.clear()
    with pytest.raises(TokenRefused, match=r"call not properly authenticated.*expired.*splunk_access_token") as failed:
        search("index=main rows=1", connection=splunkd.connection())
    assert splunkd.token not in str(failed.value)
    assert splunkd.token not in repr(splunkd.connection())


def test_a_wrong_host_and_a_wrong_port_are_told_apart(splunkd: Splunkd) -> None:
    with pytest.raises(SplunkUnreachable, match="host name cannot be resolved"):
        search("index=main rows=1", connection=splunkd.connection(host="no-such-host.invalid", patience=0.1))
    with pytest.raises(SplunkUnreachable, match="refused"):
        search("index=main rows=1", connection=splunkd.connection(port=1, patience=0.1))


def test_another_server_is_not_taken_for_splunk(splunkd: Splunkd) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Web(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!doctype html><p>Sign in")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(AnswerUnreadable, match=r"not Splunk's REST API.*8089"):
            search("index=main rows=1", connection=splunkd.connection(port=server.server_port))
        server.shutdown()


def test_the_certificate_is_checked_unless_somebody_says_no(tmp_path: Path) -> None:
    pair = certificate(Settings(home=tmp_path, host="127.0.0.1"))
    with Splunkd(count_rows, certificate=pair) as splunkd:
        assert len(search("index=main rows=2", connection=splunkd.connection())) == 2
        with pytest.raises(CertificateRefused, match=r"self-signed.*DLTK_SPLUNK_CAFILE"):
            search("index=main rows=2", connection=splunkd.connection(tls=Tls()))
        assert len(search("index=main rows=2", connection=splunkd.connection(tls=Tls(verify=False)))) == 2
        with pytest.raises(SettingInvalid, match=r"DLTK_SPLUNK_CAFILE.*No such file"):
            search("index=main rows=2", connection=splunkd.connection(tls=Tls(cafile=tmp_path / "nothing.pem")))


def test_a_user_with_a_password_may_search(splunkd: Splunkd) -> None:
    who = splunkd.connection(token="", username="admin", password="changeme")
    assert len(search("index=main rows=2", connection=who)) == 2
    with pytest.raises(TokenRefused, match="Login failed"):
        search("index=main rows=2", connection=splunkd.connection(token="", username="admin", password="wrong"))


# ------------------------------------------------------------ Splunk comes and goes


def test_a_splunk_that_comes_back_is_waited_for(splunkd: Splunkd) -> None:
    splunkd.faults.down = 2
    assert len(search("index=main rows=5", connection=splunkd.connection())) == 5
    splunkd.faults.busy = 2
    assert len(search("index=main rows=5", connection=splunkd.connection())) == 5


def test_waiting_for_splunk_comes_to_an_end(splunkd: Splunkd) -> None:
    splunkd.faults.down = 10**6
    with pytest.raises(SplunkUnreachable, match=r"broke before the end of the answer"):
        search("index=main rows=5", connection=splunkd.connection(patience=0.5))
    splunkd.faults.down, splunkd.faults.busy = 0, 10**6
    with pytest.raises(SplunkBusy, match="too busy"):
        search("index=main rows=5", connection=splunkd.connection(patience=0.5))


def test_rows_that_break_off_are_read_again_and_none_is_there_twice(splunkd: Splunkd) -> None:
    splunkd.faults.break_after = 1500
    frame = search("index=main rows=3000", connection=splunkd.connection())
    assert frame["n"].tolist() == list(range(3000))
    assert exports(splunkd) == 2


@pytest.mark.parametrize("writes", ["| collect index=s", "| outputlookup x", "`hidden`"])
def test_a_search_that_may_write_is_not_run_twice(splunkd: Splunkd, writes: str) -> None:
    splunkd.faults.break_after = 1500
    with pytest.raises(SplunkUnreachable, match="broke"):
        search(f"index=main rows=3000 {writes}", connection=splunkd.connection())
    assert exports(splunkd) == 1


def test_frames_that_break_off_are_an_error(splunkd: Splunkd) -> None:
    splunkd.faults.break_after = 1500
    frames = Search("index=main rows=3000", 0, "now", splunkd.connection()).frames(rows=100)
    with pytest.raises(SplunkUnreachable, match="broke"):
        list(frames)


# ------------------------------------------------------------ an end before the last row


def endless(search: str, window: Window, now: float) -> Iterator[Row]:
    while True:
        yield {"x": "1"}


def test_a_search_over_its_time_is_ended_here_and_in_splunk() -> None:
    with Splunkd(endless) as splunkd:
        with pytest.raises(SearchInterrupted, match=r"took longer than 0\.3 s"):
            search("index=main", connection=splunkd.connection(), timeout=0.3)
        # On a busy machine the time can be over before Splunk is asked.
        until(lambda: splunkd.searches.abandoned == 1 or not splunkd.requests)


def test_a_slow_splunk_does_not_outlast_the_time_limit(splunkd: Splunkd) -> None:
    splunkd.faults.slow = threading.Event()
    with pytest.raises(SearchInterrupted, match=r"took longer than 0\.3 s"):
        search("index=main rows=1", connection=splunkd.connection(), timeout=0.3)
    splunkd.faults.slow.set()


def test_a_search_can_be_cancelled_from_another_thread() -> None:
    with Splunkd(endless) as splunkd:
        running = Search("index=main", 0, "now", splunkd.connection())
        rows = running.rows()
        next(rows)
        threading.Thread(target=running.cancel).start()
        with pytest.raises(SearchInterrupted, match="was cancelled"):
            for _ in rows:
                pass
        until(lambda: splunkd.searches.abandoned == 1)


def test_whoever_leaves_early_ends_the_search_in_splunk() -> None:
    with Splunkd(endless) as splunkd:
        frames = Search("index=main", 0, "now", splunkd.connection()).frames(rows=10)
        next(frames)
        frames.close()  # type: ignore[attr-defined]
        until(lambda: splunkd.searches.abandoned == 1)


def test_cancelling_ends_the_wait_for_a_splunk_that_is_down(splunkd: Splunkd) -> None:
    splunkd.faults.down = 10**6
    running = Search("index=main rows=1", 0, "now", splunkd.connection(patience=60))
    threading.Timer(0.3, running.cancel).start()
    with pytest.raises(SearchInterrupted, match="was cancelled"):
        running.frame()


def test_the_connection_comes_from_the_variables(splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("splunk_", "DLTK_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("splunk_access_enabled", "1")
    monkeypatch.setenv("splunk_access_host", "127.0.0.1")
    monkeypatch.setenv("splunk_access_port", str(splunkd.port))
    monkeypatch.setenv("splunk_access_token", splunkd.token)
    monkeypatch.setenv("DLTK_SPLUNK_PATIENCE", "0.1")
    with pytest.raises(SplunkUnreachable, match="TLS failed"):  # it is https, and the stand-in is not
        search("index=main rows=1")
