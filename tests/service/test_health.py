"""The badge of a model: the worst of what is known about it, with every reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dltk_runtime.apply.drift import Level
from dltk_runtime.jobs.record import State
from dltk_runtime.service.calls import RecentCall
from dltk_runtime.service.health import FINE, KnownModel, badge

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def calls(*outcomes: str) -> list[RecentCall]:
    return [RecentCall(time=NOW, id="", route="/apply", outcome=each, seconds=0.1, version=1) for each in outcomes]


@pytest.mark.parametrize(
    ("given", "level", "reason"),
    [
        ({}, "good", FINE),
        ({"last_fit": State.SUCCEEDED}, "good", FINE),
        ({"last_fit": State.CANCELLED}, "good", FINE),
        ({"last_fit": State.FAILED}, "bad", "the last fit failed"),
        ({"last_fit": State.LOST}, "bad", "the last fit was lost"),
        ({"drift": Level("f", 0.3, 0.0)}, "warning", "f has drifted since the fit, index 0.3"),
        ({"drift": Level("f", 0.1, 0.0)}, "good", FINE),
        ({"calls": calls("success", "success")}, "good", FINE),
        ({"calls": calls("success", "success", "wrong")}, "warning", "1 of the last 3 requests failed"),
        ({"calls": calls("wrong", "wrong", "success")}, "bad", "2 of the last 3 requests failed"),
        ({"current": 1}, "note", "version 2 is not current"),
        ({"current": None, "damage": "all is lost"}, "bad", "all is lost"),
        ({"other_code": True}, "note", "the notebook has changed since the fit"),
        (
            {"other_fields": True},
            "warning",
            "Splunk sends the fields of version 2, and the current version has others",
        ),
        ({"time": NOW - timedelta(days=200)}, "note", "fitted 200 days ago"),
    ],
)
def test_the_worst_counts(given: dict[str, Any], level: str, reason: str) -> None:
    known = {"current": 2, "newest": 2, "time": NOW, **given}
    assert badge(KnownModel(**known), NOW) == (level, [reason])


def test_every_reason_is_named() -> None:
    known = KnownModel(
        current=1,
        newest=2,
        damage="damaged",
        last_fit=State.FAILED,
        drift=Level("f", 1.0, 0.0),
        calls=calls("wrong"),
        other_fields=True,
        other_code=True,
        time=NOW - timedelta(days=100),
    )
    level, reasons = badge(known, NOW)
    assert (level, len(reasons)) == ("bad", 8)
