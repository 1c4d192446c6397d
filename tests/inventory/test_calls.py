"""Calls in the text of a search, and searches in the source of a dashboard."""

from __future__ import annotations

import pytest

from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.inventory import views
from dltk_runtime.inventory.calls import ModelUse, find
from dltk_runtime.inventory.views import ViewSearch

MACROS = {
    "score(2)": Macro(("model", "more"), "apply app:$model$ $more$"),
    "outer": Macro((), '| `score("risk","as x")` | `absent`'),
    "loop": Macro((), "`loop` | apply x"),
    "algo": Macro((), "MLTKContainer"),
}
APPLY = ModelUse("apply", "risk")


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("index=x | apply risk", {APPLY}),
        ("index=x|APPLY app:risk as y", {APPLY}),
        ("index=x | apply user:risk algo=b", {ModelUse("apply", "risk", "b")}),
        ("index=x | fit MLTKContainer algo=a y from x* into app:risk", {ModelUse("fit", "risk", "a")}),
        ("index=x | fit AITKContainer algo=a x", {ModelUse("fit", "default", "a")}),
        ("index=x | fit `algo` algo=a x into risk", {ModelUse("fit", "risk", "a")}),
        ("index=x | fit $kind$ algo=$algo$ x into $m$", {ModelUse("fit", "$m$", "$algo$")}),
        ("index=x | fit KMeans x into k", {ModelUse("fit", "k", in_splunk=True)}),
        ("index=x | apply onnx:risk", {ModelUse("apply", "onnx:risk", in_splunk=True)}),
        ("index=x | appendpipe [ apply risk | stats count ] | summary risk", {APPLY, ModelUse("summary", "risk")}),
        ("index=x | append [ search a [ | apply risk ] ]", {APPLY}),
        ("index=x `outer`", {APPLY}),
        ('| map search="search a | apply risk"', {APPLY}),
        ('| map search="| map search=\\"search b | apply risk\\""', {APPLY}),
        ("| summary risk | table api_url_external", {ModelUse("summary", "risk"), ModelUse("api_url_external")}),
        ('| eval src="/graphics/a.png"', {ModelUse("/graphics/")}),
        ('index=x "| apply risk" | stats count', set()),
        ("index=x ```| apply risk``` | stats count", set()),
        ("apply risk", set()),  # terms of a search
        ("index=x | where apply=1 | table fit", set()),
        ("index=x [ stats count", set()),
        ("", set()),
    ],
)
def test_calls_are_found_as_splunk_reads_a_search(text: str, uses: set[ModelUse]) -> None:
    found = find(text, MACROS)
    assert (found.uses, found.problems) == (uses, [])


def test_a_fragment_begins_with_a_command() -> None:
    assert find("apply risk", {}, fragment=True).uses == {APPLY}


def test_macros_and_saved_searches_are_named() -> None:
    found = find('index=x `outer` | savedsearch "a b" | append [ loadjob savedsearch="me:web:night" ]', MACROS)
    assert found.macros == {"outer", "score", "absent"}
    assert found.unknown_macros == {"absent"}
    assert found.searches == {"a b", "night"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('| from savedsearch:"a b" | stats count', {"a b"}),
        ("| from savedsearch:night", {"night"}),
        ('| from savedsearch "a b" | stats count', {"a b"}),
        ('| from SavedSearch: "a b"', {"a b"}),
        ("| from savedsearch", set()),
        ('| union savedsearch:night, savedsearch:"a b", [ search x ]', {"a b", "night"}),
        ("| from datamodel:savedsearch", set()),
        ("| table from savedsearch:night", set()),
    ],
)
def test_saved_searches_that_are_read_as_data_are_named(text: str, names: set[str]) -> None:
    assert find(text, {}).searches == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("index=x `loop`", "recursive macros"),
        ("index=x | apply ]" + "[" * 101, "nested"),
        ("x | fit =", "a name is missing"),
    ],
)
def test_what_splunk_refuses_is_a_problem(text: str, words: str) -> None:
    assert any(words in each for each in find(text, MACROS).problems), find(text, MACROS)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<form><search><query>| apply a</query></search></form>", [ViewSearch("| apply a")]),
        ('<form><search base="b"><query>apply a</query></search></form>', [ViewSearch("apply a", fragment=True)]),
        ('<form><search ref="night"/></form>', [ViewSearch(saved="night")]),
        (
            "<view><searchString>x</searchString><searchName>n</searchName></view>",
            [ViewSearch("x"), ViewSearch("", "n")],
        ),
        ("<view><searchPostProcess>apply a</searchPostProcess></view>", [ViewSearch("apply a", fragment=True)]),
        (
            '<a><definition>{"dataSources": {"a": {"options": {"query":"q","extend":"b"}}, "c": 1}}</definition></a>',
            [ViewSearch("q", fragment=True)],
        ),
        (
            '<dashboard><definition>{"dataSources": {"a": {"options": {"ref": "night"}}}}</definition></dashboard>',
            [ViewSearch(saved="night")],
        ),
        ("<dashboard><definition>[]</definition></dashboard>", []),
    ],
)
def test_searches_of_a_dashboard(source: str, found: list[ViewSearch]) -> None:
    assert views.searches(source) == found


@pytest.mark.parametrize(
    "source",
    ["", "<a>", "<dashboard><definition>{</definition></dashboard>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
)
def test_a_source_that_is_no_dashboard_is_refused(source: str) -> None:
    with pytest.raises(views.ViewUnreadable):
        views.searches(source)
