"""Windows from a minute to a day: each with its run record, none lost, days in the zone that is stated."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows import cron, windows
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.backfill import BackfillWindow, Saved, _all_written
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from dltk_runtime.units import DAY_SECONDS
from tests.flows.helpers import NOBODY, flow_of, search_of, world_of
from tests.flows.test_flow_rules import write

INDEX = "dltk_x"
ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Auckland", "UTC",
    "Atlantic/Azores", "America/Nuuk", "America/Havana", "Antarctica/Troll",
)  # fmt: skip


def made(folder: Path, sample: str, **values: object) -> World:
    return world_of(flow_of("summary", lag=1, **values), folder, NOBODY, "offset,query,verdict\n" + sample)


def records(world: World, kind: str) -> list[dict[str, str]]:
    rows = [row for row in world.storage.indexes[INDEX].rows() if row.get("kind") == kind]
    return sorted(rows, key=lambda row: (int(float(row["win_start"])), row["event_key"]))


@pytest.mark.parametrize("zone", ZONES)
def test_days_begin_at_midnight_of_their_zone_around_every_change_of_the_clocks(tmp_path: Path, zone: str) -> None:
    world = made(tmp_path, "", interval=1440, zone=zone)
    changes = [first for first, _ in windows.offsets(zone)[1:]][-30:] or [int(BEGIN)]
    times = [each + hours * 3600 for each in changes for hours in (-30, -12, -4, -1, 0, 1, 4, 12, 30)]
    rows = "".join(f"{time}\n" for time in times)
    (world.context.lookups.folder / "times.csv").write_text("at\n" + rows)
    text = "| inputlookup times.csv | eval time=at | `dltk_x_begin` | table time at"
    found = {int(float(row["time"])): int(float(row["at"])) for row in world.ask(text, BEGIN).to_dict("records")}
    assert found == {time: midnight(time, zone) for time in times}


def midnight(time: int, zone: str) -> int:
    there = datetime.fromtimestamp(time, ZoneInfo(zone))
    return int(there.replace(hour=0, minute=0, second=0, fold=0).timestamp())


def test_a_day_of_23_hours_has_one_record_and_what_is_read_is_not_doubled_by_an_overlap(tmp_path: Path) -> None:
    # 29 March 2026: from 23:00 UTC of the day before to 22:00 UTC.
    begin = int(datetime(2026, 3, 28, 23, tzinfo=ZoneInfo("UTC")).timestamp())
    offsets = [begin - BEGIN + hours * 3600 + 5 for hours in (-1, 0, 22, 23)]
    sample = "".join(f"{offset:.0f},blue{number}.com,good\n" for number, offset in enumerate(offsets))
    world = made(tmp_path, sample, interval=1440, zone="Europe/Berlin")
    # Starts of a scheduler whose own clock is changed: 23 and 25 hours apart.
    for now in (begin + 2 * 3600, begin + 25 * 3600, begin + 50 * 3600):
        world.run(search_of(world, "features"), now)
    days = [(int(row["win_start"]), int(row["win_end"])) for row in records(world, "run")]
    assert set(days) >= {(begin - DAY_SECONDS, begin), (begin, begin + 23 * 3600)}
    assert all(end - start in (DAY_SECONDS, 23 * 3600) for start, end in days)
    frame = world.ask("`dltk_x_rows` | table entity win_start", begin + 60 * 3600, Window())
    by_entity = {row["entity"]: int(float(row["win_start"])) for row in frame.to_dict("records")}
    assert len(frame) == 4
    assert by_entity == {
        "blue0.com": begin - DAY_SECONDS,
        "blue1.com": begin,
        "blue2.com": begin,
        "blue3.com": begin + 23 * 3600,
    }
    assert world.run(search_of(world, "incomplete"), begin + 60 * 3600).frame.empty


def test_minutes_have_a_record_each_also_those_without_events(tmp_path: Path) -> None:
    world = made(tmp_path, "10,blue.com,good\n50,blue.com,good\n70,blue.com,good\n250,green.com,good\n", interval=1)
    begin, length = int(BEGIN), windows.period(1) * 60
    world.run(search_of(world, "features"), BEGIN + 600, Window(begin, begin + length))
    assert [(int(row["win_start"]) - begin, row["rows"]) for row in records(world, "run")] == [
        (0, "1"),
        (60, "1"),
        (120, "0"),
        (180, "0"),
        (240, "1"),
    ]
    assert [(row["entity"], int(row["win_start"]) - begin) for row in records(world, "row")] == [
        ("blue.com", 0),
        ("blue.com", 60),
        ("green.com", 240),
    ]


@pytest.mark.parametrize("interval", [1, 2, 3, 4, 5, 60, 120, 360, 720, 1440])
def test_starts_write_every_window_of_two_days_and_pass_the_check(tmp_path: Path, interval: int) -> None:
    flow = flow_of("summary", interval=interval, zone="America/New_York" if interval == 1440 else "UTC")
    write(tmp_path, files(flow))
    assert not list(check(find_apps(tmp_path)))
    app = find_apps(tmp_path)[0]
    stanza = next(each for each in app.conf("savedsearches.conf") if each.name == "dltk_x_features")
    starts = list(cron.starts(stanza.get("cron_schedule"), BEGIN, BEGIN + 5 * DAY_SECONDS))
    assert all(len([one for one in starts if 0 <= one - each < 3600]) <= 12 for each in starts[:20])
    lag = int(re.fullmatch(r"-(\d+)m@m", stanza.get("dispatch.latest_time"))[1]) * 60  # type: ignore[index]
    reach, back = windows.reach(interval) * 60, windows.ended(interval) * 60
    step = interval * 60
    first = -(-int(BEGIN + 2 * DAY_SECONDS) // step) * step
    for end in range(first, int(BEGIN + 4 * DAY_SECONDS), step)[:200]:
        ranges = [(start - lag - reach, start - lag) for start in starts]
        assert any(low <= end - step and high - back < end <= high for low, high in ranges), (interval, end - BEGIN)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "direct", "interval": 1}, "must be 5 to 60 and divide 60"),
        ({"kind": "summary", "source": "metrics", "interval": 1440}, "With kind=summary and source=events also 1 to 4"),
        ({"kind": "summary", "interval": 90}, "interval=90 must be"),
        ({"kind": "summary", "interval": 60, "zone": "Europe/Berlin"}, "only days begin at midnight"),
        ({"kind": "summary", "interval": 1440, "zone": "Mars/Base"}, "not a name of the time zone database"),
        (
            {"kind": "summary", "interval": 1, "prepare": "eval entity=a | stats count AS n BY entity"},
            "BY _time entity",
        ),
        ({"kind": "summary", "interval": 1, "scoring": "raw"}, "needs scoring=summary"),
    ],
)
def test_other_windows_are_refused_with_the_bounds(values: dict[str, object], said: str) -> None:
    with pytest.raises(FlowInvalid, match=re.escape(said)):
        flow_of(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        (" AND win_end<=floor(info_max_time)", "", 209),
        ("win_start>=floor(info_min_time) AND ", "", 825),
    ],
)
def test_check_wants_windows_that_were_read_in_part_left_out(tmp_path: Path, old: str, new: str, number: int) -> None:
    texts = files(flow_of("summary", interval=1440))
    path = "dltk_flow_x/default/macros.conf"
    assert old in texts[path]
    write(tmp_path, texts | {path: texts[path].replace(old, new)})
    assert number in {each.rule.number for each in check(find_apps(tmp_path))}


def test_check_wants_a_range_that_is_not_shorter_than_the_time_between_two_starts(tmp_path: Path) -> None:
    texts = files(flow_of("summary", interval=1440))
    path = "dltk_flow_x/default/savedsearches.conf"
    assert "dispatch.earliest_time = -3007m@m" in texts[path]
    write(tmp_path, texts | {path: texts[path].replace("earliest_time = -3007m@m", "earliest_time = -307m@m")})
    assert 209 in {each.rule.number for each in check(find_apps(tmp_path))}


def saved(interval: int) -> Saved:
    """The saved search as Splunk returns it, with a lag of seven minutes."""
    back = windows.ended(interval) * 60
    return Saved(
        "dltk_x_features",
        {
            "search": f'… | where kind="row" OR win_end>floor(info_max_time)-{back} | collect index=dltk_x addinfo=f',
            "cron_schedule": windows.cron(interval, 2, 7, "UTC"),
            "dispatch.earliest_time": f"-{7 + windows.reach(interval)}m@m",
            "dispatch.latest_time": "-7m@m",
        },
    )


def test_a_backfill_starts_what_has_no_records_of_its_windows() -> None:
    minutes = saved(1).windows(BEGIN, BEGIN + 3600, BEGIN + DAY_SECONDS)
    assert {each.end - each.begin for each in minutes} == {300}
    five = [BackfillWindow(minutes[0].begin + 60 * number, minutes[0].begin + 60 * (number + 1)) for number in range(5)]
    assert _all_written(minutes[0], five, 300)
    assert not _all_written(minutes[0], five[1:], 300)
    days = saved(1440).windows(BEGIN, BEGIN + 3 * DAY_SECONDS, BEGIN + 9 * DAY_SECONDS)
    assert len(days) >= 3
    day = int(BEGIN)
    of_the_first = next(each for each in days if each.end >= day + DAY_SECONDS)
    back = windows.ended(1440) * 60
    assert _all_written(of_the_first, [BackfillWindow(day, day + DAY_SECONDS)], back)
    assert not _all_written(of_the_first, [BackfillWindow(day - DAY_SECONDS, day)], back)


def test_the_table_of_offsets_is_that_of_the_database() -> None:
    for zone in ZONES:
        for first, offset in windows.offsets(zone):
            there = datetime.fromtimestamp(first, ZoneInfo(zone)).utcoffset()
            assert there == timedelta(seconds=offset)
