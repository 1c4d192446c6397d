"""Flows with an algorithm of the toolkit itself: alone, and as champion beside the container's challenger."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows import flow as flows
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import create, files
from dltk_runtime.flows.rehearsal.alarms import alarms
from dltk_runtime.flows.rehearsal.challengers import Counts, compared, miscounted
from dltk_runtime.flows.rehearsal.knowledge import knowledge_of
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from dltk_runtime.flows.studio.definition import definition, sources
from dltk_runtime.settings import ClientSettings
from dltk_runtime.units import DAY_SECONDS
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import NOBODY, count, flow_of, predicting, search_of, world_of

FOREST = {"native": "RandomForestClassifier", "native_parameters": "n_estimators=5 random_state=1"}
TOMORROW = BEGIN + DAY_SECONDS
NOW = TOMORROW + 720  # the window of the first five minutes of the day
# Names with digits are bad; a day to learn from, and one window to score.
DOMAINS = [("bluehills", "good"), ("x4kq9z77", "bad"), ("redhouse", "good"), ("9q8w7e61", "bad")]
SAMPLE = "offset,query,verdict\n" + "".join(
    f"{offset + number},{name}.com,{verdict}\n"
    for offset in (3600, 7200, 10_800, int(DAY_SECONDS) + 10)
    for number, (name, verdict) in enumerate(DOMAINS)
)
KINDS = [
    ("direct", {}),
    ("summary", {}),
    ("summary", {"source": "metrics"}),
    ("summary", {"source": "datamodel"}),
    ("summary", {"scoring": "raw"}),
    ("direct", {"predicts": "class"}),
    ("summary", {"predicts": "number", "native": "LinearRegression", "native_parameters": ""}),
]


@pytest.fixture(scope="module")
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = predicting
        yield state


def trained(folder: Path, client: ClientSettings, kind: str = "direct", **values: Any) -> World:
    """A flow that has learned from a day, and scored a window of the next one."""
    world = world_of(flow_of(kind, **FOREST, **values), folder, client, SAMPLE)
    if kind == "summary":
        for hour in range(1, 4):
            begin = BEGIN + hour * 3600
            world.run(search_of(world, "features"), begin + 720)
    world.run(search_of(world, "train"), NOW - 600)
    if kind == "summary":
        world.run(search_of(world, "features"), NOW)
        world.run(search_of(world, "score"), NOW + 180)
    else:
        world.run(search_of(world, "score"), NOW)
        if values.get("algorithm") != "":
            world.run(search_of(world, "truth"), TOMORROW + DAY_SECONDS)
    return world


def fitted_to(world: World) -> float:
    """The end of what a model of the flow may have learned from."""
    (record,) = world.storage.kvstore["dltk_x_fits"].query()
    return float(record["read_to"])


@contextmanager
def failing(half: str, world: World, container: Standin) -> Iterator[World]:
    """The world with one half of a training that fails and ends the search; the other half is as it was."""
    mltk, answered, released = world.context.mltk, container.answer, threading.Event()
    if half == "container":
        container.answer = lambda path, payload: (released.wait(30), predicting(path, payload))[1]
        mltk = replace(mltk, limits={**mltk.limits, "max_fit_time": "0.2"})
        yield replace(world, context=replace(world.context, mltk=mltk))
    else:
        none = Macro((), "RandomForestClassifier n_estimators=0")
        yield replace(world, context=replace(world.context, macros={**world.context.macros, "dltk_x_native": none}))
    released.set()
    container.answer = answered


def predictions(world: World) -> list[dict[str, str]]:
    return sorted(world.predictions(), key=lambda row: row["entity"])


@pytest.mark.parametrize("algorithm", ["", "pytorch_nn"])
@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_every_variant_is_without_findings(tmp_path: Path, kind: str, values: dict[str, Any], algorithm: str) -> None:
    create(flow_of(kind, **{**FOREST, **values, "algorithm": algorithm}), tmp_path)
    assert [str(each.found) for each in check(find_apps(tmp_path))] == []


class TestAlone:
    def test_nothing_of_a_container_is_in_the_app(self) -> None:
        made = files(flow_of("direct", algorithm="", **FOREST))
        texts = {name: text for name, text in made.items() if "/default/" in name}
        assert not any("MLTKContainer" in text or "dltk_status" in text for text in texts.values())
        assert not any("/views/status." in name for name in made)
        assert "status" not in texts["dltk_flow_x/default/data/ui/nav/default.xml"]
        roles = texts["dltk_flow_x/default/authorize.conf"]
        assert "upload_lookup_files" in roles
        assert "mltkcontainer" not in roles
        assert "list_storage_passwords" not in roles

    @pytest.mark.parametrize("kind", ["direct", "summary"])
    def test_it_trains_and_scores_where_no_container_answers(self, tmp_path: Path, kind: str) -> None:
        world = trained(tmp_path / "flow", NOBODY, kind, algorithm="")
        assert [float(row["predicted_y"]) for row in predictions(world)] == [1, 0, 0, 1]
        assert {row["model_version"] for row in world.predictions()} == {"native"}
        record = "scored" if kind == "summary" else "run"
        assert count(world, "dltk_x", kind=record, rows="4", scored="4") == 1

    def test_a_dead_container_is_nothing_to_such_a_flow(self, tmp_path: Path) -> None:
        world = trained(tmp_path / "flow", NOBODY, algorithm="")
        before = len(world.predictions())
        assert not any("dead container" in said for said in alarms(world, TOMORROW + 3600))
        assert len(world.predictions()) == before


class TestChallenged:
    @pytest.fixture
    def world(self, tmp_path: Path, container: Standin) -> World:
        return trained(tmp_path / "flow", ClientSettings(url=container.url, token=TOKEN))

    def test_the_toolkit_predicts_and_the_container_beside_it(self, world: World) -> None:
        rows = predictions(world)
        assert [float(row["predicted_y"]) for row in rows] == [1, 0, 0, 1]
        assert sorted(row["challenger_y"] for row in rows) == ["0", "0", "1", "1"]
        assert {(row["model_version"], row["challenger_version"]) for row in rows} == {("native", "1")}

    def test_a_row_says_the_end_of_what_both_have_learned_from(self, world: World) -> None:
        assert {float(row["fitted_to"]) for row in world.predictions()} == {TOMORROW}

    def test_without_a_container_the_champion_predicts_and_the_alert_says_what_is_missing(self, world: World) -> None:
        assert world.run(search_of(world, "health"), NOW + 900).frame.empty
        world.calling(NOBODY).run(search_of(world, "score"), NOW)
        assert len(world.predictions()) == 8
        (row,) = world.run(search_of(world, "health"), NOW + 900).frame.to_dict("records")
        assert (row["rows"], row["scored"], row["challenged"]) == ("4", "4", "0")
        assert not any("dead container" in said for said in alarms(world, TOMORROW + 3600))

    def test_rows_that_one_of_them_has_learned_from_are_not_compared(self, world: World) -> None:
        score = search_of(world, "score")
        report = search_of(world, "compared")
        world.run(search_of(world, "truth"), TOMORROW + 4 * 3600)  # what was known of the first day
        before = world.run(report, NOW + 2 * DAY_SECONDS).frame.to_dict("records")
        world.run(score, BEGIN + 3600 + 720)  # an hour of the first day is scored by a backfill
        assert len(world.predictions()) == 8
        assert world.run(report, NOW + 2 * DAY_SECONDS).frame.to_dict("records") == before
        assert [int(float(row["rows"])) for row in before] == [4]

    @pytest.mark.parametrize("half", ["container", "toolkit"])
    def test_rows_of_a_training_of_which_one_half_failed_are_not_compared(
        self, world: World, container: Standin, half: str
    ) -> None:
        world.run(search_of(world, "truth"), TOMORROW + 4 * 3600)
        compared = search_of(world, "compared")
        before = world.run(compared, NOW + 3 * DAY_SECONDS).frame.to_dict("records")
        with failing(half, world, container) as ailing, pytest.raises(SearchError):
            ailing.run(search_of(world, "train"), NOW - 600 + DAY_SECONDS)  # reads to the end of TOMORROW
        assert fitted_to(world) == TOMORROW + DAY_SECONDS
        world.run(search_of(world, "score"), NOW)  # what that training has read, scored by a backfill
        after = world.run(compared, NOW + 3 * DAY_SECONDS).frame.to_dict("records")
        assert [int(float(row["rows"])) for row in before] == [4]
        assert after == [], "one of both may have learned from all rows of the sample"

    def test_a_training_over_an_earlier_time_does_not_bring_back_what_the_container_has_learned_from(
        self, world: World
    ) -> None:
        world.run(search_of(world, "train"), NOW - 600, Window(BEGIN, BEGIN + 9000))
        assert fitted_to(world) == TOMORROW

    def test_the_report_counts_as_the_sample_does(self, world: World, tmp_path: Path) -> None:
        known = knowledge_of(flows.read(tmp_path / "flow" / "flow.yaml"), tmp_path / "flow" / "sample.csv")
        assert list(miscounted(world, known, NOW + 2 * DAY_SECONDS)) == []
        (counts,) = compared(world, known).values()
        assert (counts.rows, counts.champion) == (4, 4)
        path = world.app.folder / "default" / "savedsearches.conf"
        path.write_text(path.read_text().replace("sum(champion) AS champion_right", "min(champion) AS champion_right"))
        flattering = World(find_apps(tmp_path / "flow")[0], world.context, world.replaced)
        (said,) = miscounted(flattering, known, NOW + 2 * DAY_SECONDS)
        assert f"says {Counts(4, 1, counts.challenger)} (challenger of version 1); by the sample it is {counts}" in said


def test_a_summary_is_scored_and_compared_by_its_own_rows(tmp_path: Path, container: Standin) -> None:
    world = trained(tmp_path / "flow", ClientSettings(url=container.url, token=TOKEN), "summary")
    (row,) = world.run(search_of(world, "compared"), NOW + 3600).frame.to_dict("records")
    assert (int(float(row["rows"])), int(float(row["champion_right"]))) == (4, 4)


@pytest.mark.parametrize("taken", ["fit_mltkcontainer", "list_storage_passwords", "upload_lookup_files"])
def test_the_challenger_asks_for_the_capabilities_of_the_container(tmp_path: Path, taken: str) -> None:
    create(flow_of("direct", **FOREST), tmp_path)
    path = tmp_path / "dltk_flow_x" / "default" / "authorize.conf"
    path.write_text(path.read_text().replace(f"{taken} = enabled\n", ""))
    assert f"no role has {taken}" in {each.found.what for each in check(find_apps(tmp_path))}


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("feedback", {}, "native needs kind=direct or summary"),
        ("summary", {"labels": True}, "labels=false"),
        ("direct", {"target": "", "outcome": "outlier"}, "a target"),
        ("direct", {"native": "Random Forest"}, "must be one word, such as RandomForestClassifier"),
        ("direct", {"native_parameters": "n_estimators"}, "must be name=value"),
        ("direct", {"native": "", "algorithm": ""}, "'' beside native alone"),
    ],
)
def test_values_that_cannot_be_used_are_named(kind: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(FlowInvalid, match=said):
        flow_of(kind, **{**FOREST, **values})


@pytest.mark.parametrize("algorithm", ["pytorch_nn", ""])
def test_the_overview_compares_champion_and_challenger_where_there_are_both(algorithm: str) -> None:
    made = files(flow_of("direct", **FOREST, algorithm=algorithm))
    found = definition(ET.fromstring(made["dltk_flow_x/default/data/ui/views/overview.xml"]))
    reports = [each.saved for each in sources(found or {}) if each.saved]
    assert reports == (["dltk_x_compared"] if algorithm else [])
