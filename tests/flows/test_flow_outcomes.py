"""Flows whose target is one of several classes, or a number: what counts as a finding, and their quality."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.flow import Flow
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.kinds import Predicts
from dltk_runtime.flows.rehearsal.knowledge import knowledge_of
from dltk_runtime.flows.rehearsal.quality import disagreements
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import count, flow_of, search_of, world_of

NOW = BEGIN + 720
TOMORROW = BEGIN + 86_400
DOMAINS = (
    "offset,query,verdict\n10,aa.com,generated\n20,bb.com,generated\n30,cc.com,chosen\n40,d1.com,network\n50,ee.com,\n"
)
SERVERS = "offset,host,cpu,memory,latency\n10,Web01,10,50,110\n20,web02,20,50,80\n30,web03,30,50,\n"
VARIANTS = [
    ("direct", "class", "events"),
    ("direct", "number", "events"),
    ("summary", "class", "events"),
    ("summary", "number", "events"),
    ("summary", "number", "metrics"),
    ("summary", "class", "datamodel"),
    ("summary", "number", "datamodel"),
]


def classing(row: Mapping[str, str]) -> str:
    """What the model says: it takes what has no digit for generated."""
    return "network" if float(row["f_digits"]) else "generated"


def counting(row: Mapping[str, str]) -> str:
    return str(float(row["cpu"]) * 10)


def answering(model: Callable[[Mapping[str, str]], str]) -> Callable[[str, Mapping[str, Any]], tuple[int, bytes]]:
    def answer(path: str, payload: Mapping[str, Any]) -> tuple[int, bytes]:
        rows = csv.DictReader(io.StringIO(payload["data"]))
        results = "said,model_version\n" + "".join(f"{model(row)},1\n" for row in rows)
        reply = {"status": "success", "message": f"{path} done successfully", "results": results}
        return 200, json.dumps(reply).encode()

    return answer


@pytest.fixture
def container() -> Iterator[Standin]:
    with standin() as state:
        yield state


def scored(flow: Flow, folder: Path, container: Standin) -> World:
    """A flow that has scored its one window, and knows the truth a day later."""
    is_class = flow.predicts is Predicts.CLASS
    container.answer = answering(classing if is_class else counting)
    client = ClientSettings(url=container.url, token=TOKEN)
    world = world_of(flow, folder, client, DOMAINS if is_class else SERVERS)
    world.run(search_of(world, "score"), NOW)
    world.run(search_of(world, "truth"), TOMORROW)
    return world


class TestClasses:
    @pytest.fixture
    def world(self, tmp_path: Path, container: Standin) -> World:
        return scored(flow_of("direct", predicts="class"), tmp_path / "flow", container)

    def test_one_class_is_the_finding(self, world: World) -> None:
        found = world.run(search_of(world, "found"), NOW + 900).frame
        assert set(found["entity"]) == {"aa.com", "bb.com", "cc.com", "ee.com"}
        assert set(found["predicted_y"]) == {"generated"}

    def test_quality_counts_each_class_and_takes_the_mean_over_the_classes(self, world: World) -> None:
        assert count(world, "dltk_x", kind="truth") == 4  # nobody knows ee.com
        rows = world.run(search_of(world, "quality"), TOMORROW).frame.set_index("class")
        kept = rows[["there", "called", "right", "precision", "recall"]].astype(float)
        assert kept.loc["generated"].tolist() == [2, 3, 2, 0.667, 1]
        assert kept.loc["network"].tolist() == [1, 1, 1, 1, 1]
        assert kept.loc["chosen", ["there", "called", "right", "recall"]].tolist() == [1, 0, 0, 0]
        assert kept.loc["all (macro)"].tolist() == [4, 4, 3, 0.833, 0.667]

    def test_a_second_run_changes_no_figure(self, world: World) -> None:
        before = world.run(search_of(world, "quality"), TOMORROW).frame
        world.run(search_of(world, "score"), NOW)
        world.run(search_of(world, "truth"), TOMORROW)
        assert world.run(search_of(world, "quality"), TOMORROW).frame.equals(before)


class TestNumbers:
    @pytest.fixture
    def world(self, tmp_path: Path, container: Standin) -> World:
        return scored(flow_of("direct", predicts="number"), tmp_path / "flow", container)

    def test_a_prediction_from_the_limit_on_is_the_finding(self, world: World) -> None:
        found = world.run(search_of(world, "found"), NOW + 900).frame
        assert set(found["entity"]) == {"web01", "web02", "web03"}
        assert count(world, "dltk_x", kind="prediction", predicted_latency="200") == 1

    def test_quality_says_mean_root_of_the_mean_square_and_quantiles(self, world: World) -> None:
        (row,) = world.run(search_of(world, "quality"), TOMORROW).frame.to_dict("records")
        figures = {name: float(row[name]) for name in ("rows", "mae", "rmse", "median", "worst")}
        assert figures == {"rows": 2, "mae": 65, "rmse": 85.147, "median": 65, "worst": 120}


class TestAgainstTheSample:
    @pytest.mark.parametrize("predicts", ["class", "number"])
    def test_a_report_that_says_what_the_sample_says_is_no_fault(
        self, tmp_path: Path, container: Standin, predicts: str
    ) -> None:
        flow = flow_of("direct", predicts=predicts)
        world = scored(flow, tmp_path / "flow", container)
        known = knowledge_of(flow, tmp_path / "flow" / "sample.csv")
        assert list(disagreements(world, known, TOMORROW)) == []

    @pytest.mark.parametrize(
        ("predicts", "old", "new", "said"),
        [
            ("class", "if(predicted_y=truth,1,0)", "1", "says 4 of version 1 (rows right); by the sample it is 3"),
            (
                "number",
                "avg(error) AS mae",
                "min(error) AS mae",
                "says 10 of version 1 (mean error); by the sample it is 65",
            ),
        ],
    )
    def test_a_report_that_flatters_is_a_fault(
        self, tmp_path: Path, container: Standin, predicts: str, old: str, new: str, said: str
    ) -> None:
        flow = flow_of("direct", predicts=predicts)
        world = scored(flow, tmp_path / "flow", container)
        searches = tmp_path / "flow" / "dltk_flow_x" / "default" / "savedsearches.conf"
        assert old in searches.read_text()
        searches.write_text(searches.read_text().replace(old, new))
        flattering = World(find_apps(tmp_path / "flow")[0], world.context, world.replaced)
        (fault,) = disagreements(flattering, knowledge_of(flow, tmp_path / "flow" / "sample.csv"), TOMORROW)
        assert said in fault


@pytest.mark.parametrize(("kind", "predicts", "source"), VARIANTS)
def test_every_variant_is_without_findings(tmp_path: Path, kind: str, predicts: str, source: str) -> None:
    create(flow_of(kind, predicts=predicts, source=source), tmp_path)
    assert [str(each.found) for each in check(find_apps(tmp_path))] == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"predicts": "number", "metric": "f1"}, "metric='f1' does not measure numbers; mae, r2, rmse do"),
        ({"predicts": "class", "metric": "mae"}, "metric='mae' does not measure classes"),
        ({"predicts": "class", "source": "metrics"}, "cannot be kept in a metrics index"),
        ({"predicts": "number", "target": "", "outcome": "a", "metric": "mae"}, "needs a target"),
    ],
)
def test_values_that_cannot_be_used_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(FlowInvalid, match=said):
        flow_of("summary", **values)
