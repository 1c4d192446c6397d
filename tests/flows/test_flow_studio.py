"""Dashboards of Dashboard Studio: how they are written and read, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.studio.colours import contrast, unseen
from dltk_runtime.flows.studio.definition import definition, queries
from dltk_runtime.flows.studio.faults import faults
from dltk_runtime.flows.studio.write import view
from tests.flows.helpers import flow_of

PLAN = """
label: "x: <overview>"
description: What was scored & by whom.
time: -24h@h,now
rows:
  - - {id: count, title: Rows, type: splunk.singlevalue, query: 'index=a kind="run" | stats count'}
    - {id: days, title: Days, type: splunk.column, earliest: -30d@d, query: index=a | timechart count}
  - - {id: list, title: List, type: splunk.table, report: a_list, options: {count: 20}}
"""


def read(text: str) -> dict[str, Any]:
    found = definition(ET.fromstring(text))
    assert found is not None
    return found


def panel(**values: Any) -> dict[str, Any]:
    """A definition of one panel without a fault, with these values of it."""
    source = {"type": "ds.search", "options": {"query": "index=a"}}
    shown = {"type": "splunk.column", "dataSources": {"primary": "ds_a"}, "options": {}} | values
    layout = {"type": "grid", "structure": [{"item": "viz_a"}]}
    return {"visualizations": {"viz_a": shown}, "dataSources": {"ds_a": source}, "layout": layout}


def test_a_plan_becomes_a_dashboard_without_a_theme_whose_panels_follow_the_time_input() -> None:
    text = view(PLAN, "an_app")
    root, found = ET.fromstring(text), read(text)
    assert (root.get("version"), root.get("theme")) == ("2", None)
    assert (root.findtext("label"), found["title"]) == ("x: <overview>", "x: <overview>")
    parameters = {name: each["options"].get("queryParameters") for name, each in found["dataSources"].items()}
    assert parameters == {
        "ds_count": {"earliest": "$time.earliest$", "latest": "$time.latest$"},
        "ds_days": {"earliest": "-30d@d", "latest": "now"},
        "ds_list": None,
    }
    assert found["dataSources"]["ds_list"]["options"] == {"ref": "a_list", "app": "an_app"}
    assert [tuple(each["position"].values()) for each in found["layout"]["structure"]] == [
        (0, 0, 600, 300),
        (600, 0, 600, 300),
        (0, 300, 1200, 400),
    ]
    assert list(faults(found)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (panel(type="splunk.colum"), "viz_a: Studio has no type 'splunk.colum'. Did you mean 'splunk.column'?"),
        (panel(options={"stackmode": "stacked"}), "viz_a: splunk.column has no option 'stackmode'. Did you mean"),
        (panel(options={"stackMode": "percent"}), "viz_a: stackMode is 'percent'; it takes auto, stacked, stacked100"),
        (panel(options={"showTooltip": "yes"}), "viz_a: showTooltip is 'yes'; it takes true or false"),
        (panel(options={"resultLimit": "50"}), "viz_a: resultLimit is '50'; it takes a number"),
        (panel(options={"x": "> primary | rangeValue(ranges)"}), "viz_a: x uses ranges, which is not in its context"),
        (panel(dataSources={"primary": "ds_b"}), "viz_a: ds_b is no data source"),
        (panel() | {"layout": {"structure": []}}, "viz_a: the layout places it nowhere"),
        (panel() | {"layout": {"structure": [{"item": "viz_b"}]}}, "the layout places viz_b, which is not there"),
        (panel() | {"layout": {"globalInputs": ["i"]}}, "the layout shows the input i, which is not there"),
        (panel() | {"dataSource": {}}, "dataSource is no section of a definition. Did you mean 'dataSources'?"),
        (panel() | {"dataSources": {"ds_a": {"type": "ds.search"}}}, "ds_a: has no query"),
        (panel() | {"dataSources": {"ds_a": {"type": "ds.savedSearch"}}}, "ds_a: has no ref, the name of"),
        (
            panel() | {"dataSources": {"ds_a": {"type": "ds.savedSearch", "options": {"ref": "a_list"}}}},
            "ds_a: names no app, so Studio looks for a_list in the app search",
        ),
        (panel() | {"dataSources": {"ds_a": {"type": "ds.chain"}}}, "ds_a: extends '', which is no data source"),
        (panel() | {"inputs": {"i": {"type": "input.time"}}}, "i: Studio has no type 'input.time'"),
    ],
)
def test_a_fault_is_named_with_what_studio_takes(changed: dict[str, Any], said: str) -> None:
    assert any(fault.startswith(said) for fault in faults(changed)), list(faults(changed))


@pytest.mark.parametrize(
    "changed",
    [
        panel(type="other_app.gauge", options={"anything": 1}),
        panel(type="splunk.sankey", options={"anything": 1}),
        panel(options={"stackMode": "$mode$", "resultLimit": "> primary | count()"}),
        panel() | {"layout": {"layoutDefinitions": {"one": {"structure": [{"item": "viz_a"}]}}}},
    ],
)
def test_what_the_table_cannot_know_is_no_fault(changed: dict[str, Any]) -> None:
    assert list(faults(changed)) == []


def test_a_continued_search_is_read_with_what_it_continues_and_with_the_times_for_all() -> None:
    chain = {"type": "ds.chain", "options": {"extend": "ds_a", "query": "stats count"}}
    found = panel() | {"defaults": {"dataSources": {"ds.search": {"options": {"queryParameters": {"latest": "@d"}}}}}}
    found["dataSources"] |= {"ds_b": chain}
    assert [(source.name, source.latest, text) for source, text in queries(found)] == [
        ("ds_a", "@d", "index=a"),
        ("ds_b", "@d", "index=a | stats count"),
    ]


def test_a_colour_must_be_seen_in_both_themes_or_in_the_one_of_the_dashboard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the example of WCAG's techniques
    pale = panel(options={"majorColor": "> x | rangeValue(r)"}, context={"r": [{"to": 1, "value": "#eeeeee"}]})
    assert list(unseen(pale, "")) == ["viz_a: #eeeeee has a contrast of 1.2 in the light theme"]
    assert list(unseen(pale, "dark")) == []
    assert list(unseen(panel(options={"fontColor": "#101010", "backgroundColor": "#ffffff"}), "")) == []


def test_no_value_of_a_flow_can_change_a_plan() -> None:
    value = 'a: "b"\n- ]]> # \x1f {{x}}'
    flow = msgspec.structs.replace(flow_of("feedback"), score=value)
    found = read(files(flow)["dltk_flow_x/default/data/ui/views/overview.xml"])
    assert f"predicted_is_dga {value} model_version" in found["dataSources"]["ds_latest"]["options"]["query"]


def test_what_people_look_at_is_made_for_studio_and_what_writes_is_not(tmp_path: Path) -> None:
    for name, text in files(flow_of("feedback")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    app, *_ = find_apps(tmp_path)
    versions = {path.stem: ET.parse(path).getroot().get("version") for path in app.views}
    assert {name for name, version in versions.items() if version == "2"} == {"overview", "quality", "audit", "status"}
    assert {name for name, version in versions.items() if version == "1.1"} == {"review", "parameters", "additions"}
    shown = {(each.view, each.name) for each in app.searches if versions.get(each.view) == "2"}
    sources = {
        (path.stem, name)
        for path in app.views
        if versions[path.stem] == "2"
        for name, each in read(path.read_text())["dataSources"].items()
        if each["type"] == "ds.search"
    }
    assert shown == sources
    first = next(each for each in app.searches if each.name == "ds_missed")
    assert json.dumps(first.text)[1:-1] in "\n".join(
        (app.folder / first.file).read_text().splitlines()[first.line - 1 :]
    )


@pytest.mark.parametrize("values", [{"kind": "feedback"}, {"kind": "direct", "predicts": "number"}])
def test_reports_are_taken_from_the_app_of_the_dashboard(values: dict[str, Any]) -> None:
    """Where no app is named, Studio looks in the app search: Splunk's page "Data source options and properties"."""
    found = read(files(flow_of(**values))["dltk_flow_x/default/data/ui/views/quality.xml"])
    reports = [each["options"] for each in found["dataSources"].values() if each["type"] == "ds.savedSearch"]
    assert reports
    assert {each["app"] for each in reports} == {"dltk_flow_x"}
