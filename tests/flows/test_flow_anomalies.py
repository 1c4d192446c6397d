"""Flows without a target: the sensitivity of an entity, under both clients, whose columns have other names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.rehearsal.knowledge import knowledge_of
from dltk_runtime.flows.rehearsal.tuning import Tuned, tuner, untuned
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import NOBODY, count, flow_of, search_of, world_of

NOW = BEGIN + 720
INDEX = "dltk_x"
SAMPLE = (
    "offset,host,cpu,memory,latency,verdict\n10,WEB01,97,50,300,bad\n20,web02,30,50,40,good\n30,web03,96,50,40,good\n"
)
SOURCES = {"direct": "events", "summary": "events", "metrics": "metrics", "datamodel": "datamodel"}


def marking(path: str, payload: Mapping[str, Any]) -> tuple[int, bytes]:
    """A container that marks a busy host, unless its sensitivity is 0."""
    rows = list(csv.DictReader(io.StringIO(payload["data"])))
    lines = [f"{int(float(row['cpu']) > 90 and float(row['sensitivity']) > 0)},{row['cpu']},3" for row in rows]
    results = "outlier,score,model_version\n" + "".join(f"{line}\n" for line in lines)
    reply = {"status": "success", "message": f"{path} done successfully", "results": results}
    return 200, json.dumps(reply).encode()


@pytest.fixture
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = marking
        yield state


@pytest.fixture(params=["MLTKContainer", "AITKContainer"])
def world(request: pytest.FixtureRequest, tmp_path: Path, container: Standin) -> World:
    """A flow whose model was fitted by DSDL's client, or by the toolkit's."""
    client = ClientSettings(url=container.url, token=TOKEN)
    return world_of(flow_of("direct", anomalies=True), tmp_path / "flow", client, SAMPLE, request.param)


def set_sensitivity(world: World, entity: str, share: str, now: float = NOW) -> None:
    """What a person does in the view."""
    tokens = {"tick": "0", "entity": entity, "share": share, "env:user": "anna"}
    world.run(search_of(world, "sensitivity_search", "sensitivity"), now, tokens=tokens)


def predictions(world: World) -> dict[str, dict[str, str]]:
    return {row["entity"]: row for row in world.predictions()}


class TestUnderBothClients:
    def test_each_record_has_verdict_score_version_and_the_sensitivity(self, world: World) -> None:
        world.run(search_of(world, "score"), NOW)
        made = predictions(world)
        assert {name: row["predicted_outlier"] for name, row in made.items()} == {
            "web01": "1",
            "web02": "0",
            "web03": "1",
        }
        assert (made["web01"]["score"], made["web01"]["model_version"]) == ("97", "3")
        assert {row["sensitivity"] for row in made.values()} == {"0.02"}
        assert count(world, INDEX, kind="run", rows="3", scored="3") == 1

    def test_what_a_person_set_reaches_the_container_and_the_alert(self, world: World, container: Standin) -> None:
        set_sensitivity(world, "Web03 ", "0")
        set_sensitivity(world, "web01", "0.005")
        world.run(search_of(world, "score"), NOW)
        sent = list(csv.DictReader(io.StringIO(container.payload["data"])))
        assert sorted(float(row["sensitivity"]) for row in sent) == [0, 0.005, 0.02]
        found = world.run(search_of(world, "found"), NOW + 900).frame
        assert found["entity"].tolist() == ["web01"]
        assert found["sensitivity"].tolist() == ["0.005"]

    def test_who_is_muted_after_the_run_is_quiet_at_once(self, world: World) -> None:
        world.run(search_of(world, "score"), NOW)
        assert set(world.run(search_of(world, "found"), NOW + 900).frame["entity"]) == {"web01", "web03"}
        set_sensitivity(world, "web03", "0", NOW + 800)
        assert world.run(search_of(world, "found"), NOW + 900).frame["entity"].tolist() == ["web01"]

    def test_a_dead_container_leaves_a_run_record_that_the_alert_finds(self, world: World) -> None:
        world.calling(NOBODY).run(search_of(world, "score"), NOW)
        assert count(world, INDEX, kind="prediction") == 0
        assert world.run(search_of(world, "health"), NOW + 900).frame["scored"].tolist() == ["0"]

    def test_a_training_has_no_target_and_the_sensitivity_among_its_columns(
        self, world: World, container: Standin
    ) -> None:
        world.run(search_of(world, "train"), BEGIN + 86_400)
        meta = container.payload["meta"]
        assert "target_variables" not in meta
        assert meta["feature_variables"] == ["cpu", "memory", "latency", "sensitivity"]
        assert meta["options"]["params"]["promote"] == "auto"


class TestTheView:
    def test_each_change_is_one_record_by_entity_and_an_event_from_to(self, world: World) -> None:
        set_sensitivity(world, "web01", "0.005")
        set_sensitivity(world, "web01", "0.001", NOW + 5)
        kept = world.storage.kvstore["dltk_x_sensitivity"].query()
        assert [(each["entity"], each["sensitivity"], each["was"], each["reviewer"]) for each in kept] == [
            ("web01", 0.001, 0.005, "anna")
        ]
        changes = world.run(search_of(world, "changes_search", "sensitivity"), NOW + 10, tokens={"tick": "0"}).frame
        assert changes[["was", "sensitivity"]].to_numpy().tolist() == [["0.005", "0.001"], ["0.02", "0.005"]]

    @pytest.mark.parametrize("share", ["0.7", "-1"])
    def test_what_is_no_share_changes_nothing(self, world: World, share: str) -> None:
        set_sensitivity(world, "web01", share)
        assert world.storage.kvstore["dltk_x_sensitivity"].query() == []
        assert count(world, INDEX, kind="parameter") == 0

    def test_a_person_lowers_it_where_harmless_rows_were_marked_and_later_rows_must_have_it(
        self, world: World, tmp_path: Path
    ) -> None:
        world.run(search_of(world, "score"), NOW)
        flow = flow_of("direct", anomalies=True)
        someone = tuner(world, knowledge_of(flow, tmp_path / "flow" / "sample.csv"))
        assert someone is not None
        change = someone.tune(world, BEGIN + 5, ())
        assert change == Tuned(BEGIN + 5, "web03", 0.001)
        assert list(untuned(world, [change])) == [
            "web03 to 0.001: a person set the sensitivity, and no later row was scored with it"
        ]
        assert someone.tune(world, NOW, [change]) is None
        world.run(search_of(world, "score"), NOW)
        assert not list(untuned(world, [change]))


class TestChecks:
    @pytest.mark.parametrize("variant", list(SOURCES))
    def test_every_variant_is_without_findings(self, tmp_path: Path, variant: str) -> None:
        kind = "direct" if variant == "direct" else "summary"
        create(flow_of(kind, anomalies=True, source=SOURCES[variant]), tmp_path)
        assert [str(each.found) for each in check(find_apps(tmp_path))] == []

    @pytest.mark.parametrize(
        ("old", "new", "rule", "what"),
        [
            ("coalesce(predicted_outlier,predicted_None)", "predicted_outlier", 119, "predicted_None is not read"),
            ("coalesce(predicted_score,score)", "coalesce(predicted_scor,score)", 119, "makes score"),
            (", model_version=coalesce(predicted_model_version,model_version)", "", 119, "model_version is read alone"),
            ("promote=auto", "promote=better:f1:0.01 holdout=0.2", 407, "nothing is ever promoted"),
            ("promote=auto", "", 407, "promote=(missing)"),
            (
                "=coalesce(tonumber(sensitivity),`dltk_x_default_sensitivity`)",
                "=tonumber(sensitivity)",
                102,
                "sensitivity",
            ),
        ],
    )
    def test_mistakes_of_flows_without_a_target_are_found(
        self, tmp_path: Path, old: str, new: str, rule: int, what: str
    ) -> None:
        create(flow_of("direct", anomalies=True), tmp_path)
        macros = tmp_path / "dltk_flow_x" / "default" / "macros.conf"
        assert old in macros.read_text()
        macros.write_text(macros.read_text().replace(old, new))
        said = [each.found.what for each in check(find_apps(tmp_path)) if each.rule.number == rule]
        assert any(what in each for each in said), said

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"outcome": ""}, "outcome='' must be empty with a target; without, it must be the name"),
            ({"target": "y"}, "outcome='outlier' must be empty with a target"),
            ({"sensitivity": 0.5}, "sensitivity=0.5 must be a share"),
            ({"features": ["cpu", "sensitivity"]}, "must leave out 'sensitivity'"),
            ({"kind": "feedback"}, "a feedback flow needs a target"),
        ],
    )
    def test_values_that_cannot_be_used_are_named(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(FlowInvalid, match=said):
            flow_of(values.pop("kind", "direct"), anomalies=True, **values)


def test_the_sensitivity_of_an_entity_is_found_whatever_its_case(world: World) -> None:
    """The collection has small letters, and the search for raw events may not make them."""
    set_sensitivity(world, "Web01", "0")
    asked = '| makeresults | eval entity="Web01"'
    assert float(world.ask(f"{asked} | `dltk_x_tuned`", NOW)["sensitivity"].iloc[0]) == 0
    assert len(world.ask(f"{asked} | `dltk_x_loud`", NOW)) == 0
