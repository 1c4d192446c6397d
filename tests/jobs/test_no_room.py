"""What a full disk does to an asynchronous fit: its end is kept until there is room, and says what is stored."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.files import atomic, lines
from dltk_runtime.jobs.record import State
from tests.jobs.fits import NAME, Records, Server, check, made_home, submit


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return made_home(tmp_path / "prepared")


@pytest.mark.parametrize(("file", "answers"), [("promoted", False), ("current", True)])
def test_a_fit_whose_promotion_finds_no_room_says_what_it_has_stored(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, file: str, *, answers: bool
) -> None:
    """It used to end without a word of its version, which its record did not have any more either."""
    submit(prepared)
    server = Server(prepared)
    for module, name in ((lines, "append"), (atomic, "write")):  # of `promoted` and of `current`
        monkeypatch.setattr(module, name, refusing(getattr(module, name), file))
    server.serve()
    (record,) = server.jobs.list()
    assert (str(record.state), record.version, record.promoted) == ("failed", 1, answers)
    said = "is stored and answers." if answers else "is stored and not current; 'dltk models promote algo m 1' makes"
    assert f"Version 1 of model 'm' {said}" in record.message
    assert "No space left on device" in record.message
    assert server.store.serving_or_0(NAME).number == int(answers)
    assert list((prepared / "jobs").glob("*/data.*")) == []


def refusing(write: Callable[..., object], file: str) -> Callable[..., object]:
    """Let a full disk refuse one file."""

    def refused(path: Path, *given: Any, **named: Any) -> object:
        return full() if path.name == file else write(path, *given, **named)

    return refused


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_end_that_the_disk_does_not_take_leaves_the_rows_to_the_next(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to end with rows that cannot be read, as they were removed while the record said that it runs."""
    submit(prepared)
    jobs = Records(prepared)
    (record,) = jobs.unfinished()
    job = jobs.adopt(record.id)
    assert job is not None
    job.start()

    with monkeypatch.context() as patch:
        patch.setattr(job._place, "save", full)
        job.fail("No space left on device")
    job._place.leave()  # as the kernel does when the server ends
    check(prepared, at_least=1, at_most=1)


def test_an_end_that_the_disk_does_not_take_is_written_when_there_is_room(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It used to be given back, so that any server ran the fit again at once, and again, until there was room."""
    submit(prepared)
    jobs, other = Records(prepared), Records(prepared)
    (record,) = jobs.unfinished()
    job = jobs.adopt(record.id)
    assert job is not None
    job.start()

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write", full)
        job.fail("No space left on device")
        del job
        gc.collect()
        for _ in range(3):
            jobs.flush()
            jobs.touch()
            assert other.adopt(record.id) is None
    assert caplog.text.count("could not be written") == 1
    assert other.get(record.id).state == State.RUNNING
    jobs.flush()
    assert other.get(record.id).state == State.FAILED
    assert jobs.submission(record.id) is None
    assert other.adopt(record.id) is None
