"""What the runtime's own events say of who did something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from dltk_runtime.access.actor import Actor
from dltk_runtime.call import Call
from dltk_runtime.fit.promotion import Decision
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.service.events import EventReporter
from dltk_runtime.splunk.events import Events
from dltk_runtime.store.store import Version

NAME = ModelName("umap", "m")
BEGAN = datetime(2026, 1, 31, 8, tzinfo=UTC)


class Kept:
    """Takes events in place of the collector."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def put(self, kind: str, **facts: Any) -> None:
        self.sent.append({"kind": kind, **facts})


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def reporter(kept: Kept) -> EventReporter:
    return EventReporter(cast(Events, kept))


def record(state: State, **known: Any) -> JobRecord:
    ended = BEGAN + timedelta(seconds=5) if state.ended else None
    return JobRecord(
        id="1", algorithm="umap", model="m", state=state, created=BEGAN, started=BEGAN, ended=ended, **known
    )


def test_the_end_of_a_job_says_whose_it_was_and_what_it_took(reporter: EventReporter, kept: Kept) -> None:
    known = {"owner": "trainers", "person": "anna", "sid": "17.1", "queue_seconds": 2.5, "gpu_seconds": 4.0}
    reporter.job(record(State.RUNNING, **known))
    reporter.job(record(State.SUCCEEDED, **known))
    running, ended = kept.sent
    assert {name: ended[name] for name in known} == known
    assert running["owner"] == "trainers"
    assert not {"queue_seconds", "gpu_seconds"} & running.keys()
    reporter.job(record(State.FAILED))
    assert not known.keys() & kept.sent[-1].keys()


def test_promotions_and_deletions_say_who_and_why(reporter: EventReporter, kept: Kept) -> None:
    class Seven:
        name, number, id = NAME, 7, VersionId(NAME, 7)

    version, actor = cast(Version, Seven()), Actor(owner="promoters", person="anna").because("better")
    reporter.promoted(version, "rollback", actor=actor)
    reporter.deleted(NAME, actor)
    reporter.decided(version, Decision(True, "It is current."), record(State.RUNNING, owner="trainers", sid="17.1"))
    who = {"owner": "promoters", "person": "anna", "reason": "better"}
    promotion, deletion, fit = kept.sent
    assert promotion == {
        "kind": "promotion",
        "algorithm": "umap",
        "model": "m",
        "version": 7,
        "how": "rollback",
    } | who | {"current": True}
    assert deletion == {"kind": "deletion", "algorithm": "umap", "model": "m"} | who
    assert (fit["owner"], fit["sid"], fit["how"], fit["job"]) == ("trainers", "17.1", "fit", "1")


def test_a_call_without_a_token_is_the_runtime_s_own() -> None:
    call = Call("1", "job")
    assert call.actor == Actor()
    assert call.holder.sees_all
