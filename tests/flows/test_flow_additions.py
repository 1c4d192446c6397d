"""What people add to a flow that they judge: points with weight and origin, and extra features of entities."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.rehearsal.adding import WEIGHTS, adder, unread
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.world import BEGIN, World, make_world
from dltk_runtime.flows.rules import check
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, standin
from tests.flows.helpers import flow_of, predicting, search_of, world_of

NOW = BEGIN + 7200.0
SAMPLE = "offset,query,verdict\n10,blue.com,legit\n20,x4kq9zt7bd.net,dga\n30,x4kq9zt7bd.net,dga\n"
FLOWS = {
    "feedback": {"kind": "feedback", "min_labels": 0, "min_each": 1},
    "labels": {"kind": "summary", "labels": True, "min_labels": 0, "min_each": 1},
}


def made(folder: Path, which: str, client: ClientSettings, **changed: tuple[str, str]) -> World:
    """A world with an hour of predictions; `changed` are edits of the text of a file: old, new."""
    values: dict[str, Any] = {"extras": ("age",), "interval": 60, "lag": 1} | FLOWS[which]
    flow = flow_of(**values)
    sample = SAMPLE.replace("legit", flow.negative).replace("dga", flow.positive)
    world = world_of(flow, folder, client, sample)
    for name, (old, new) in changed.items():
        path = world.app.folder / "default" / f"{name}.conf"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    world = make_world(find_apps(folder), folder / "sample.csv", client, folder / "lookups")
    (folder / "lookups" / "dltk_x_verdicts.csv").write_text("query,verdict\nblue.com,good\nx4kq9zt7bd.net,bad\n")
    if which == "labels":
        world.run(search_of(world, "features"), BEGIN + 3660, Window(BEGIN, BEGIN + 3600))
    world.run(search_of(world, "rescore" if which == "labels" else "score"), NOW, Window(BEGIN, NOW))
    label = {"_key": "k1", "entity": "judged.example", "label": flow.negative, "status": "labelled"}
    world.storage.kvstore["dltk_x_labels"].batch_save([label])
    return world


@pytest.fixture(scope="module")
def client() -> Iterator[ClientSettings]:
    with standin() as state:
        state.answer = predicting
        yield ClientSettings(url=state.url, token=TOKEN)


def trained(world: World) -> list[dict[str, Any]]:
    """The rows that the training would send."""
    search = search_of(world, "train")
    text = search.text[: search.text.index("| fit")]
    return world.run(replace(search, text=text), NOW, Window(BEGIN, NOW)).frame.to_dict("records")


def audit(world: World, kind: str) -> list[dict[str, str]]:
    return [row for row in world.storage.indexes["dltk_x"].rows() if row.get("kind") == kind]


@pytest.mark.parametrize("which", FLOWS)
def test_training_counts_a_point_as_often_as_its_weight_says_and_rows_once(
    tmp_path: Path, client: ClientSettings, which: str
) -> None:
    world = made(tmp_path / which, which, client)
    person = adder(world, Knowledge({}, positive="bad" if which == "labels" else "dga"))
    assert person is not None
    before = trained(world)
    person.add(world, NOW)
    rows = trained(world)
    counted = Counter(row["entity"] for row in rows if row["entity"] in WEIGHTS)
    assert counted == WEIGHTS
    assert len(rows) == len(before) + sum(WEIGHTS.values())
    target = "y" if which == "labels" else "is_dga"
    assert {float(row[target]) for row in rows if row["entity"] in WEIGHTS} == {1.0}
    assert list(unread(world, person, NOW)) == []


def test_a_point_of_weight_0_is_set_aside_and_the_history_has_both(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    add = '| makeresults | eval entity="New.Example ", label="legit", weight="{}", origin="" | `dltk_x_add_points`'
    world.ask(add.format(2), NOW)
    world.ask(add.format(0), NOW + 60)
    points = list(world.storage.kvstore["dltk_x_points"].query())
    assert [(each["entity"], each["weight"], each["origin"]) for each in points] == [("new.example", 0, "synthetic")]
    assert "new.example" not in {row["entity"] for row in trained(world)}
    shown = world.run(search_of(world, "ds_changes", "audit"), NOW + 90, Window(BEGIN, NOW + 90)).frame
    changes = shown[shown["kind"] == "point"][["reviewer", "what", "from", "to"]].to_numpy().tolist()
    assert changes == [
        ["search bar", "new.example", "legit x 2 (synthetic)", "legit x 0 (synthetic)"],
        ["search bar", "new.example", "-", "legit x 2 (synthetic)"],
    ]


def test_a_label_of_people_goes_before_a_point_of_the_same_entity(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    world.ask('| makeresults | eval entity="judged.example", label="dga", weight=5 | `dltk_x_add_points`', NOW)
    assert [float(row["is_dga"]) for row in trained(world) if row["entity"] == "judged.example"] == [0.0]


@pytest.mark.parametrize(("column", "value"), [("label", "skip"), ("weight", "6"), ("weight", "1.5"), ("entity", " ")])
def test_what_is_no_point_is_not_written(tmp_path: Path, client: ClientSettings, column: str, value: str) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    given = {"entity": "a.example", "label": "dga", "weight": "1"} | {column: value}
    evals = ", ".join(f'{name}="{text}"' for name, text in given.items())
    world.ask(f"| makeresults | eval {evals} | `dltk_x_add_points`", NOW)
    assert list(world.storage.kvstore["dltk_x_points"].query()) == []
    assert audit(world, "point") == []


def test_a_feature_of_a_point_that_is_no_number_is_not_taken_for_0(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "labels", client)
    row = '| makeresults | eval entity="new.example", label="bad", f_digits="3", f_len="{}" | `dltk_x_add_points`'
    world.ask(row.format("1,5"), NOW)
    assert list(world.storage.kvstore["dltk_x_points"].query()) == []
    world.ask(row.format("1.5"), NOW)
    (point,) = world.storage.kvstore["dltk_x_points"].query()
    assert [float(point[name]) for name in ("f_len", "f_digits", "f_vowels")] == [1.5, 3, 0]


@pytest.mark.parametrize("which", FLOWS)
def test_a_row_that_is_chosen_brings_what_is_set_so_that_writing_it_changes_nothing_else(which: str) -> None:
    """Else a new weight made a second point of another origin, and one extra feature set the others to 0."""
    flow = flow_of(**({"extras": ("age", "reputation")} | FLOWS[which]))
    root = ET.fromstring(files(flow)["dltk_flow_x/default/data/ui/views/additions.xml"])
    for table, written, choice in (("points", "point", "point_label"), ("extras", "extra", "extra_sure")):
        query = root.findtext(f".//table[@id='{written}']/search/query") or ""
        asked = set(re.findall(r"\$(\w+)\|s\$", query)) - {choice, "note"}
        brought = {str(each.get("token")) for each in root.findall(f".//table[@id='{table}']/drilldown/set")}
        assert {name.removeprefix("form.") for name in brought} == asked
        shown = (root.findtext(f".//table[@id='{table}']/search/query") or "").rpartition("| table ")[2].split()
        assert {re.sub("^(point|extra)_", "", name) for name in asked} <= set(shown)


def test_points_alone_are_no_reason_to_train(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "labels", client, macros=("definition = 1\n", "definition = 2\n"))
    for number in range(6):
        label = "bad" if number % 2 else "good"
        text = f'| makeresults | eval entity="e{number}", label="{label}", f_len=1 | `dltk_x_add_points`'
        world.ask(text, NOW)
    assert len(list(world.storage.kvstore["dltk_x_points"].query())) == 6
    assert trained(world) == []


@pytest.mark.parametrize("which", FLOWS)
def test_an_extra_feature_reaches_scoring_and_training_and_is_0_where_nobody_set_it(
    tmp_path: Path, client: ClientSettings, which: str
) -> None:
    world = made(tmp_path / which, which, client)
    tokens = {"entity": "X4kq9zt7bd.net", "extra_age": "7", "extra_sure": "yes", "env:user": "ann"}
    world.run(search_of(world, "extra_search", "additions"), NOW, tokens=tokens)
    search = search_of(world, "score")
    text = search.text[: search.text.index("| apply")]
    scored = world.run(replace(search, text=text), NOW, Window(BEGIN, NOW)).frame.to_dict("records")
    assert {row["entity"].removeprefix("e:"): float(row["age"]) for row in scored} == {
        "blue.com": 0.0,
        "x4kq9zt7bd.net": 7.0,
    }
    assert {float(row["age"]) for row in trained(world) if row["entity"] == "x4kq9zt7bd.net"} <= {7.0}
    assert [(row["entity"], row["value"], row["reviewer"]) for row in audit(world, "extra")] == [
        ("x4kq9zt7bd.net", "age=7", "ann")
    ]
    assert "age" in search_of(world, "train").text.partition(" from ")[2]


def test_an_extra_feature_is_found_whatever_the_case_of_the_entity(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "labels", client)
    tokens = {"entity": "Web01.Example", "extra_age": "7", "extra_sure": "yes", "env:user": "ann"}
    world.run(search_of(world, "extra_search", "additions"), NOW, tokens=tokens)
    frame = world.ask('| makeresults | eval entity="Web01.Example" | `dltk_x_extra`', NOW)
    assert frame[["entity", "age"]].to_numpy().tolist() == [["Web01.Example", 7]]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("savedsearches", "| `dltk_x_with_points` \\\n", "", "people added 3 points, and training reads none of them"),
        ("savedsearches", "| `dltk_x_weighted` \\\n", "", "reads the point point-two.example 1 times; its weight is 2"),
        (
            "macros",
            " | `dltk_x_extra`",
            " | eval age=0",
            "a person set age of x4kq9zt7bd.net to 7, and scoring reads 0",
        ),
    ],
)
def test_what_people_add_and_nothing_reads_is_a_fault(
    tmp_path: Path, client: ClientSettings, file: str, old: str, new: str, said: str
) -> None:
    world = made(tmp_path / "flow", "feedback", client, **{file: (old, new)})
    person = adder(world, Knowledge({}, positive="dga"))
    assert person is not None
    person.add(world, NOW)
    person.entity = "x4kq9zt7bd.net"
    faults = list(unread(world, person, NOW))
    assert any(said in fault for fault in faults), faults


@pytest.mark.parametrize("which", FLOWS)
def test_the_generated_apps_with_extras_break_no_rule(tmp_path: Path, client: ClientSettings, which: str) -> None:
    made(tmp_path / which, which, client)
    assert [(each.rule.number, each.found) for each in check(find_apps(tmp_path / which))] == []


def test_before_a_verdict_people_see_what_the_flow_knows_of_the_entity(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    row = world.predictions()[0]
    world.storage.kvstore["dltk_x_queue"].batch_save([{"_key": row["event_key"], "entity": row["entity"]}])
    world.ask(f'| `dltk_x_label({row["event_key"]},dga,"seen before")`', NOW + 10)
    context = search_of(world, "context_search", "review")
    known = world.run(context, NOW + 20, Window(BEGIN, NOW + 20), tokens={"chosen": row["entity"]}).frame
    assert set(known["kind"]) == {"label", "prediction"}
    assert known[["kind", "label", "reviewer", "comment"]].iloc[0].tolist() == [
        "label",
        "dga",
        "search bar",
        "seen before",
    ]


def test_a_verdict_that_is_none_is_not_written(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    before = list(world.storage.kvstore["dltk_x_labels"].query())
    world.storage.kvstore["dltk_x_queue"].batch_save([{"_key": "k2", "entity": "a.example"}])
    world.ask('| `dltk_x_label(k2,dgaa,"a slip")`', NOW)
    assert list(world.storage.kvstore["dltk_x_labels"].query()) == before
    assert audit(world, "label") == []
    world.ask('| `dltk_x_label(k2,skip,"as it should be")`', NOW)
    assert [row["status"] for row in audit(world, "label")] == ["skipped"]


@pytest.mark.parametrize(("value", "written"), [("0.7", [0.7]), ("7", []), ("-1", [])])
def test_a_threshold_is_a_probability(tmp_path: Path, client: ClientSettings, value: str, written: list[float]) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    tokens = {"parameter": "threshold", "value": value, "env:user": "ann"}
    world.run(search_of(world, "parameter_search", "parameters"), NOW, tokens=tokens)
    assert [float(each["value"]) for each in world.storage.kvstore["dltk_x_params"].query()] == written
    assert len(audit(world, "parameter")) == len(written)


def test_a_note_with_quotes_ends_in_an_error_and_writes_nothing(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    before = list(world.storage.kvstore["dltk_x_labels"].query())
    world.storage.kvstore["dltk_x_queue"].batch_save([{"_key": "k2", "entity": "a.example"}])
    with pytest.raises(SearchInvalid):
        world.ask('| `dltk_x_label(k2,skip,said "no" twice)`', NOW)
    assert list(world.storage.kvstore["dltk_x_labels"].query()) == before


def test_the_context_of_an_entity_says_what_its_points_are(tmp_path: Path, client: ClientSettings) -> None:
    world = made(tmp_path / "flow", "feedback", client)
    world.ask('| makeresults | eval entity="new.example", label="dga", weight=2 | `dltk_x_add_points`', NOW)
    context = search_of(world, "context_search", "review")
    known = world.run(context, NOW + 20, Window(BEGIN, NOW + 20), tokens={"chosen": "new.example"}).frame
    assert known[["kind", "label"]].to_numpy().tolist() == [["point", "dga x 2 (synthetic)"]]


def test_extras_need_people_and_names_of_their_own() -> None:
    with pytest.raises(FlowInvalid, match="of a flow that people judge"):
        flow_of("direct", extras=["age"])
    with pytest.raises(FlowInvalid, match="name a field twice"):
        flow_of("summary", labels=True, extras=["f_len"])
    with pytest.raises(FlowInvalid, match="must leave out the flow's own fields"):
        flow_of("feedback", extras=["weight"])
