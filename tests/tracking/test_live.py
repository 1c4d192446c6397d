"""The steps of running fits go in bounded pieces, and nothing waits for a server that does not take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.tracking import live as module
from dltk_runtime.tracking.facts import TrackingLine
from dltk_runtime.tracking.live import RunningFits
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.tracking.wire import Answer, SendOutcome


class Helper:
    """Stands in for the helper process; keeps what it was asked to send."""

    def __init__(self, place: WaitingFolder) -> None:
        self._place = place
        self.outcome = SendOutcome.DONE
        self.got: list[tuple[int, str]] = []

    def ask(self, line: TrackingLine, _timeout: float, **_: Any) -> Answer:
        assert line.what == "steps"
        self.got.append((line.number, self._place.run(line.job).new_steps.read_text()))
        return Answer(0, self.outcome)


class Fit:
    """One running fit, whose steps a test writes."""

    def __init__(self, root: Path) -> None:
        place = WaitingFolder(root / "tracking")
        self.helper, self.down = Helper(place), False
        self.live = RunningFits(place, root / "jobs", self.helper, lambda: self.down)  # type: ignore[arg-type]
        self._file = root / "jobs" / "j" / "metrics.jsonl"
        for folder in (self._file.parent, place.run("j").path):
            folder.mkdir(parents=True)
        self.live.begin("j")

    def report(self, text: str) -> None:
        with self._file.open("a") as file:
            file.write(text)

    def sent(self) -> list[tuple[int, str]]:
        """What one look sends."""
        self.helper.got.clear()
        self.live.send()
        return list(self.helper.got)


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    return Fit(tmp_path)


def test_each_look_sends_the_whole_lines_that_are_new(fit: Fit) -> None:
    assert fit.sent() == []
    fit.report('{"step":1}\n{"step":2}\n{"st')
    assert fit.sent() == [(0, '{"step":1}\n{"step":2}\n')]
    assert fit.sent() == []
    fit.report('ep":3}\n')
    assert fit.sent() == [(2, '{"step":3}\n')]


def test_a_look_sends_a_bounded_piece(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PIECE_BYTES", 8)
    fit.report("one\ntwo\nthree\n" + "x" * 20 + "\nfour\n")
    assert [fit.sent(), fit.sent(), fit.sent()] == [[(0, "one\ntwo\n")], [(2, "three\n")], []]  # the end sends the rest


def test_what_did_not_go_is_sent_again_after_a_pause(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    fit.report("one\n")
    fit.helper.outcome = SendOutcome.LATER
    assert fit.sent() == [(0, "one\n")]
    fit.helper.outcome = SendOutcome.DONE
    assert fit.sent() == []
    fit.live._paused_until = 0.0
    assert fit.sent() == [(0, "one\n")]


def test_nothing_is_sent_to_a_server_that_is_down_nor_of_a_fit_that_ended(fit: Fit) -> None:
    fit.report("one\n")
    fit.down = True
    assert fit.sent() == []
    fit.down = False
    fit.live.end("j")
    assert fit.sent() == []
