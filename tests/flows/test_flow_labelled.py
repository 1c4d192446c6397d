"""The summary flow whose rows people judge: verdicts join rows by key and time, and raw events are scored alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.kinds import Scoring
from dltk_runtime.flows.rehearsal.people import reviewer
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, standin
from tests.flows.helpers import count, flow_of, predicting, search_of, world_of
from tests.flows.test_flow_rules import write

HOUR = 3600
INDEX = "dltk_x"
RUNS = (BEGIN + HOUR, BEGIN + 2 * HOUR)
NOW = BEGIN + 6 * HOUR
# Of the third only the windows tell the rows apart; nothing is known of the last one without people.
SAMPLE = """offset,query,verdict
10,blue.com,good
20,x4kq9zt7bd.net,bad
130,edge.org,good
3700,edge.org,good
3800,nobody-knows.org,
"""
KNOWN = "query,verdict\nblue.com,good\nx4kq9zt7bd.net,bad\n"


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[dict[Scoring, World]]:
    """A world for each way of scoring, over a container that answers at once and learns nothing."""
    with standin() as state:
        state.answer = predicting
        client = ClientSettings(url=state.url, token=TOKEN)
        yield {each: made(tmp_path / each, client, each) for each in Scoring}


def made(folder: Path, client: ClientSettings, scoring: Scoring) -> World:
    world = world_of(flow_of("summary", labels=True, scoring=scoring, interval=60, lag=1), folder, client, SAMPLE)
    (world.context.lookups.folder / "dltk_x_verdicts.csv").write_text(KNOWN)
    for now, begin in zip(RUNS, (BEGIN, BEGIN + HOUR), strict=True):
        world.run(search_of(world, "features"), now, Window(begin, begin + HOUR))
        if scoring is Scoring.RAW:
            world.run(search_of(world, "score"), now + 60, Window(begin, begin + HOUR))
    if scoring is Scoring.SUMMARY:
        world.run(search_of(world, "rescore"), NOW)
    return world


def keys(world: World, entity: str) -> list[str]:
    """The keys of an entity's rows, oldest window first."""
    rows = [row for row in world.storage.indexes[INDEX].rows() if row.get("kind") == "row"]
    return [row["event_key"] for row in sorted(rows, key=lambda row: row["win_start"]) if row["entity"] == entity]


