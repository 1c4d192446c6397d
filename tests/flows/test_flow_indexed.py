"""Summaries whose fields are indexed: written by ``collect output_format=hec``, read by ``tstats``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import RULES, check
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import count, flow_of, predicting, search_of, world_of

SAMPLE = "offset,query,verdict\n" + "".join(
    f"{60 + 70 * number},{name},{'bad' if number % 2 else 'good'}\n"
    for number, name in enumerate(("a.com", "b.com", 'say"no".com', "d.com", "e.com", "f.com", "a.com"))
)
WINDOW = 300
INDEX, SEARCHES, MACROS = "dltk_x", "default/savedsearches.conf", "default/macros.conf"
NOW = BEGIN + 10 * WINDOW


@pytest.fixture(scope="module")
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = predicting
        yield state


@pytest.fixture
def world(tmp_path: Path, container: Standin) -> World:
    client = ClientSettings(url=container.url, token=TOKEN)
    return world_of(flow_of("summary", source="indexed"), tmp_path / "flow", client, SAMPLE)


def write_features(world: World) -> None:
    """Run the search that writes features over the first two windows."""
    for number in range(2):
        world.run(search_of(world, "features"), BEGIN + number * WINDOW + 720)


def test_a_second_writing_stays_in_the_index_and_the_newest_is_read(world: World) -> None:
    write_features(world)
    once = world.ask("| `dltk_x_rows` | sort 0 event_key", NOW)
    assert once["event_key"].nunique() == len(once) == 7
    assert {'say"no".com', "say'no'.com"} & set(once["entity"]) == {"say'no'.com"}
    again = search_of(world, "features")
    text = again.text.replace("written_at=now()", "written_at=now()+60, f_len=f_len+1")
    for number in range(2):
        window = (BEGIN + number * WINDOW, BEGIN + (number + 1) * WINDOW)
        world.ask(text, BEGIN + number * WINDOW + 720, Window(*window))
    newest = world.ask("| `dltk_x_rows` | sort 0 event_key", NOW)
    assert count(world, INDEX, kind="features") == 14
    assert newest["event_key"].tolist() == once["event_key"].tolist()
    assert [float(each) for each in newest["f_len"]] == [float(each) + 1 for each in once["f_len"]]


def test_each_window_is_scored_once_by_its_indexed_fields(world: World) -> None:
    write_features(world)
    for number in range(4):
        world.run(search_of(world, "score"), BEGIN + number * WINDOW + 1140)
    assert len({row["event_key"] for row in world.predictions()}) == 7
    assert set(world.replaced) == {"dltk_x_base"}, "tstats runs here as it is"


def test_what_is_written_as_text_is_not_found(world: World) -> None:
    text = search_of(world, "features").text
    world.ask(text.replace(" output_format=hec", ""), BEGIN + 720, Window(BEGIN, BEGIN + WINDOW))
    assert count(world, INDEX, kind="features") > 0
    assert len(world.ask("| `dltk_x_rows`", NOW)) == 0


def test_a_search_that_reads_the_rows_by_words_is_refused(world: World) -> None:
    write_features(world)
    with pytest.raises(SearchError, match="read them by tstats"):
        world.ask('index=`dltk_x_summary` kind="features"', NOW)


@pytest.mark.parametrize(
    ("number", "name", "old", "new"),
    [
        (527, MACROS, "span=5m", "span=1h"),
        (525, MACROS, 'kind="features"', 'kind="feature"'),
        (530, SEARCHES, 'kind="run" |', '(kind="run" OR kind="features") |'),
        (533, MACROS, "entity written_at", "entity"),
    ],
)
def test_a_mistake_in_the_app_is_found(number: int, name: str, old: str, new: str, tmp_path: Path) -> None:
    for path, text in files(flow_of("summary", source="indexed")).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        changed = text.replace(old, new) if path == f"dltk_flow_x/{name}" else text
        (tmp_path / path).write_text(changed)
    rules = [rule for rule in RULES if rule.number == number]
    assert {each.rule.number for each in check(find_apps(tmp_path), rules)} == {number}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"predicts": "class", "positive": "a", "negative": "b"}, "predicts=class cannot be read with source=indexed"),
        ({"features": ["entity"]}, "must be numbers with source=indexed"),
        ({"labels": True}, "labels=true needs kind=summary with source=events"),
        ({"scoring": "raw"}, "scoring=raw needs kind=summary with source=events"),
        ({"interval": 1440}, "interval=1440 must be 5 to 60"),
    ],
)
def test_what_indexed_fields_cannot_carry_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(FlowInvalid, match=message):
        flow_of("summary", source="indexed", **values)
