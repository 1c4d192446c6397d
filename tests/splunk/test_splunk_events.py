"""The runtime's own events: no request waits for them, and up to the limit none is lost, whatever Splunk does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.events import Events
from dltk_runtime.splunk.hec import Hec
from dltk_runtime.splunk.spool import Spool
from tests.conftest import MakeNotebook
from tests.splunkd import HecToken, Splunkd
from tests.support.service import Service, until

WRITER = """
import sys, os
from pathlib import Path
from dltk_runtime.splunk.events import Events
from dltk_runtime.splunk.hec import Hec
events = Events(Hec("http://127.0.0.1:1", "t", patience=0.1), Path(sys.argv[1]), 10**6)
events.start()
for number in range(200):
    assert events.put("job", number=number)
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def events(splunkd: Splunkd, tmp_path: Path) -> Iterator[Events]:
    events = running(splunkd, tmp_path)
    yield events
    events.close()


def running(splunkd: Splunkd, folder: Path, limit: int = 10**6) -> Events:
    sender = Hec(splunkd.hec_url, splunkd.hec_token, patience=0.2)
    events = Events(sender, folder / "events", limit, max_pause=0.3)
    events.start()
    return events


def indexed(splunkd: Splunkd) -> list[dict[str, Any]]:
    """The events that Splunk has, each once, oldest first."""
    rows = [json.loads(row["_raw"]) for row in splunkd.storage.indexes["main"].rows()]
    once = {row["id"]: row for row in reversed(rows)}
    return list(once.values())


def numbers(splunkd: Splunkd) -> list[int]:
    return sorted(row["number"] for row in indexed(splunkd) if "number" in row)


def test_an_event_is_json_with_a_kind_an_id_and_our_sourcetype(splunkd: Splunkd, events: Events) -> None:
    assert events.put("job", state="succeeded", rows=3, error=None, path=Path("/x"), loss=float("nan"), text="\ud800")
    (row,) = until(splunkd.storage.indexes["main"].rows)
    assert (row["sourcetype"], row["source"]) == ("dltk:event", "dltk")
    facts = json.loads(row["_raw"])
    assert len(facts.pop("id")) == 32
    assert facts == {
        "kind": "job", "state": "succeeded", "rows": 3, "error": None, "path": "/x", "loss": "NaN", "text": "?",
    }  # fmt: skip


def test_many_events_go_together(splunkd: Splunkd, events: Events) -> None:
    splunkd.faults.collector_full = True
    events.put("job", number=0)
    until(lambda: splunkd.collector.requests)
    for number in range(1, 1200):
        events.put("job", number=number)
    splunkd.faults.collector_full = False
    until(lambda: events.waiting == 0)
    assert numbers(splunkd) == list(range(1200))
    assert splunkd.collector.requests.count(0) <= 4
    assert events.counts.sent == 1200


def test_nobody_waits_for_a_splunk_that_hangs(splunkd: Splunkd, events: Events) -> None:
    splunkd.faults.slow = threading.Event()
    threads = [threading.Thread(target=events.put, args=["job"], kwargs={"number": number}) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)  # while not one answer has come
    assert numbers(splunkd) == []
    splunkd.faults.slow.set()
    until(lambda: events.waiting == 0)
    assert numbers(splunkd) == list(range(50))


@pytest.mark.parametrize("trouble", ["down", "busy", "lost", "full", "internal", "disabled", "index"])
def test_after_any_trouble_everything_is_there(splunkd: Splunkd, events: Events, trouble: str) -> None:
    token = splunkd.collector.tokens[splunkd.hec_token]
    match trouble:
        case "down" | "busy" | "lost":
            setattr(splunkd.faults, trouble, 4)
        case "full":
            splunkd.faults.collector_full = True
        case "internal":
            splunkd.faults.collector.extend([8, 8, 9, 8])
        case "disabled":
            token.disabled = True
        case "index":
            token.indexes = ("missing",)
    for number in range(20):
        assert events.put("job", number=number)
    until(lambda: len(splunkd.collector.requests) >= 3 or not getattr(splunkd.faults, trouble, True))
    splunkd.faults.collector_full = False
    splunkd.collector.tokens[splunkd.hec_token] = HecToken()
    until(lambda: events.waiting == 0)
    assert numbers(splunkd) == list(range(20))
    assert events.counts.dropped == events.counts.refused == 0


