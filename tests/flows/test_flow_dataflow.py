"""The model of an app that rules ask: what its searches read, make, write, fit and apply."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.flows.app import App, find_apps
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow
from dltk_runtime.flows.dataflow.conditions import alternatives, filled_by
from dltk_runtime.flows.dataflow.pipe import commands, names_in
from dltk_runtime.flows.dataflow.shapes import LEAF
from dltk_runtime.flows.dataflow.spelling import one_slip
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.pasted import check_search
from dltk_runtime.flows.rules import check

APPS = Path(__file__).with_name("apps")
CONF = "[ui]\nlabel = An app\n"


def app_of(folder: Path, **searches: str) -> Dataflow:
    """The model of an app with these saved searches."""
    (folder / "default").mkdir()
    (folder / "default" / "app.conf").write_text(CONF)
    text = "".join(f"[{name}]\nsearch = {search}\n" for name, search in searches.items())
    (folder / "default" / "savedsearches.conf").write_text(text)
    app = App(folder)
    return dataflow(app, (app,))


def unknown(flow: SearchFlow) -> set[str]:
    """The fields that a search names and that nothing makes."""
    return {use.name for use in flow.notes.uses if not use.known}


@pytest.mark.parametrize("folder", sorted(APPS.iterdir()), ids=lambda folder: folder.name)
def test_a_correct_app_that_our_templates_did_not_make_raises_no_alarm(folder: Path) -> None:
    assert [(each.rule.number, each.found) for each in check(find_apps(folder))] == []


def test_ten_such_apps_are_read() -> None:
    assert len(list(APPS.iterdir())) == 10


def test_records_are_read_with_the_fields_and_values_that_were_written(tmp_path: Path) -> None:
    flow = app_of(
        tmp_path,
        write='index=a | stats count AS n BY host | eval kind="row" | fields kind host n | collect index=own',
        read='index=own kind="row" | where n>1 AND m>1',
        missing='index=own kind="rows" | table host',
        elsewhere="index=b kind=x | table host anything",
    )
    _, read, missing, elsewhere = flow.searches
    assert unknown(read) == {"m"}
    assert [each.matched for each in missing.notes.reads] == [False]
    assert elsewhere.notes.reads[0].target == "b"


def test_a_subpipeline_makes_rows_of_a_second_form(tmp_path: Path) -> None:
    text = 'index=a | eval kind="row", x=1 | appendpipe [ stats sum(x) AS total | eval kind="run" ] | collect index=own'
    flow = app_of(tmp_path, write=text, read='index=own kind="run" | eval y=total+x')
    kinds = [set(shape.values["kind"]) for shape in flow.stores.indexes["own"]]
    assert kinds == [{"row"}, {"run"}]
    assert unknown(flow.searches[1]) == {"x"}


def test_a_feature_is_known_by_how_it_came_about(tmp_path: Path) -> None:
    text = "index=a | eval e=lower(query) | eval n=len(e) | fillnull value=0 n | fit C algo=k y from n into app:m_v1"
    flow = app_of(tmp_path, train=text)
    ((_, fit),) = flow.fits()
    assert (fit.model, fit.target, fit.features, fit.algorithm) == ("m_v1", "y", ("n",), "k")
    assert fit.shape.expression("n") == "fill(0,len(lower(<query>)))"
    assert "n" in fit.shape.filled
    assert "y" not in fit.shape.filled


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("index=a | where isnotnull(y) | fit `c` algo=k mode=async y from n into app:m_v1 | stats count", {102, 302}),
        ("| inputlookup a.csv | table b", set()),
        ("[mine]\nsearch = index=a \\\n| collect index=b\ncron_schedule = */5 * * * *\n", {201, 205, 206, 406, 517}),
    ],
)
def test_a_pasted_search_is_told_what_would_change(text: str, rules: set[int], tmp_path: Path) -> None:
    (tmp_path / "mine.spl").write_text(text)
    assert rules <= {each.rule.number for each in check_search(tmp_path / "mine.spl")}


def test_a_pasted_search_over_several_lines_is_one_search(tmp_path: Path) -> None:
    (tmp_path / "mine.spl").write_text("index=a\n| eval f_len=len(query)\n| fit C y from f_lne into app:m_v1\n")
    result = CliRunner().invoke(dltk, ["flow", "check", "--search", str(tmp_path / "mine.spl")])
    assert result.exit_code == 1
    assert "pasted: 801 fit names f_lne; made is f_len" in result.output


@pytest.mark.parametrize("text", ["", "[mine]\ncron_schedule = 1 * * * *\n"])
def test_a_file_without_a_search_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.spl").write_text(text)
    with pytest.raises(FlowInvalid):
        list(check_search(tmp_path / "mine.spl"))


def test_a_folder_or_a_search_not_both(tmp_path: Path) -> None:
    (tmp_path / "mine.spl").write_text("index=a")
    for arguments in ([], [str(tmp_path), "--search", str(tmp_path / "mine.spl")]):
        assert CliRunner().invoke(dltk, ["flow", "check", *arguments]).exit_code == 2


def test_conditions_say_what_they_ask_for() -> None:
    asked = alternatives('flow="x" (kind="row" OR kind="run") NOT a=1 word')
    assert [{name: set(values) for name, values in each.items()} for each in asked] == [
        {"flow": {"x"}, "kind": {"row"}},
        {"flow": {"x"}, "kind": {"run"}},
    ]
    assert filled_by('isnotnull(y) AND n>=3 AND match(e,"a OR b")') == {"y", "n", "e"}
    assert filled_by("isnotnull(y) OR n>3") == set()


def test_expressions_name_fields_and_no_functions_texts_or_tokens() -> None:
    assert names_in('"k".substr(sha256(a."|".b),1,32) AND user!="$env:user$"') == ["a", "b", "user"]


def test_a_token_with_a_filter_is_no_pipe() -> None:
    assert [each.name for each in commands("| inputlookup q where _key=$key|s$ | eval v=$v|s$")] == [
        "inputlookup",
        "eval",
    ]


@pytest.mark.parametrize(
    ("one", "two", "slip"),
    [
        ("event_key", "evetn_key", True),
        ("patern", "pattern", True),
        ("f_len1", "f_len2", False),
        ("rows", "rows", False),
        ("hits", "host", False),
    ],
)
def test_a_slip_is_one_letter_or_two_in_another_order(one: str, two: str, slip: bool) -> None:
    assert one_slip(one, two) is slip


def test_the_fields_of_an_expression_are_not_its_comparisons() -> None:
    assert LEAF.findall("if(<user.name> < 3 OR 5 < 9 AND 7 > 2, <id>, 0)") == ["user.name", "id"]
