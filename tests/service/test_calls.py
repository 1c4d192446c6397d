"""The calls answered last: what is kept of each, what bounds it, and what one costs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dltk_runtime.access.actor import Actor
from dltk_runtime.access.holder import Holder
from dltk_runtime.call import Call, CallFacts
from dltk_runtime.service import calls
from dltk_runtime.service.calls import GONE, MAX_CALLS, MAX_NAME_CHARACTERS, MAX_OUTCOME_CHARACTERS, RecentCalls


def call(model: str = "m", rows: int = 2, **meta: Any) -> Call:
    facts = CallFacts(algorithm="a", model=model, version=3, rows=rows)
    return Call("id-1", "/apply", facts=facts, holder=Holder("team-a"), actor=Actor(person="Anna"), meta=meta)


def everything(_: str, __: str) -> bool:
    return True


def test_outcome_fields_token_person_and_search_of_a_call_are_kept() -> None:
    recent = RecentCalls()
    recent.add(
        call(feature_variables=["x", "y"], search_info={"dispatch_dir": "/opt/dispatch/1700.5"}), "bad row", 0.25
    )
    (found,) = recent.listed(everything).calls
    assert (found.outcome, found.failed, found.seconds, found.rows, found.version) == ("bad row", True, 0.25, 2, 3)
    assert (found.fields, found.owner, found.person, found.sid) == ("x, y", "team-a", "Anna", "1700.5")


def test_the_newest_come_first_and_the_oldest_are_dropped() -> None:
    recent = RecentCalls()
    for number in range(MAX_CALLS + 5):
        recent.add(call(str(number)), "success", 0.1)
    found = recent.listed(everything).calls
    assert (len(found), found[0].model, found[-1].model) == (MAX_CALLS, str(MAX_CALLS + 4), "5")


def test_a_holder_sees_the_calls_of_its_models_alone() -> None:
    recent = RecentCalls()
    for model in ("mine", "other"):
        recent.add(call(model), "success", 0.1)
    assert [each.model for each in recent.listed(lambda _, model: model == "mine").calls] == ["mine"]
    assert recent.traffic(lambda _, model: model == "mine").requests == 1


@pytest.mark.parametrize("fields", [None, "x", {"x": 1}, [1, None, "x"]])
def test_whatever_a_request_gives_for_fields_is_no_fault(fields: Any) -> None:
    recent = RecentCalls()
    recent.add(call(feature_variables=fields), "success", 0.1)
    assert len(recent.listed(everything).calls) == 1


def test_what_is_kept_of_a_call_is_bounded() -> None:
    recent = RecentCalls()
    recent.add(call(feature_variables=["x" * 10_000] * 10_000, sid="s" * 100_000), "e" * 1_000_000, 0.1)
    (found,) = recent.listed(everything).calls
    assert found.fields.endswith("x and 9992 more")
    assert len(found.fields) < 9 * (MAX_NAME_CHARACTERS + 2) + 20
    assert len(found.sid) <= 200
    assert len(found.outcome) == MAX_OUTCOME_CHARACTERS


def operations(fields: int) -> int:
    """How many functions are called, in Python and in C, to note a call with so many fields."""
    recent, made, count = RecentCalls(), call(feature_variables=["x"] * fields, sid="1700.5"), 0

    def counted(_: Any, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        recent.add(made, "success", 0.1)
    finally:
        sys.setprofile(None)
    return count


def test_one_costs_the_same_few_operations_whatever_was_sent() -> None:
    assert operations(10) == operations(100_000) < 60


def test_one_touches_no_file() -> None:
    opened: list[str] = []
    active = [True]

    def heard(event: str, _: Any) -> None:
        if active and event in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename"):
            opened.append(event)

    sys.addaudithook(heard)  # stays for the process, so it is turned off
    try:
        RecentCalls().add(call(feature_variables=["x"]), "success", 0.1)
    finally:
        active.clear()
    assert opened == []


def test_figures_of_this_moment_are_of_the_last_minutes() -> None:
    recent = RecentCalls()
    for number in range(100):
        recent.add(call(rows=10), "success" if number else "failed", (number + 1) / 100)
    recent.add(call(rows=0), GONE, 0.01)
    now = datetime.now(UTC)
    found = recent.traffic(everything, now)
    assert (found.requests, found.failures, found.rows, found.p99) == (101, 1, 1000, 0.99)
    later = recent.traffic(everything, now + calls.NOW + timedelta(seconds=1))
    assert (later.requests, later.p99) == (0, None)
    assert later.seconds == calls.NOW.total_seconds()


def test_calls_by_model_leave_out_clients_that_hung_up_and_calls_without_a_model() -> None:
    recent = RecentCalls()
    for outcome in ("first", "success", GONE):
        recent.add(call(), outcome, 0.1)
    unknown = call("none")
    unknown.facts.version = None
    recent.add(unknown, "no such model", 0.1)
    (found,) = recent.by_model(5).values()
    assert [each.outcome for each in found] == ["success", "first"]
    assert [len(each) for each in recent.by_model(1).values()] == [1]