def test_beyond_the_limit_events_are_dropped_counted_and_told_of(splunkd: Splunkd, tmp_path: Path) -> None:
    splunkd.faults.collector_full = True
    events = running(splunkd, tmp_path, limit=20_000)
    kept = [number for number in range(300) if events.put("job", number=number)]
    assert 0 < len(kept) < 300
    assert kept == list(range(len(kept)))  # the oldest stay
    assert events.counts.dropped == 300 - len(kept)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) <= 20_000
    splunkd.faults.collector_full = False
    until(lambda: [row for row in indexed(splunkd) if row["kind"] == "dropped"])
    assert numbers(splunkd) == kept
    assert [row["count"] for row in indexed(splunkd) if row["kind"] == "dropped"] == [300 - len(kept)]
    events.close()


def test_one_event_that_splunk_refuses_takes_no_other_with_it(splunkd: Splunkd, events: Events) -> None:
    splunkd.faults.collector_full = True
    for number in range(5):
        events.put("job", number=number)
    splunkd.faults.collector_poison = '"number": 2'
    splunkd.faults.collector_full = False
    until(lambda: events.waiting == 0)
    assert numbers(splunkd) == [0, 1, 3, 4]
    assert (events.counts.sent, events.counts.refused) == (4, 1)


@pytest.mark.process
def test_what_a_killed_process_left_goes_out_after_the_restart(splunkd: Splunkd, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "events")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    assert numbers(splunkd) == []
    events = running(splunkd, tmp_path)
    events.put("job", number=200)
    until(lambda: events.waiting == 0)
    assert numbers(splunkd) == list(range(201))
    events.close()
    assert list((tmp_path / "events").iterdir()) == []


@pytest.mark.process
def test_two_processes_do_not_send_each_others_events(splunkd: Splunkd, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "events")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        events = running(splunkd, tmp_path)
        events.put("job", number=1000)
        until(lambda: events.waiting == 0)
        events.close()
        assert numbers(splunkd) == [1000]
        process.kill()


def test_an_end_while_splunk_is_away_comes_soon_and_keeps_everything(splunkd: Splunkd, tmp_path: Path) -> None:
    splunkd.faults.slow = threading.Event()
    events = running(splunkd, tmp_path)
    for number in range(10):
        events.put("job", number=number)
    until(lambda: splunkd.requests)
    events.close(grace=0.1)
    splunkd.faults.slow.set()
    splunkd.faults.slow = None
    again = running(splunkd, tmp_path)
    until(lambda: again.waiting == 0)
    again.close()
    assert numbers(splunkd) == list(range(10))


def test_the_end_waits_for_what_can_be_sent(splunkd: Splunkd, tmp_path: Path) -> None:
    events = running(splunkd, tmp_path)
    for number in range(300):
        events.put("job", number=number)
    events.close(grace=20)
    assert numbers(splunkd) == list(range(300))


def test_a_folder_that_cannot_be_written_drops_and_counts(splunkd: Splunkd, events: Events, monkeypatch: Any) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        kept = events.put("job", number=1)
    assert not kept
    assert events.counts.dropped == 1
    assert events.put("job", number=2)
    until(lambda: numbers(splunkd) == [2])


def test_settings_without_a_collector_make_no_sender(tmp_path: Path) -> None:
    assert Events.of(Settings(home=tmp_path, hec=False, hec_url="https://splunk:8088", hec_token="t")) is None
    assert Events.of(Settings(home=tmp_path, hec=True)) is None
    events = Events.of(
        Settings(home=tmp_path, hec=True, hec_url="https://splunk:8088", hec_token="t", events_index="o")
    )
    assert events is not None
    assert (events.sender.url, events.index, events.limit) == ("https://splunk:8088", "o", 64 * 1024**2)


@pytest.mark.process
def test_the_front_process_imports_neither_pandas_nor_splunk_sdk_for_it() -> None:
    code = "import sys, dltk_runtime.splunk.events; print({'pandas', 'numpy', 'splunklib'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


