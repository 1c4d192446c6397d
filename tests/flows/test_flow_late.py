"""The alert on a late source: events that arrive after their window was read, and none that a run still reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dltk_runtime.emulator.standin import IndexedEvent
from dltk_runtime.flows.flow import Flow
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.rehearsal.world import SAMPLE_INDEX, World
from tests.flows.helpers import NOBODY, flow_of, search_of, world_of

BERLIN = ZoneInfo("Europe/Berlin")


def at(hour: int, minute: int, day: int = 7, zone: Any = UTC) -> float:
    return datetime(2026, 1, day, hour, minute, tzinfo=zone).timestamp()


def alarm(flow: Flow, folder: Path, time: float, arrived: float) -> list[dict[str, Any]]:
    """The rows of the alert, after one event has arrived."""
    world: World = world_of(flow, folder, NOBODY, "offset,query,verdict\n")
    world.storage.indexes[SAMPLE_INDEX].add(IndexedEvent(time, arrived, {"query": "blue.com"}, "query=blue.com"))
    return world.run(search_of(world, "late"), arrived + 600).frame.to_dict("records")


@pytest.mark.parametrize(
    ("values", "time", "read", "end", "lag"),
    [
        # Started at minute 2 of five, seven minutes after the window's end; a lag of 7 minutes.
        ({"kind": "direct"}, at(12, 3), at(12, 12), at(12, 5), 8),
        # A minute later than asked for, so that windows begin at multiples of their length.
        ({"kind": "direct", "offset": 3}, at(12, 3), at(12, 13), at(12, 5), 9),
        ({"kind": "feedback"}, at(12, 3), at(12, 12), at(12, 5), 8),
        ({"kind": "summary", "source": "metrics", "interval": 60}, at(12, 3), at(14, 2), at(13, 0), 63),
        # One start for six windows of a minute: the last of them is read as late as the first.
        ({"kind": "summary", "interval": 1, "offset": 2}, at(12, 1), at(12, 12), at(12, 5), 8),
        # Half a day: the first start from the lag on is at two minutes past the next noon or midnight.
        ({"kind": "summary", "interval": 720, "lag": 1}, at(3, 0), at(12, 2), at(12, 0), 3),
        ({"kind": "summary", "interval": 720, "lag": 7}, at(3, 0), at(0, 2, day=8), at(12, 0), 723),
        # A day in Berlin ends at 23:00 UTC in winter; the search starts two hours later, three hours in summer.
        (
            {"kind": "summary", "interval": 1440, "zone": "Europe/Berlin", "lag": 7},
            at(20, 0, zone=BERLIN),
            at(1, 2, day=8),
            at(0, 0, day=8, zone=BERLIN),
            123,
        ),
    ],
)
def test_an_event_is_late_when_it_arrives_after_the_start_that_reads_its_window(
    tmp_path: Path, values: dict[str, Any], time: float, read: float, end: float, lag: int
) -> None:
    flow = flow_of(**values)
    assert alarm(flow, tmp_path / "in time", time, read - 1) == []
    (row,) = alarm(flow, tmp_path / "late", time, read + 1)
    assert (float(row["win_end"]), int(row["events"]), int(row["lag_needed"])) == (end, 1, lag)


def test_the_alert_looks_back_a_week_further_than_events_may_be_late() -> None:
    searches = {lag: files(flow_of("direct", lag=lag))["dltk_flow_x/default/savedsearches.conf"] for lag in (7, 1500)}
    assert [text.count("dispatch.earliest_time = -8d@d") for text in searches.values()] == [2, 1]
    assert "dispatch.earliest_time = -9d@d" in searches[1500]


def test_a_data_model_knows_no_time_of_arrival_so_its_flow_has_no_such_alert() -> None:
    made = files(flow_of("summary", source="datamodel"))["dltk_flow_x/default/savedsearches.conf"]
    assert "_late]" not in made


def test_a_source_that_is_late_for_hours_is_one_alert_with_all_windows(tmp_path: Path) -> None:
    world: World = world_of(flow_of("direct"), tmp_path, NOBODY, "offset,query,verdict\n")
    for minute in range(0, 60, 5):
        event = IndexedEvent(at(8, minute + 1), at(14, 0), {"query": "blue.com"}, "query=blue.com")
        world.storage.indexes[SAMPLE_INDEX].add(event)
    alert = search_of(world, "late")
    assert len(world.run(alert, at(14, 10)).frame) == 12
    assert alert.stanza.get("alert.digest_mode") == "1"
