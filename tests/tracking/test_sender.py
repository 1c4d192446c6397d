"""The queue to the tracking server: in order, within its bound, past what the server refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.server import gauges
from dltk_runtime.splunk.spool import Spool
from dltk_runtime.tracking.facts import TrackingLine
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.tracking.sender import MAX_ATTEMPTS, Sender
from dltk_runtime.tracking.wire import Answer, SendOutcome
from tests.support.service import until


class Server:
    """Stands in for the helper process: takes lines while it is up."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.asked: list[str] = []
        self.taken: list[str] = []
        self.poison = ""  # the job at whose lines a server fails that answers otherwise
        self.refused = ""

    def ask(self, line: TrackingLine, timeout: float, *, now: bool = False) -> Answer:
        self.asked.append(line.job)
        if not self.up.is_set():
            return Answer(0, SendOutcome.LATER, error="down")
        if line.job == self.poison:
            return Answer(0, SendOutcome.LATER, error="fault", alive=True)
        if line.job == self.refused:
            return Answer(0, SendOutcome.REFUSED, error="never")
        self.taken.append(f"{line.what} {line.job}")
        return Answer(0, SendOutcome.DONE)

    def close(self) -> None: ...


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def sender(server: Server, tmp_path: Path) -> Iterator[Sender]:
    sender = started(server, tmp_path)
    yield sender
    sender.close()


def started(server: Server, folder: Path, limit: int = 10**6) -> Sender:
    sender = Sender(WaitingFolder(folder), server, limit, max_pause=0.02)  # type: ignore[arg-type]
    sender.start()
    return sender


def test_what_waits_is_sent_in_order_once_the_server_is_there(server: Server, sender: Sender) -> None:
    for number in range(50):
        assert sender.put(TrackingLine("version", str(number)))
    until(lambda: len(server.asked) > 3)
    assert sender.waiting
    assert (server.taken, set(server.asked)) == ([], {"0"})
    server.up.set()
    until(lambda: sender.counts.sent == 50)
    assert server.taken == [f"version {number}" for number in range(50)]


def test_after_an_hour_without_a_server_nothing_is_lost_and_the_order_is_kept(server: Server, sender: Sender) -> None:
    """A fit every half minute: each takes its place in the queue, and none waits for an attempt."""
    jobs = [f"j{number}" for number in range(120)]
    for job in jobs:
        assert all(sender.put(TrackingLine(what, job)) for what in ("begin", "version", "end"))
    until(lambda: server.asked)
    server.up.set()
    until(lambda: sender.waiting == 0)
    assert server.taken == [f"{what} {job}" for job in jobs for what in ("begin", "version", "end")]
    assert sender.counts.dropped == 0


def test_the_metrics_tell_what_was_sent_and_what_waits(server: Server, sender: Sender) -> None:
    families = {each.name: each.samples for each in gauges._runs(sender)}
    assert {outcome.labels["outcome"] for outcome in families["dltk_tracking"]} == {"sent", "dropped", "refused"}
    assert families["dltk_tracking_waiting_bytes"][0].value == sender.waiting


def test_a_disk_that_fails_for_a_moment_does_not_end_the_sending(
    server: Server, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OSError("read-only"), OSError("read-only")])
    peek = Spool.peek

    def failing(spool: Spool, most: int) -> list[bytes]:
        for failure in failures:
            raise failure
        return peek(spool, most)

    monkeypatch.setattr(Spool, "peek", failing)
    server.up.set()
    assert sender.put(TrackingLine("version", "1"))
    until(lambda: sender.counts.sent == 1)


def test_the_next_process_sends_what_the_one_before_left(server: Server, tmp_path: Path) -> None:
    first = started(server, tmp_path)
    first.put(TrackingLine("begin", "a"))
    first.put(TrackingLine("end", "a"))
    first.close(grace=0.0)
    assert server.taken == []
    server.up.set()
    second = started(server, tmp_path)
    second.put(TrackingLine("begin", "b"))
    until(lambda: len(server.taken) == 3)
    assert server.taken == ["begin a", "end a", "begin b"]
    second.close()


def test_a_running_process_sends_what_one_that_ended_beside_it_left(server: Server, tmp_path: Path) -> None:
    running, batch = started(server, tmp_path), started(server, tmp_path)
    batch.put(TrackingLine("begin", "a"))
    batch.close(grace=0.0)
    server.up.set()
    running.adopt()
    until(lambda: server.taken == ["begin a"])
    running.close()


def test_beyond_the_bound_runs_are_dropped_and_counted(server: Server, tmp_path: Path) -> None:
    sender = started(server, tmp_path, limit=1000)
    assert sender.put(TrackingLine("version", "small"), size=500)
    assert not sender.put(TrackingLine("version", "large"), size=600)
    assert sender.put(TrackingLine("end", "small"), size=510)
    assert (sender.counts.dropped, sender.waiting < 1000) == (1, True)
    server.up.set()
    until(lambda: sender.waiting == 0)
    assert server.taken == ["version small", "end small"]
    sender.close()


def test_the_end_removes_a_runs_folder(server: Server, sender: Sender, tmp_path: Path) -> None:
    folder = WaitingFolder(tmp_path).run("a")
    folder.artifacts.mkdir(parents=True)
    server.up.set()
    sender.put(TrackingLine("version", "a"), size=10)
    until(lambda: sender.counts.sent == 1)
    assert folder.path.exists()
    sender.put(TrackingLine("end", "a"), size=10)
    until(lambda: not folder.path.exists())


@pytest.mark.parametrize("kind", ["refused", "poison"])
def test_a_line_that_the_server_never_takes_does_not_stop_the_others(server: Server, sender: Sender, kind: str) -> None:
    setattr(server, kind, "bad")
    server.up.set()
    for job in ("a", "bad", "b"):
        sender.put(TrackingLine("begin", job))
    until(lambda: sender.counts.sent == 2)
    assert server.taken == ["begin a", "begin b"]
    assert sender.counts.refused == 1
    assert server.asked.count("bad") == (MAX_ATTEMPTS if kind == "poison" else 1)
