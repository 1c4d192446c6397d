"""The commands that flows need, in a context whose searches are repeatable: what depends on chance is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import CommandUnknown, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl.context import Context, Definition, make_context
from dltk_runtime.emulator.spl.macros import Macro, called, expand
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.standin import IndexedEvent, Indexes, Storage, Window
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings

ROWS = "k,n,g\na,10,x\nb,9,x\nc,,y\nd,2,\n"


@pytest.fixture
def context(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    """Rows in ``rows.csv``, the indexes ``i`` and ``out``, a collection of typed records, and the time 1000."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    storage = Storage(indexes=Indexes("i", "out"))
    storage.kvstore.create("c", {"n": "number", "text": "string"}, enforce=True)
    return replace(
        make_context(ClientSettings(), paths),
        storage=storage,
        definitions={"kv": Definition("c", ("_key", "n", "text"))},
        clock=lambda: 1000.0,
        repeatable=True,
    )


def csv(search: str, context: Context) -> str:
    return run(search, context).frame.to_csv(index=False)


def records(context: Context) -> list[dict[str, object]]:
    found = context.storage.kvstore["c"].query()
    return [{name: value for name, value in record.items() if name != "_user"} for record in found]


class TestStats:
    def test_groups_are_ordered_and_rows_with_a_null_group_are_left_out(self, context: Context) -> None:
        assert csv("| inputlookup rows.csv | stats count sum(n) AS s BY g", context) == "g,count,s\nx,2,19\ny,1,\n"

    def test_numbers_are_compared_as_numbers(self, context: Context) -> None:
        assert csv("| inputlookup rows.csv | stats min(n) AS a max(n) AS b avg(n) AS c", context) == "a,b,c\n2,10,7\n"

    def test_counting_an_expression_counts_where_it_is_true(self, context: Context) -> None:
        search = (
            '| inputlookup rows.csv | stats count(eval(n>5)) AS big dc(eval(if(g="x",g,null()))) AS kinds count(g) AS g'
        )
        assert csv(search, context) == "big,kinds,g\n2,1,3\n"

    def test_of_no_rows_there_is_one_row_without_by_and_none_with(self, context: Context) -> None:
        assert csv("| inputlookup rows.csv | where n>99 | stats count sum(n) AS s", context) == "count,s\n0,\n"
        assert run("| inputlookup rows.csv | where n>99 | stats count BY g", context).frame.empty

    def test_eventstats_puts_the_groups_columns_beside_each_row(self, context: Context) -> None:
        search = "| inputlookup rows.csv | eventstats count AS c BY g | table k c"
        assert csv(search, context) == "k,c\na,2\nb,2\nc,1\nd,\n"

    def test_streamstats_without_the_row_itself(self, context: Context) -> None:
        search = "| inputlookup rows.csv | streamstats current=f max(n) AS m | table k m"
        assert csv(search, context) == "k,m\na,\nb,10\nc,10\nd,10\n"

    @pytest.mark.parametrize("call", ["first(n)", "values(n)", "list(n)", "latest(n)", "last(n)"])
    def test_what_depends_on_the_order_is_refused(self, context: Context, call: str) -> None:
        with pytest.raises(SearchInvalid, match=f"{call[:-3]}.* depends on the order"):
            run(f"| inputlookup rows.csv | stats {call}", context)

    @pytest.mark.parametrize("call", ["median(n)", "sum", "", "count BY", "count BY g*", "sum(n"])
    def test_what_cannot_be_computed_is_refused(self, context: Context, call: str) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'stats' command"):
            run(f"| inputlookup rows.csv | stats {call}", context)


