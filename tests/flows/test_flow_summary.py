"""The summary flow in its bad hours: outages, second runs, a dead container, nulls. Nothing lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import NOBODY, count, flow_of, predicting, search_of, world_of

# Four windows of five minutes; the third has no events, the names need no luck.
SAMPLE = """offset,query,verdict
10,blue.com,good
20,x4kq9zt7bd.net,bad
130,river-stone.org,good
310,q8w7zx5k2.com,bad
320,blue.com,good
910,coffee.net,good
1190,zz9plk4h7t.info,bad
"""
WINDOW, LAG, RUNS = 300, 420, 4
INDEX = "dltk_x"
NOW = BEGIN + 7200


@pytest.fixture
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = predicting
        yield state


@pytest.fixture
def world(tmp_path: Path, container: Standin) -> World:
    return make(tmp_path / "flow", container)


def make(folder: Path, container: Standin) -> World:
    return world_of(flow_of("summary"), folder, ClientSettings(url=container.url, token=TOKEN), SAMPLE)


def run_times(but: tuple[int, ...] = ()) -> list[float]:
    """When the runs start that read the windows 0 to 3, without those in `but`."""
    return [BEGIN + (number + 1) * WINDOW + LAG for number in range(RUNS) if number not in but]


def write_features(world: World, but: tuple[int, ...] = ()) -> None:
    for now in run_times(but):
        world.run(search_of(world, "features"), now)


def backfill(world: World, number: int, now: float) -> None:
    """What the README has people do: dispatch with the epochs of one window."""
    begin = BEGIN + number * WINDOW
    world.run(search_of(world, "features"), now, Window(begin, begin + WINDOW))


def read(world: World) -> list[dict[str, Any]]:
    """What training and scoring read, without when it was written."""
    columns = "event_key win_start entity f_len f_digits f_vowels y"
    rows = world.ask(f"`dltk_x_rows` | table {columns}", NOW)
    found: list[dict[str, Any]] = rows.sort_values("event_key").to_dict("records")
    return found


def test_an_outage_is_found_backfilled_and_then_read_as_if_it_had_not_been(
    tmp_path: Path, world: World, container: Standin
) -> None:
    write_features(world, but=(1, 2))
    gaps = world.run(search_of(world, "gaps"), run_times()[-1] + 60).frame
    assert gaps["gap"].tolist() == [2 * WINDOW]
    for number in (1, 2):
        backfill(world, number, NOW)
    assert world.run(search_of(world, "gaps"), run_times()[-1] + 60).frame.empty
    whole = make(tmp_path / "whole", container)
    write_features(whole)
    assert read(world) == read(whole)
    assert len(read(whole)) == 7


def test_the_open_end_is_a_gap_too(world: World) -> None:
    write_features(world)
    assert not world.run(search_of(world, "gaps"), NOW).frame.empty


def test_a_second_run_leaves_duplicates_in_the_index_and_none_in_what_is_read(world: World) -> None:
    write_features(world)
    once = read(world)
    write_features(world)
    assert count(world, INDEX, kind="row") == 14
    assert read(world) == once
    assert world.run(search_of(world, "incomplete"), NOW).frame.empty


def test_a_window_without_events_has_a_run_record(world: World) -> None:
    write_features(world)
    assert count(world, INDEX, kind="run", rows="0") == 1


def test_backfilled_windows_are_scored_by_their_index_time(world: World) -> None:
    write_features(world, but=(1, 2))
    late = BEGIN + 5 * 86_400
    backfill(world, 1, late)
    world.run(search_of(world, "score"), late + 240)
    assert count(world, INDEX, kind="prediction") == 2


def test_a_dead_container_writes_no_prediction_fires_the_alert_and_what_it_missed_is_scored_later(world: World) -> None:
    write_features(world)
    dead, now = world.calling(NOBODY), run_times()[0] + 420
    result = dead.run(search_of(world, "score"), now)
    assert "No answer from the container" in str(result.messages[0])
    assert count(world, INDEX, kind="prediction") == 0
    assert len(world.run(search_of(world, "health"), now + 600).frame) == 1
    assert len(world.run(search_of(world, "unscored"), NOW).frame) == 7
    world.run(search_of(world, "rescore"), NOW)
    assert count(world, INDEX, kind="prediction") == 7
    assert world.run(search_of(world, "unscored"), NOW).frame.empty
    world.run(search_of(world, "rescore"), NOW + 1)
    assert count(world, INDEX, kind="prediction") == 7


def test_predictions_are_fields_of_their_own_and_not_the_text_of_the_row_they_came_from(world: World) -> None:
    write_features(world)
    world.run(search_of(world, "rescore"), NOW)
    rows = [row for row in world.storage.indexes[INDEX].rows() if row.get("kind") == "prediction"]
    assert {row["entity"] for row in rows} >= {"blue.com", "q8w7zx5k2.com"}
    assert all(row["model_version"] == "1" and row["predicted_y"] in ("0", "1") for row in rows)
    assert not any("f_len" in row["_raw"] for row in rows)


@pytest.mark.parametrize("lost", ["f_len", "f_digits"])
def test_a_feature_that_is_null_is_filled_and_scored(world: World, container: Standin, lost: str) -> None:
    """A null in one row would drop it and, since the counts differ, the columns of the whole chunk."""
    write_features(world)
    assert scored_with(world, f'{lost}=if(entity="blue.com",null(),{lost})') == 7


def test_a_column_that_is_empty_in_the_whole_chunk_is_filled_too(world: World) -> None:
    write_features(world)
    assert scored_with(world, "f_len=null()") == 7


def test_without_the_filling_nothing_without_key_or_prediction_is_written(world: World) -> None:
    """The surprise itself: rows with a null are dropped before sending, and only the result comes back."""
    write_features(world)
    search = search_of(world, "rescore")
    unfilled = search.text.replace(
        "| fillnull value=0 f_len f_digits f_vowels", '| eval f_len=if(entity="e:blue.com",null(),f_len)'
    )
    result = world.ask(unfilled, NOW)
    assert count(world, INDEX, kind="prediction") == 0
    assert result["scored"].tolist() == [0]


class TestMetrics:
    """Features are points of a metrics index; `collect` and `search` stand for mcollect and mstats."""

    @pytest.fixture
    def world(self, tmp_path: Path, container: Standin) -> World:
        client = ClientSettings(url=container.url, token=TOKEN)
        return world_of(flow_of("summary", source="metrics"), tmp_path / "flow", client, SAMPLE)

    def test_a_second_run_adds_points_and_what_is_read_stays(self, world: World) -> None:
        write_features(world)
        once = world.ask("| `dltk_x_rows` | sort 0 event_key", NOW)
        write_features(world)
        assert len(world.storage.indexes["dltk_x_metrics"]) == 14
        again = world.ask("| `dltk_x_rows` | sort 0 event_key", NOW)
        columns = ["_time", "entity", "event_key", "f_len", "f_digits", "f_vowels", "y"]
        assert again[columns].equals(once[columns])
        assert once["event_key"].nunique() == 7

    def test_each_window_is_scored_once_it_is_written(self, world: World) -> None:
        write_features(world)
        for now in [*run_times(), run_times()[-1] + WINDOW]:
            world.run(search_of(world, "score"), now + 120)
        assert len({row["event_key"] for row in world.predictions()}) == 7

    def test_what_runs_in_splunk_only_is_named_with_what_stood_for_it(self, world: World) -> None:
        assert set(world.replaced) == {"dltk_x_base", "dltk_x_rows", "dltk_x_features"}
        assert world.replaced["dltk_x_rows"].text.startswith("mstats latest(f_len) AS f_len")
        assert world.replaced["dltk_x_features"].text.startswith("mcollect index=`dltk_x_metrics` split=true")
        assert world.replaced["dltk_x_features"].by == "collect index=`dltk_x_metrics` addinfo=f"


def test_a_data_model_is_read_window_by_window(tmp_path: Path, container: Standin) -> None:
    client = ClientSettings(url=container.url, token=TOKEN)
    world = world_of(flow_of("summary", source="datamodel"), tmp_path / "flow", client, SAMPLE)
    for number in range(RUNS):
        world.run(search_of(world, "score"), BEGIN + number * WINDOW + 1740)
    assert len({row["event_key"] for row in world.predictions()}) == 7
    assert world.replaced["dltk_x_base"].text.startswith("tstats summariesonly=t")
    assert world.replaced["dltk_x_base"].by == (
        "search index=dltk_sample | where tonumber(_indextime)<=now() "
        '| bin _time span=5m | stats count AS hits BY _time query | rename query AS "DNS.query"'
    )


def scored_with(world: World, blanked: str) -> int:
    """Predictions in the index after a rescore whose rows lose a feature."""
    search, newest = search_of(world, "rescore"), "sort 0 - written_at | dedup event_key"
    assert newest in search.text
    world.ask(search.text.replace(newest, f"{newest} | eval {blanked}"), NOW)
    return count(world, INDEX, kind="prediction")
