"""``collect output_format=hec`` and ``tstats``, by their pages in the Search Reference 9.0 to 10.0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.spl.context import Context, make_context
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.standin import Indexes, Storage, Window
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings


@pytest.fixture
def context(paths: Paths, tmp_path: Path) -> Context:
    context = make_context(ClientSettings(), paths, tmp_path)
    return replace(context, storage=Storage(indexes=Indexes("out")), clock=lambda: 1000.0)


def csv(search: str, context: Context) -> str:
    return run(search, context).frame.to_csv(index=False)


def write_indexed(context: Context) -> None:
    """Two writings of `a`, the second of 7, one of `b`, and of a field with quotes."""
    for text in ('k="a", n=5, w=1', 'k="a", n=7, w=2', 'k="b", n=12, w=1, q="say \\"no\\""'):
        run(f"| makeresults | eval _time=90, {text} | collect index=out addinfo=f output_format=hec", context)


def test_tstats_finds_the_fields_that_collect_indexed_whatever_is_in_them(context: Context) -> None:
    write_indexed(context)
    search = "| tstats max(n) AS n values(q) AS q WHERE index=out BY _time span=1m k"
    assert csv(search, context) == '_time,k,n,q\n60,a,7,\n60,b,12,"say ""no"""\n'
    assert csv("| tstats count WHERE index=out K=A k=a", context) == "count\n0\n"
    assert csv('| tstats count WHERE index=out k="A"', context) == "count\n2\n"


def test_what_is_written_as_text_has_no_indexed_fields(context: Context) -> None:
    run("| makeresults | eval k=1 | collect index=out addinfo=f", context)
    assert csv("| tstats count WHERE index=out BY sourcetype", context) == "sourcetype,count\nstash,1\n"
    assert csv("| tstats count WHERE index=out k=1", context) == "count\n0\n"


def test_rows_with_a_null_group_are_left_out_unless_they_are_filled(context: Context) -> None:
    write_indexed(context)
    assert csv("| tstats count WHERE index=out BY q", context) == 'q,count\n"say ""no""",1\n'
    search = '| tstats fillnull_value="none" count WHERE index=out BY q | search q=none'
    assert csv(search, context) == "q,count\nnone,2\n"


def test_what_chooses_among_summaries_and_servers_changes_nothing_here(context: Context) -> None:
    """The page of tstats: these apply to accelerated data models, buckets and search peers."""
    write_indexed(context)
    options = "summariesonly=t allow_old_summaries=f local=t include_reduced_buckets=f chunk_size=1000000"
    assert csv(f"| tstats {options} count WHERE index=out GROUPBY k", context) == "k,count\na,2\nb,1\n"


def test_the_window_of_the_search_counts(context: Context) -> None:
    write_indexed(context)
    assert csv("| tstats count WHERE index=out", replace(context, window=Window(0, 90))) == "count\n0\n"


def test_a_source_type_is_taken_over_and_index_is_not(context: Context) -> None:
    run(
        '| makeresults | eval sourcetype="dns", index="main", _time=1 | collect index=out addinfo=f output_format=hec',
        context,
    )
    search = "| tstats count WHERE index=out BY sourcetype index"
    assert csv(search, context) == "sourcetype,index,count\ndns,out,1\n"
    run("| makeresults | eval _time=1 | collect index=out addinfo=f output_format=hec", context)
    assert "stash_hec" in csv(search, context)


def test_a_search_by_an_indexed_field_is_refused(context: Context) -> None:
    """Whether the text of the event is found by it depends on fields.conf."""
    write_indexed(context)
    assert csv("index=out | stats count", context) == "count\n3\n"
    assert csv("index=out k=c | stats count", context) == "count\n0\n"
    with pytest.raises(SearchError, match=r"fields are indexed .* read them by tstats"):
        run("index=out k=a", context)


@pytest.mark.parametrize("option", ["addtime", "host", "marker", "source", "sourcetype", "timeformat", "uselb"])
def test_options_that_the_manual_forbids_beside_it_are_refused(context: Context, option: str) -> None:
    with pytest.raises(SearchInvalid, match=f"{option}= is not valid with output_format=hec"):
        run(f"| makeresults | collect index=out addinfo=f output_format=hec {option}=x", context)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("count", "WHERE index=<name> is wanted"),
        ("count WHERE k=a", "WHERE index=<name> is wanted"),
        ("count FROM datamodel=DNS WHERE index=out", "FROM runs in Splunk only"),
        ("count WHERE index=nowhere", "there is no index 'nowhere'"),
        ("prestats=t count WHERE index=out", "prestats= runs in Splunk only"),
        ("summariesonly=maybe count WHERE index=out", "neither true nor false"),
        ("list(k) WHERE index=out", r"list\(\) is none of tstats"),
        ("max(eval(n)) WHERE index=out", r"eval\(\) is none of tstats"),
        ("max(n*) WHERE index=out", "no wildcards"),
        ("count WHERE index=out BY PREFIX(k=)", "PREFIX"),
        ("count WHERE index=out BY _time", "Splunk chooses a span"),
        ("count WHERE index=out BY k span=5m", "Splunk chooses a span"),
        ("count WHERE index=out BY", "names of fields after BY"),
        ("count WHERE index=out WHERE k=a", "WHERE is given twice"),
        ("WHERE index=out", "expected an aggregate"),
    ],
)
def test_other_forms_of_tstats_are_refused_by_name(context: Context, arguments: str, message: str) -> None:
    with pytest.raises(SearchInvalid, match=message):
        run(f"| tstats {arguments}", context)


def test_which_time_an_event_gets_is_not_guessed(context: Context) -> None:
    with pytest.raises(SearchInvalid, match="write addinfo=f"):
        run("| makeresults | collect index=out output_format=hec", context)
    with pytest.raises(SearchError, match="a row without _time"):
        run("| makeresults | fields - _time | eval a=1 | collect index=out addinfo=f output_format=hec", context)


def test_schedules_may_not_take_the_first_of_them(context: Context) -> None:
    with pytest.raises(SearchInvalid, match="depends on the order of rows"):
        run("| tstats first(n) WHERE index=out BY k", replace(context, repeatable=True))