class TestShaping:
    @pytest.mark.parametrize(("order", "keys"), [("n", "dbac"), ("- n", "abdc"), ("g -n", "abcd"), ("-k", "dcba")])
    def test_sort_by_number_where_both_are_some_nulls_last(self, context: Context, order: str, keys: str) -> None:
        assert "".join(run(f"| inputlookup rows.csv | sort 0 {order}", context).frame["k"]) == keys

    @pytest.mark.parametrize("order", ["n", "10 n", "0", "0 - n k", "0 n desc)"])
    def test_sort_that_cuts_or_is_not_clear_is_refused(self, context: Context, order: str) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'sort' command"):
            run(f"| inputlookup rows.csv | sort {order}", context)

    def test_dedup_keeps_the_first_and_drops_nulls(self, context: Context) -> None:
        assert csv("| inputlookup rows.csv | dedup g | table k", context) == "k\na\nc\n"

    def test_fillnull_makes_fields_that_are_missing(self, context: Context) -> None:
        assert csv("| inputlookup rows.csv | fillnull value=0 n z | table n z", context) == "n,z\n10,0\n9,0\n0,0\n2,0\n"

    def test_rename_replaces_a_field_of_the_new_name(self, context: Context) -> None:
        assert csv('| inputlookup rows.csv | rename k AS g, n AS "a b" | head 1', context) == "g,a b\na,10\n"

    def test_bin_counts_spans_in_epoch_seconds(self, context: Context) -> None:
        assert csv("| makeresults | bin _time span=5m", context) == "_time\n900\n"

    @pytest.mark.parametrize("span", ["7m", "1d", "span", "2h"])
    def test_spans_that_do_not_divide_an_hour_are_refused(self, context: Context, span: str) -> None:
        with pytest.raises(SearchInvalid, match="a divisor of an hour"):
            run(f"| makeresults | bin _time span={span}", context)

    def test_a_sample_is_the_same_for_a_seed(self, context: Context) -> None:
        adhoc = replace(context, repeatable=False)
        first, second = (csv("| inputlookup rows.csv | sample partitions=3 seed=1", adhoc) for _ in range(2))
        assert first == second


class TestEval:
    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ('substr("abcdef",2,3)', "bcd"),
            ('substr("abcdef",-2)', "ef"),
            ('replace("a.b.c","\\.","-")', "a-b-c"),
            ('replace("x12y","(\\d)(\\d)","\\2\\1")', "x21y"),
            ('if(match("abc.com","^[a-z]+\\.com$"),1,0)', "1"),
            ('replace("say \\"no\\"","\\"","\'")', "say 'no'"),
            ('substr(sha256("dga|a.com"),1,8)', hashlib.sha256(b"dga|a.com").hexdigest()[:8]),
            ('tonumber(substr("k0051e",2,4),16)<1311', None),
            ('case(1>2,"a",2>1,"b")', "b"),
            ("now()", "1000"),
            ("floor(1234.9)%10", "4"),
        ],
    )
    def test_functions_that_flows_use(self, context: Context, expression: str, value: str | None) -> None:
        search = f"| makeresults | eval x={expression} | table x"
        if value is None:
            assert len(run(f"| makeresults | where {expression}", context).frame) == 1
        else:
            assert [str(cell) for cell in run(search, context).frame["x"]] == [value]

    @pytest.mark.parametrize("regex", ["a\\Kb", "(?R)", "(?|a)", "[[:alpha:]]", "\\h", "("])
    def test_regular_expressions_that_only_pcre_reads_are_refused(self, context: Context, regex: str) -> None:
        with pytest.raises(SearchInvalid, match="the regular expression"):
            run(f'| makeresults | eval x=replace("a","{regex}","")', context)


