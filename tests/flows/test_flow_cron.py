"""The starts of a schedule: as 0.1.0's own parser had them, with Splunk's five numeric fields alone."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dltk_runtime.flows import cron
from dltk_runtime.flows.errors import FlowInvalid
from tests.support.service import ROOT

# The starts that the parser of 0.1.0 (commit 731b7c1) found from BEGIN to END, which hold a leap day.
TABLE: list[dict[str, Any]] = json.loads((ROOT / "tests" / "data" / "flow_schedules.json").read_text(encoding="utf-8"))
BEGIN, END = (datetime(2028, month, day, tzinfo=UTC).timestamp() for month, day in ((2, 10), (4, 15)))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["schedule"])
def test_a_schedule_starts_when_it_did(row: dict[str, Any]) -> None:
    found = [int(moment) for moment in cron.starts(row["schedule"], BEGIN, END)]
    shown = [datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M") for moment in (found[0], found[-1])]
    assert (len(found), shown) == (row["count"], [row["first"], row["last"]])
    assert hashlib.sha256("\n".join(map(str, found)).encode()).hexdigest() == row["sha256"]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(0, 0, []), (0, 60, [0]), (0.5, 60, []), (0.5, 60.5, [60]), (1, 121, [60, 120]), (-60, 1, [-60, 0])],
)
def test_the_period_holds_its_begin_and_not_its_end(begin: float, end: float, expected: list[float]) -> None:
    assert list(cron.starts("* * * * *", begin, end)) == expected


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "must have five fields"),
        ("* * * *", "must have five fields"),
        ("0 * * * * *", "must have five fields"),
        ("* * * * MON", "cannot be read at 'MON'"),
        ("0 0 L * *", "cannot be read at 'L'"),
        ("0 0 * * 1#2", "cannot be read at '1#2'"),
        ("60 * * * *", "Bad minute"),
        ("* 24 * * *", "Bad hour"),
        ("* * 0 * *", "Bad day-of-month"),
        ("* * * 13 *", "Bad month"),
        ("* * * * 8", "Bad day-of-week"),
        ("5-1 * * * *", "Bad minute"),
        ("*/0 * * * *", "Bad minute"),
        ("59-59/0 * * * *", "Bad minute"),
        ("1,,2 * * * *", "Bad minute"),
        ("1/2/3 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_field(schedule: str, said: str) -> None:
    with pytest.raises(FlowInvalid, match=rf"^the schedule '{schedule.replace('*', '.')}' .*{said}"):
        cron.starts(schedule, BEGIN, END)


@pytest.mark.parametrize(
    ("schedule", "hours"), [("0 * * * *", 1), ("30 */6 * * *", 6), ("0 1,9 * * *", 16), ("0 5 1 1 *", 0)]
)
def test_the_longest_pause_is_that_between_two_starts_of_the_period(schedule: str, hours: int) -> None:
    assert cron.longest_pause(schedule, BEGIN, BEGIN + 3 * 86400) == hours * 3600