@pytest.mark.process
def test_a_server_tells_splunk_of_its_jobs_also_of_those_from_before_a_restart(
    splunkd: Splunkd, paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("healthy")
    make_notebook("broken", fit="def fit(model, df, param):\n    return 1 / 0")
    splunkd.faults.collector_full = True
    hec = {"splunk_hec_enabled": "1", "splunk_hec_url": splunkd.hec_url, "splunk_hec_token": splunkd.hec_token}
    with Service(paths.home, paths.notebooks, **hec) as service:
        assert service.fit("healthy", "a\n1\n2\n", password="not-for-splunk")["status"] == "success"
        service.restart(signal.SIGKILL)
        splunkd.faults.collector_full = False
        assert service.fit("broken", "a\n1\n")["status"] == "error"
        until(lambda: len(indexed(splunkd)) == 8)
        until(lambda: b'dltk_events_total{outcome="sent"} 8.0' in service.send("/metrics", None))
        assert b'dltk_events_total{outcome="dropped"} 0.0' in service.send("/metrics", None)
    jobs = [each for each in indexed(splunkd) if each["kind"] == "job"]
    told = [(each["algorithm"], each["state"]) for each in jobs]
    states = [("queued", "running", "succeeded"), ("queued", "running", "failed")]
    assert sorted(told) == sorted(
        (name, state) for name, each in zip(("healthy", "broken"), states, strict=True) for state in each
    )
    (failed,) = [each for each in jobs if each["state"] == "failed"]
    assert "ZeroDivisionError" in failed["error"]
    assert "broken.ipynb" in failed["coordinates"]
    (succeeded,) = [each for each in jobs if each["state"] == "succeeded"]
    assert (succeeded["rows"], succeeded["version"], succeeded["promoted"]) == (2, 1, True)
    (promotion,) = [each for each in indexed(splunkd) if each["kind"] == "promotion"]
    assert (promotion["version"], promotion["current"], promotion["how"]) == (1, True, "fit")
    (error,) = [each for each in indexed(splunkd) if each["kind"] == "error"]
    assert (error["route"], error["job"]) == ("/fit", failed["job"])
    assert "ZeroDivisionError" in error["message"]
    assert "not-for-splunk" not in json.dumps(indexed(splunkd))


@pytest.mark.process
def test_no_request_waits_for_a_collector_that_does_not_answer(
    splunkd: Splunkd, paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("healthy", apply="def apply(model, df, param): raise ValueError(len(df))")
    hec = {"splunk_hec_enabled": "1", "splunk_hec_url": splunkd.hec_url, "splunk_hec_token": splunkd.hec_token}
    with Service(paths.home, paths.notebooks, **hec) as service:
        splunkd.faults.slow = threading.Event()  # no request of the collector is answered
        assert service.fit("healthy", "a\n1\n")["status"] == "error"
        for number in range(1, 11):
            assert service.apply("healthy", "a\n" + "1\n" * number)["status"] == "error"
        assert not [each for each in indexed(splunkd) if each["kind"] == "error"]
        splunkd.faults.slow.set()
        until(lambda: sum(each["kind"] == "error" for each in indexed(splunkd)) == 11, 60)
        assert service.stop() == 0


# ------------------------------------------------------------ the spool


def test_a_spool_keeps_order_over_segments_and_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dltk_runtime.splunk.spool.SEGMENT_BYTES", 50)
    spool = Spool.create(tmp_path)
    lines = [b"line %03d\n" % number for number in range(40)]
    for line in lines:
        spool.put(line)
    taken = []
    for _ in range(5):
        some = spool.peek(3)
        taken += some
        spool.take(some)
    assert spool.size == sum(map(len, lines)) - sum(map(len, taken))
    os.close(spool._lock_file)  # as the end of a process does
    (found,) = Spool.left_behind(tmp_path)
    assert found.size == spool.size
    while some := found.peek(100):
        taken += some
        found.take(some)
    assert taken == lines
    found.close()
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_a_kill_left_unfinished_is_cut_off(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path)
    spool.put(b"whole\n")
    with next(spool.folder.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"half')
    os.close(spool._lock_file)
    (found,) = Spool.left_behind(tmp_path)
    assert found.peek(10) == [b"whole\n"]
    assert found.size == 6


@pytest.mark.parametrize("filled", [0, 1])
def test_a_reader_in_the_middle_of_a_new_segment_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filled: int
) -> None:
    monkeypatch.setattr("dltk_runtime.splunk.spool.SEGMENT_BYTES", 5)
    spool = Spool.create(tmp_path)
    for _ in range(filled):
        spool.put(b"first\n")
        spool.take(spool.peek(10))
    open_file = os.open

    def open_then_read(*args: Any) -> int:
        descriptor = open_file(*args)
        if str(args[0]).endswith(".jsonl") and args[1] & os.O_CREAT:
            assert spool.peek(10) == []
        return descriptor

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_then_read)
        spool.put(b"second\n")
    assert spool.peek(10) == [b"second\n"]
    spool.take([b"second\n"])
    assert (spool.peek(10), spool.size) == ([], 0)