class TestCollections:
    def test_a_write_replaces_the_whole_record(self, context: Context) -> None:
        run('| makeresults | eval _key="a", n=1, text="t" | outputlookup append=t key_field=_key kv', context)
        run('| makeresults | eval _key="a", n=2 | outputlookup append=t key_field=_key kv', context)
        assert records(context) == [{"_key": "a", "n": 2}]

    def test_fields_that_are_not_in_the_definition_are_not_written(self, context: Context) -> None:
        run('| makeresults | eval _key="a", other=1 | outputlookup append=t key_field=_key kv', context)
        assert records(context) == [{"_key": "a"}]

    def test_values_get_the_types_of_the_collection_or_nothing_is_written(self, context: Context) -> None:
        run('| makeresults | eval _key="a", n="7", text=7 | outputlookup append=t key_field=_key kv', context)
        assert records(context) == [{"_key": "a", "n": 7, "text": "7"}]
        result = run('| makeresults | eval _key="b", n="x" | outputlookup append=t key_field=_key kv', context)
        assert "Invalid type for field 'n'" in str(result.messages[0])
        assert len(records(context)) == 1

    def test_more_than_one_batch_is_written_and_read(self, context: Context) -> None:
        run("| makeresults count=2500 | streamstats count AS n | eval _key=\"k\".n | outputlookup append=t "
            "key_field=_key kv", context)  # fmt: skip
        assert csv("| inputlookup kv | stats count", context) == "count\n2500\n"

    def test_inputlookup_filters_and_appends(self, context: Context) -> None:
        run("| inputlookup rows.csv | eval _key=k | outputlookup append=t key_field=_key kv", context)
        assert csv('| inputlookup kv where n>5 AND (_key="a" OR _key="d") | table _key', context) == "_key\na\n"
        assert csv("| inputlookup rows.csv | inputlookup append=t kv | stats count", context) == "count\n8\n"

    def test_lookup_joins_on_the_key_and_clears_what_has_no_record(self, context: Context) -> None:
        run('| makeresults | eval _key="a", text="hit" | outputlookup append=t key_field=_key kv', context)
        search = '| inputlookup rows.csv | eval text="old" | lookup local=true kv _key AS k OUTPUT text | table k text'
        assert csv(search, context) == "k,text\na,hit\nb,\nc,\nd,\n"

    @pytest.mark.parametrize(
        "command",
        [
            "outputlookup append=t kv",
            "outputlookup append=f key_field=_key kv",
            "outputlookup append=t key_field=_key none",
            "outputlookup max=1 kv",
            "lookup kv _key OUTPUT text",
            "lookup local=true kv _key",
            "lookup local=true kv _key OUTPUTNEW text",
        ],
    )
    def test_other_forms_are_refused_before_anything_runs(self, context: Context, command: str) -> None:
        with pytest.raises(SearchInvalid):
            run(f"| makeresults | {command}", context)
        assert records(context) == []


class TestIndexes:
    def test_collect_writes_fields_that_a_search_finds_again(self, context: Context) -> None:
        run('| makeresults | eval _time=500, a="x y", b=1, c=null() | collect index=out addinfo=f', context)
        assert csv('index=out a="X Y" b=1 | table _time a b c', context) == "_time,a,b,c\n500,x y,1,\n"

    def test_a_quote_in_a_value_ends_it(self, context: Context) -> None:
        run('| makeresults | eval a="say \\"no\\" to" | collect index=out addinfo=f', context)
        assert csv("index=out | table a", context) == "a\nsay \n"

    def test_where_the_original_text_is_present_it_is_written_instead_of_the_fields(self, context: Context) -> None:
        context.storage.indexes["i"].add(IndexedEvent(10, 10, {"a": "1"}, 'a="1"'))
        run("index=i | eval b=2 | fields a b | collect index=out addinfo=f", context)
        assert csv("index=out | table a b", context) == "a,b\n1,\n"

    def test_the_windows_beginning_is_the_time_unless_info_is_left_out(self, context: Context) -> None:
        windowed = replace(context, window=Window(60, 120))
        run("| makeresults | collect index=out", windowed)
        assert csv("index=out | table _time info_max_time", context) == "_time,info_max_time\n60,120.000\n"

    def test_events_for_an_index_that_does_not_exist_are_lost_with_a_message(self, context: Context) -> None:
        result: Result = run("| makeresults | collect index=nowhere addinfo=f", context)
        assert str(result.messages[0]) == "WARN collect: the index 'nowhere' does not exist; 1 events are lost"

    def test_windows_of_time_and_index_time_begin_with_their_first_second_and_end_before_their_last(
        self, context: Context
    ) -> None:
        for time, indexed in ((10, 100), (20, 200), (30, 300)):
            context.storage.indexes["i"].add(IndexedEvent(time, indexed, {"t": str(time)}))
        assert csv("index=i | table t", replace(context, window=Window(10, 30))) == "t\n20\n10\n"
        by_index = replace(context, window=Window(index_earliest=200, index_latest=300))
        assert csv("index=i | table t", by_index) == "t\n20\n"

    def test_addinfo_gives_the_window(self, context: Context) -> None:
        search = "| makeresults | addinfo | table info_min_time info_max_time"
        assert csv(search, context) == "info_min_time,info_max_time\n0.000,+Infinity\n"

    @pytest.mark.parametrize("words", ["index=i error", "index=i a=b*", "index=i (a=1", "index=i a=1)"])
    def test_words_and_wildcards_are_refused(self, context: Context, words: str) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'search' command"):
            run(words, context)

    def test_or_binds_before_and(self, context: Context) -> None:
        for a, b in (("1", "1"), ("1", "2"), ("2", "2")):
            context.storage.indexes["i"].add(IndexedEvent(1, 1, {"a": a, "b": b}))
        assert csv("index=i b=2 a=1 OR a=3 | stats count", context) == "count\n1\n"
        assert csv("index=i NOT a=1 | stats count", context) == "count\n1\n"