def layer(world: World) -> dict[tuple[str, int], int]:
    """What training reads: the target by entity and hour."""
    frame = world.ask("`dltk_x_labelled` | table entity win_start y", NOW, Window(BEGIN, NOW + 1e6))
    rows = frame.to_dict("records")
    return {(row["entity"], int(float(row["win_start"]) - BEGIN) // HOUR): int(float(row["y"])) for row in rows}


def judge(world: World, key: str, verdict: str, now: float = NOW) -> None:
    ann = reviewer(world, {}, "ann")
    assert ann is not None
    world.storage.kvstore["dltk_x_queue"].batch_save([{"_key": key, "entity": "edge.org", "row_time": BEGIN}])
    ann.write(world, now, key, verdict)


def test_a_verdict_counts_for_the_row_of_its_window_alone(worlds: dict[Scoring, World]) -> None:
    world = worlds[Scoring.SUMMARY]
    assert layer(world) == {("blue.com", 0): 0, ("x4kq9zt7bd.net", 0): 1}
    early, late = keys(world, "edge.org")
    judge(world, late, "bad")
    assert layer(world)[("edge.org", 1)] == 1
    assert ("edge.org", 0) not in layer(world)
    judge(world, early, "good", NOW + 60)
    assert (layer(world)[("edge.org", 0)], layer(world)[("edge.org", 1)]) == (0, 1)


def test_people_know_better_than_the_raw_events_and_skip_takes_a_row_out(worlds: dict[Scoring, World]) -> None:
    world = worlds[Scoring.SUMMARY]
    judge(world, keys(world, "blue.com")[0], "bad")
    judge(world, keys(world, "x4kq9zt7bd.net")[0], "skip")
    assert layer(world) == {("blue.com", 0): 1}


def test_a_verdict_that_was_taken_back_counts_no_more(worlds: dict[Scoring, World]) -> None:
    world = worlds[Scoring.SUMMARY]
    before, key = layer(world), keys(world, "blue.com")[0]
    judge(world, key, "bad")
    tokens = {"tick": "0", "env:user": "ann", "undo_key": key, "undo": "yes", "note": "-"}
    world.run(search_of(world, "undo_search", "review"), NOW + 60, tokens=tokens)
    assert layer(world) == before


def test_labels_that_were_removed_by_age_are_taken_from_the_history(worlds: dict[Scoring, World]) -> None:
    world = worlds[Scoring.SUMMARY]
    key = keys(world, "edge.org")[0]
    judge(world, key, "bad")
    judge(world, key, "good", NOW + 60)
    before = layer(world)
    world.storage.kvstore["dltk_x_labels"].delete()
    assert layer(world) == before
    assert before[("edge.org", 0)] == 0


def test_keys_are_the_same_in_the_next_version_of_the_features() -> None:
    texts = [files(flow_of("summary", labels=labels, version=2)) for labels in (True, False)]
    made_by = [re.findall(r'sha256\("(x[^"]*)\|"\.entity', each["dltk_flow_x/default/macros.conf"]) for each in texts]
    assert made_by == [["x"], ["x|v2"]]


def test_raw_events_are_scored_under_the_keys_of_the_summary_and_a_run_record_counts_them(
    worlds: dict[Scoring, World],
) -> None:
    predicted = {each: {row["event_key"] for row in world.predictions()} for each, world in worlds.items()}
    assert predicted[Scoring.RAW] == predicted[Scoring.SUMMARY]
    assert len(predicted[Scoring.RAW]) == 5
    raw = worlds[Scoring.RAW]
    assert count(raw, INDEX, kind="scored", rows="3", scored="3", win_start=str(int(BEGIN))) == 1
    assert raw.run(search_of(raw, "unscored"), NOW).frame.empty


def test_what_is_scored_waits_in_the_queue_with_the_time_of_its_window(worlds: dict[Scoring, World]) -> None:
    for world in worlds.values():
        queued = world.storage.kvstore["dltk_x_queue"].query()
        times = {each["row_time"] for each in queued}
        assert times
        assert times <= {BEGIN, BEGIN + HOUR}


def test_before_there_is_a_model_a_tenth_of_the_rows_can_be_queued(worlds: dict[Scoring, World]) -> None:
    world = worlds[Scoring.SUMMARY]
    world.storage.kvstore["dltk_x_queue"].delete()
    expected = {key for name in ("blue.com", "edge.org") for key in keys(world, name) if int(key[1:5], 16) >= 58982}
    world.run(search_of(world, "queue_first"), NOW, Window(BEGIN, NOW))
    queued = {each["_key"] for each in world.storage.kvstore["dltk_x_queue"].query()}
    assert expected <= queued
    assert all(int(key[1:5], 16) >= 58982 for key in queued)


def test_check_compares_raw_scoring_with_the_rows_that_training_reads(tmp_path: Path) -> None:
    texts = files(flow_of("summary", scoring="raw"))
    path = "dltk_flow_x/default/savedsearches.conf"
    whole = texts[path]
    call = "search = `dltk_x_features` \\\n"
    assert whole.count(call) == 1
    texts[path] = whole.replace(call, "search = `dltk_x_features` | eval f_len=f_len+1 \\\n")
    write(tmp_path, texts)
    assert 807 in {each.rule.number for each in check(find_apps(tmp_path))}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "direct", "labels": True, "score": "p"}, "labels=true needs kind=summary with source=events"),
        ({"kind": "summary", "labels": True, "predicts": "class"}, "a target that is yes or no"),
        ({"kind": "summary", "labels": True, "score": ""}, "need the column of the score"),
        (
            {"kind": "summary", "source": "metrics", "scoring": "raw"},
            "scoring=raw needs kind=summary with source=events",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(FlowInvalid, match=re.escape(said)):
        flow_of(**values)  # type: ignore[arg-type]
