"""The badge of a model: the worst of what is known about it, with every reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dltk_runtime.apply.drift import Level
from dltk_runtime.apply.drift_view import DriftView
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.jobs.view import JobView
from dltk_runtime.server.console.health import badge
from dltk_runtime.store.view import ModelView, VersionView

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def version(number: int, days: int = 0) -> VersionView:
    return VersionView(number, NOW - timedelta(days=days), 10, {}, "job", [])


def model(current: int | None = 2, damage: str = "", days: int = 0) -> ModelView:
    return ModelView("a", "m", current, [version(1, days), version(2, days)], damage)


def job(state: State) -> JobView:
    ended = NOW if state.ended else None
    record = JobRecord(id="x", algorithm="a", model="m", state=state, created=NOW, started=NOW, ended=ended)
    return JobView.of(record, 0)


def drift(index: float) -> DriftView:
    return DriftView("a", "m", 2, 1000, [Level("f", index, 0.0)])


@pytest.mark.parametrize(
    ("given", "level", "reason"),
    [
        ({}, "good", "nothing is wrong"),
        ({"jobs": [job(State.SUCCEEDED)]}, "good", "nothing is wrong"),
        ({"jobs": [job(State.RUNNING), job(State.FAILED)]}, "bad", "the last fit failed"),
        ({"jobs": [job(State.SUCCEEDED), job(State.FAILED)]}, "good", "nothing is wrong"),
        ({"jobs": [job(State.LOST)]}, "bad", "the last fit lost"),
        ({"drift": drift(0.3)}, "warning", "f has drifted since the fit, index 0.3"),
        ({"drift": drift(0.1)}, "good", "nothing is wrong"),
        ({"model": model(1)}, "note", "version 2 is not current"),
        ({"model": model(None, "all is lost")}, "bad", "all is lost"),
        ({"model": model(days=200)}, "note", "fitted 200 days ago"),
    ],
)
def test_the_worst_counts(given: dict[str, Any], level: str, reason: str) -> None:
    found = badge(given.get("model", model()), given.get("jobs", []), given.get("drift"), NOW)
    assert (found.level, found.reasons) == (level, (reason,))


def test_every_reason_is_named() -> None:
    found = badge(model(1, "damaged"), [job(State.FAILED)], drift(1.0), NOW)
    assert (found.level, len(found.reasons)) == ("bad", 4)