class TestPipelines:
    def test_appendpipe_adds_what_its_pipeline_makes_of_the_rows(self, context: Context) -> None:
        search = '| inputlookup rows.csv | appendpipe [ stats count AS n | eval k="all | of ] them" ] | table k n'
        assert csv(search, context).splitlines()[-1] == "all | of ] them,4"

    @pytest.mark.parametrize(
        "command", ["appendpipe stats count", "appendpipe [ stats count", "appendpipe [ map x ]", "appendpipe []"]
    )
    def test_a_broken_subpipeline_is_refused(self, context: Context, command: str) -> None:
        with pytest.raises((SearchInvalid, CommandUnknown)):
            run(f"| inputlookup rows.csv | {command}", context)

    @pytest.mark.parametrize("command", ["join k [ x ]", "append [ x ]", "where n IN ([ x ])"])
    def test_subsearches_are_refused(self, context: Context, command: str) -> None:
        with pytest.raises((SearchInvalid, CommandUnknown), match=r"subsearches|cuts at 50,000 rows"):
            run(f"| inputlookup rows.csv | {command}", context)

    @pytest.mark.parametrize("name", ["join", "transaction", "map", "mstats", "rest", "timechart", "rex"])
    def test_commands_of_splunk_are_refused_by_name_with_the_reason(self, context: Context, name: str) -> None:
        with pytest.raises(CommandUnknown, match=f"The command '{name}' runs in Splunk only: "):
            run(f"| makeresults | {name} x", context)


MACROS = {
    "base": Macro((), "inputlookup rows.csv | `more`"),
    "more": Macro((), "where n>5"),
    "keep(2)": Macro(("field", "least"), "where $field$>=$least$"),
    "loop": Macro((), "`loop` x"),
}


class TestMacros:
    def test_macros_in_macros_are_put_in_before_the_search_is_read(self, context: Context) -> None:
        assert csv("| `base` | `keep(n, 10)` | table k", replace(context, macros=MACROS)) == "k\na\n"

    def test_arguments_in_quotes_may_hold_commas(self) -> None:
        macros = {"m(2)": Macro(("a", "b"), "[$a$][$b$]")}
        assert expand('`m("x, y", z)`', macros) == "[x, y][z]"

    def test_called_are_the_macros_of_the_text_itself_outside_comments(self) -> None:
        assert called("| `base` ``` not `this` ``` | `keep( n, 10 )`") == {"base", "keep"}

    def test_comments_are_no_macros(self) -> None:
        assert expand("a ```b `c` d``` e", {}) == "a ```b `c` d``` e"

    @pytest.mark.parametrize(
        ("text", "message"), [("`bas`", "Did you mean 'base'"), ("`keep(1)`", "unknown"), ("`loop`", "recursive")]
    )
    def test_unknown_and_endless_ones_are_named(self, text: str, message: str) -> None:
        with pytest.raises(SearchInvalid, match=message):
            expand(text, MACROS)
