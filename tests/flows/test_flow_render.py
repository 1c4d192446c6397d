"""Rendering of the apps: values once and as they are, undefined names as errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.flows.errors import FlowInvalid, FlowTemplateInvalid
from dltk_runtime.flows.flow import Flow
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.render import render
from tests.flows.helpers import flow_of

MARK = "§value§"
RAW = ("base", "prepare", "derive", "algorithm", "parameters", "metric", "score", "positive", "negative")
BRACES = ["{{base}}", "{{x}}", "{{", "{{%", "%}}", "{{#", "{%", "{#", "$name$", "{{% include 'x' %}}", "\\1", "&", "\n"]
VALUES = st.lists(st.sampled_from(BRACES) | st.text(min_size=1, max_size=20), min_size=1, max_size=6).map("".join)


def changed(flow: Flow, **values: object) -> Flow:
    """The flow with values that `flows.make` has not checked."""
    changes: dict[str, Any] = values
    return msgspec.structs.replace(flow, **changes)


@pytest.mark.parametrize("kind", ["direct", "summary", "feedback"])
def test_the_status_is_read_by_an_entry_that_a_search_makes_in_the_form_of_its_client(kind: str) -> None:
    made = files(flow_of(kind))
    assert not [name for name in made if name.endswith(".mlmodel")]
    searches = made["dltk_flow_x/default/savedsearches.conf"]
    assert "| fit `dltk_x_algo` algo=dltk_status kind from _time into app:dltk_status" in searches
    assert "Run `dltk_x_status` once by hand" in made["dltk_flow_x/README.md"]


@given(name=st.sampled_from(RAW), value=VALUES)
def test_a_value_stands_as_it_is_wherever_it_is_inserted(name: str, value: str) -> None:
    flow = flow_of("feedback")
    marked, made = files(changed(flow, **{name: MARK})), files(changed(flow, **{name: value}))
    raw = [path for path in marked if not path.endswith((".xml", ".csv"))]
    assert any(MARK in marked[path] for path in raw)
    for path in raw:
        assert made[path] == marked[path].replace(MARK, value)


@given(value=st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=1))
def test_a_value_in_a_dashboard_is_escaped(value: str) -> None:
    made = files(changed(flow_of("feedback"), positive=value))
    view = ET.fromstring(made["dltk_flow_x/default/data/ui/views/review.xml"])
    choices = [(choice.get("value"), choice.text) for choice in view.iterfind(".//input[@token='verdict']/choice")]
    assert choices[0] == (value, value)


class TestTemplates:
    def test_a_name_without_a_value_is_named_with_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "a.conf").write_text("[a]\nb = {{bas}}\n")
        with pytest.raises(FlowTemplateInvalid, match=r"The template a\.conf:2 cannot be rendered: 'bas' is undefined"):
            render("a.conf", {"base": "x"}, tmp_path)

    def test_a_name_of_the_engine_is_no_value(self, tmp_path: Path) -> None:
        (tmp_path / "a.conf").write_text("b = {{range}}\n")
        with pytest.raises(FlowTemplateInvalid, match="'range' is undefined"):
            render("a.conf", {}, tmp_path)

    def test_an_included_part_is_named_itself(self, tmp_path: Path) -> None:
        (tmp_path / "a.conf").write_text('{{% include "part.conf" %}}')
        (tmp_path / "part.conf").write_text("[b]\nc = 1\nd = {{x}}\n")
        with pytest.raises(FlowTemplateInvalid, match=r"part\.conf:3 .* 'x' is undefined"):
            render("a.conf", {}, tmp_path)

    @pytest.mark.parametrize("text", ["a\n{{", "a\n{{% what %}}", '{{% include "missing.conf" %}}'])
    def test_a_syntax_error_and_a_missing_part_are_named_with_their_place(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.conf").write_text(text)
        with pytest.raises(FlowTemplateInvalid, match=rf"The template a\.conf:{1 + text.count(chr(10))} "):
            render("a.conf", {}, tmp_path)

    def test_splunks_own_braces_and_tokens_are_text(self, tmp_path: Path) -> None:
        text = 'eval a=strftime(_time,"{%H}"), b="{#}", {c}=spath("x{}.y") | search $t$ $t|s$ [ | x ] {"a": {"b": 1}}\n'
        (tmp_path / "a.conf").write_text(text + '{{ "{{" }} {{# a comment #}}\n')
        assert render("a.conf", {}, tmp_path) == text + "{{ \n"


@pytest.mark.parametrize(
    ("base", "allowed"),
    [
        ("index=main sourcetype=dns", "dltk_x;main"),
        ('(index="dns" a=1) OR (index = proxy-eu b=2) OR index=dns', "dltk_x;dns;proxy-eu"),
        ("index=web* OR index=* OR `macro`", "dltk_x"),
        ("error index=main ```not index=proxy```", "dltk_x;main"),
        ("NOT b=2 index=dns [search index=bad | fields query]", "dltk_x;bad;dns"),
    ],
)
def test_the_runner_may_search_the_indexes_that_the_base_search_names(base: str, allowed: str) -> None:
    roles = files(flow_of("direct", base=base))["dltk_flow_x/default/authorize.conf"]
    assert f"srchIndexesAllowed = {allowed}\n" in roles


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("direct", {"features": ("rows",)}),
        ("direct", {"target": "kind"}),
        ("feedback", {"features": ("people",)}),
        ("summary", {"labels": True, "features": ("pos",)}),
        ("summary", {"labels": True, "features": ("neg",)}),
        ("summary", {"interval": 1440, "features": ("midnight",)}),
        ("summary", {"interval": 1440, "features": ("near",)}),
        ("summary", {"interval": 1, "features": ("shift",)}),
    ],
    ids=str,
)
def test_a_feature_with_the_name_of_a_field_of_the_flow_is_refused(kind: str, values: dict[str, object]) -> None:
    with pytest.raises(FlowInvalid, match="must leave out the flow's own fields"):
        flow_of(kind, **values)
