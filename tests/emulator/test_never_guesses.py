"""Arguments that are not understood are refused by name, and never taken for names of fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Context, make_context
from dltk_runtime.emulator.spl.pipeline import NESTED_FORMS, run
from dltk_runtime.emulator.spl.refused import SPLUNK_COMMANDS
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings

ROWS = "host,x\na,3\na,1\nb,5\nb,2\nc,4\na,6\n"


@pytest.fixture
def context(paths: Paths, tmp_path: Path) -> Context:
    (tmp_path / "rows.csv").write_text(ROWS)
    return make_context(ClientSettings(), paths, tmp_path)


def csv(search: str, context: Context) -> str:
    return run(f"| inputlookup rows.csv | {search}", context).frame.to_csv(index=False)


@pytest.mark.parametrize(
    ("search", "result"),
    [
        ("dedup 2 host", "host,x\na,3\na,1\nb,5\nb,2\nc,4\n"),
        ("dedup host sortby -x", "host,x\na,6\nb,5\nc,4\n"),
        ("stats sum(*) by host", "host,sum(x)\na,10\nb,7\nc,4\n"),
        ("stats count(*)", "count(host),count(x)\n6,6\n"),
        ("rename nosuch AS x | table host x | head 1", "host,x\na,\n"),
        ("sort 0 -host x d | head 2", "host,x\na,6\na,3\n"),
        ('eval y=tonumber("1_0",16) | table y | head 1', "y\n\n"),
        ("sort - x | head 1", "host,x\na,6\n"),
    ],
)
def test_forms_that_were_taken_for_names_of_fields_mean_what_splunk_means(
    search: str, result: str, context: Context
) -> None:
    assert csv(search, context).replace('""', "") == result


@pytest.mark.parametrize("expression", ["if(x,1,0)", 'case(x,"a")', 'case(x>3,"a","b")', 'case(x>3,"a",x)'])
def test_a_condition_that_is_none_is_an_error_and_not_false(expression: str, context: Context) -> None:
    with pytest.raises(SearchInvalid, match=r"Error in 'eval' command: the arguments to the '(if|case)' function"):
        csv(f"eval y={expression}", context)


@pytest.mark.parametrize(
    "command",
    [
        "dedup -x",
        "dedup host*",
        "head x=3=4",
        "bin x span=1x",
        "timechart span=1h bins=3 count",
        "rename x y",
        "tail -3",
    ],
)
def test_other_forms_are_refused_before_any_row_is_read(command: str, context: Context) -> None:
    with pytest.raises(SearchInvalid):
        csv(f"{command} | outputlookup out.csv", context)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ('eval m=split("1,2",",") | where m>1', "several values"),
        ('eval m=split("1,2",",") | eval n=m+1', "several values"),
        ('eval m=split("1,2",",") | eval n=upper(m)', "several values"),
        ('eval m=split("1,2",",") | sort m', "several values"),
        ('eval s=if(x=3,"10a","9b") | sort s', "str\\(field\\)"),
        ("eval p=pow(1.5,2)", "Splunk rounds it"),
        ('eval m=split("a,,b",",")', "empty part"),
    ],
)
def test_what_is_not_documented_ends_the_search_with_advice(search: str, message: str, context: Context) -> None:
    with pytest.raises(SearchError, match=message):
        csv(search, context)


def test_a_sort_that_cuts_says_how_many_rows_are_lost(context: Context) -> None:
    result = run("| makeresults count=10003 | streamstats count AS n | sort -n", context)
    assert len(result.frame) == 10_000
    assert "3 are lost" in str(result.messages[0])
    assert not run("| makeresults count=10003 | streamstats count AS n | sort 0 -n", context).messages


@pytest.mark.parametrize(
    "search", ["sort -x", "tail 3", "stats values(x)", "timechart span=1h count", "eval y=random()"]
)
def test_scheduled_searches_of_flows_take_less(search: str, context: Context) -> None:
    csv(search, context)
    with pytest.raises(SearchError):
        csv(search, replace(context, repeatable=True))


def test_a_command_of_splunk_is_never_taken_for_a_slip(context: Context) -> None:
    """It says that Splunk has it; only a word that Splunk does not know may be meant for another."""
    assert len(SPLUNK_COMMANDS) >= 140
    for command in sorted(SPLUNK_COMMANDS - COMMANDS.keys() - NESTED_FORMS.keys()):
        with pytest.raises(SearchError, match="Splunk") as caught:
            run(f"| inputlookup rows.csv | {command} x", context)
        assert repr(command) in str(caught.value)
        assert "Did you mean" not in str(caught.value), command
    with pytest.raises(SearchError, match="Did you mean 'stats'"):
        run("| inputlookup rows.csv | statz count", context)
