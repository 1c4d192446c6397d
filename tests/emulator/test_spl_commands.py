"""The commands that run here, each on its own, and the pipeline around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from dltk_runtime.emulator.errors import CommandUnknown, LookupUnknown, SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result, warn
from dltk_runtime.emulator.spl import scheduled
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Command, Context, make_context
from dltk_runtime.emulator.spl.output import as_csv, as_json
from dltk_runtime.emulator.spl.pipeline import NESTED_FORMS, run
from dltk_runtime.emulator.spl.refused import REFUSED, SPLUNK_COMMANDS, CommandRefused
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin

ROWS = "k,n,text\n007,1,a\n008,,b\n009,10,\n"


@pytest.fixture
def context(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    """A context whose current folder has ``rows.csv``."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "rows.csv").write_text(ROWS)
    monkeypatch.chdir(folder)
    return make_context(ClientSettings(), paths)


def csv(search: str, context: Context) -> str:
    return run(search, context).frame.to_csv(index=False)


class TestLookups:
    def test_inputlookup_reads_text_as_it_stands_and_empty_as_null(self, context: Context) -> None:
        frame = run("| inputlookup rows.csv", context).frame
        assert frame.to_csv(index=False) == ROWS
        assert frame["n"].isna().tolist() == [False, True, False]

    def test_a_plain_name_is_looked_for_in_lookups_then_here_then_in_the_samples(
        self, context: Context, paths: Paths
    ) -> None:
        samples = paths.staged / "samples"
        samples.mkdir()
        for name in ("rows.csv", "only.csv"):
            (samples / name).write_text("from\nsamples\n")
        assert csv("| inputlookup only.csv", context) == "from\nsamples\n"
        assert csv("| inputlookup rows.csv", context) == ROWS
        run('| makeresults | eval from="lookups" | table from | outputlookup rows.csv', context)
        assert csv("| inputlookup rows.csv", context) == "from\nlookups\n"

    def test_a_name_with_a_slash_is_a_path_from_here(self, context: Context) -> None:
        assert csv("| inputlookup ./rows.csv", context) == ROWS
        assert csv(f'| inputlookup "{Path.cwd() / "rows.csv"}"', context) == ROWS

    def test_outputlookup_writes_into_the_lookups_folder_and_passes_the_rows(
        self, context: Context, paths: Paths
    ) -> None:
        assert csv("| inputlookup rows.csv | head 1 | outputlookup out.csv", context) == "k,n,text\n007,1,a\n"
        assert (paths.home / "search" / "lookups" / "out.csv").read_text() == "k,n,text\n007,1,a\n"

    @pytest.mark.parametrize("name", ["../x.csv", "/tmp/x.csv", "a/b.csv", ".x.csv", "x", "__mlspl_m.mlmodel", '""'])
    def test_outputlookup_writes_nowhere_else(self, context: Context, name: str) -> None:
        with pytest.raises(SearchInvalid, match="Invalid lookup file name"):
            run(f"| makeresults | outputlookup {name}", context)

    def test_a_file_that_is_not_there_names_the_folders_and_the_nearest(self, context: Context, paths: Paths) -> None:
        with pytest.raises(LookupUnknown, match=r"No lookup file 'row\.csv' in .*Did you mean 'rows\.csv'") as caught:
            run("| inputlookup row.csv", context)
        assert str(paths.staged / "samples") in str(caught.value)

    @pytest.mark.parametrize("arguments", ["cache=3 a.csv", "kv_collection"])
    def test_what_only_splunk_knows_is_refused(self, context: Context, arguments: str) -> None:
        with pytest.raises(SearchInvalid, match="Splunk only"):
            run(f"| inputlookup {arguments}", context)

    @pytest.mark.parametrize("arguments", ["", "a.csv b.csv", "where a=1"])
    def test_one_name_is_wanted(self, context: Context, arguments: str) -> None:
        with pytest.raises(SearchInvalid, match="the name of one CSV file is wanted"):
            run(f"| inputlookup {arguments}", context)

    def test_a_file_may_be_compressed(self, context: Context) -> None:
        run("| inputlookup rows.csv | head 1 | outputlookup out.csv.gz", context)
        assert csv("| inputlookup out.csv.gz", context) == "k,n,text\n007,1,a\n"
        Path("bad.csv.gz").write_text("k\n1\n")
        with pytest.raises(SearchError, match=r"The lookup file .*bad\.csv\.gz cannot be read"):
            run("| inputlookup bad.csv.gz", context)

    def test_a_file_that_is_no_csv_is_named(self, context: Context) -> None:
        Path("bad.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
        with pytest.raises(SearchError, match=r"The lookup file .*bad\.csv cannot be read"):
            run("| inputlookup bad.csv", context)

    def test_an_empty_file_has_no_rows(self, context: Context) -> None:
        Path("none.csv").write_text("")
        assert run("| inputlookup none.csv | where a=1 | eval b=1", context).frame.empty


class TestRowsAndColumns:
    @pytest.mark.parametrize(("arguments", "rows"), [("", 10), ("3", 3), ("0", 0), ("99", 12)])
    def test_head_keeps_the_first_rows(self, context: Context, arguments: str, rows: int) -> None:
        assert len(run(f"| makeresults count=12 | head {arguments}", context).frame) == rows

    @pytest.mark.parametrize("search", ["head x", "head -1", "head 1.5"])
    def test_head_takes_an_integer(self, context: Context, search: str) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'head' command: expected an integer"):
            run(f"| makeresults | {search}", context)

    def test_makeresults_makes_rows_with_the_time(self, context: Context) -> None:
        frame = run("| makeresults count=3", context).frame
        assert list(frame.columns) == ["_time"]
        assert len(frame) == 3

    @pytest.mark.parametrize("arguments", ["format=csv", "3", "count=x", "count=99999999999"])
    def test_makeresults_refuses_what_it_does_not_know(self, context: Context, arguments: str) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'makeresults' command"):
            run(f"| makeresults {arguments}", context)

    @pytest.mark.parametrize(
        ("command", "columns"),
        [
            ("table b a", ["b", "a"]),
            ("table b*, a", ["b", "bb", "a"]),
            ("table none a z*", ["none", "a"]),
            ("fields b a", ["b", "a", "_time"]),
            ("fields + a none", ["a", "_time"]),
            ("fields - a _*", ["b", "bb"]),
            ("fields -a, b*", ["_time"]),
        ],
    )
    def test_table_and_fields_choose_columns(self, context: Context, command: str, columns: list[str]) -> None:
        result = run(f"| makeresults | eval a=1, b=2, bb=3 | {command}", context).frame
        assert list(result.columns) == columns
        assert len(result) == 1

    @pytest.mark.parametrize("command", ["table", "fields", "fields -", "table a=1"])
    def test_names_are_required(self, context: Context, command: str) -> None:
        with pytest.raises(SearchInvalid, match="expected names of fields"):
            run(f"| makeresults | {command}", context)


class TestEvalAndWhere:
    def test_assignments_see_those_before_them(self, context: Context) -> None:
        search = '| makeresults | eval a=2, b=a*a, a=b+1, c="k".a | table a b c'
        assert csv(search, context) == "a,b,c\n5,4,k5\n"

    def test_where_keeps_what_is_true_and_nothing_that_is_null(self, context: Context) -> None:
        assert csv("| inputlookup rows.csv | where n>2 | table k", context) == "k\n009\n"
        assert csv("| inputlookup rows.csv | where NOT n>2 | table k", context) == "k\n007\n"
        assert csv("| inputlookup rows.csv | where isnull(n) | table k", context) == "k\n008\n"

    def test_text_that_looks_like_a_number_is_one_and_keeps_its_zeros_until_fit(self, context: Context) -> None:
        assert csv('| inputlookup rows.csv | where k=7 | eval s="id".k | table s', context) == "s\nid007\n"


class TestPipeline:
    @pytest.fixture
    def container(self) -> Iterator[Standin]:
        with standin() as state:
            yield state

    def test_fit_then_apply_from_csv_files(self, context: Context, paths: Paths, container: Standin) -> None:
        context = make_context(ClientSettings(url=container.url, token=TOKEN), paths)
        result = run("| inputlookup rows.csv | where isnotnull(n) | fit MLTKContainer algo=a k from n into m", context)
        assert container.payload["data"] == "k,n\n7,1\n9,10\n"
        assert result.frame["predicted_k"].tolist() == [0, 1]
        result = run("| inputlookup rows.csv | eval n=coalesce(n, 0) | apply m as p | table k p", context)
        assert result.frame.to_csv(index=False) == "k,p\n7,0\n8,1\n9,2\n"
        assert [str(message) for message in result.messages] == ["INFO /apply done successfully"]
        assert run("| listmodels | table name", context).frame["name"].tolist() == ["m"]
        assert len(run("| summary m", context).frame) == 1
        assert str(run("| deletemodel m", context).messages[0]) == 'INFO Deleted model "m".'

    @pytest.mark.parametrize(
        "tail", ["tstats count", "where (", "apply nope", "fit X y", "head x", "inputlookup rows.csv", "deletemodel m"]
    )
    def test_nothing_runs_when_any_part_of_the_search_is_wrong(self, context: Context, paths: Paths, tail: str) -> None:
        with pytest.raises(SearchError):
            run(f"| makeresults | outputlookup out.csv | {tail}", context)
        assert not (paths.home / "search" / "lookups" / "out.csv").exists()

    @pytest.mark.parametrize("command", ["mstats count", "spath input=a", "nonsense 10"])
    def test_other_commands_are_refused_by_name(self, context: Context, command: str) -> None:
        with pytest.raises(CommandUnknown, match=rf"'{command.split(maxsplit=1)[0]}'.*Run this search in Splunk"):
            run(f"| makeresults | {command}", context)

    def test_a_command_that_runs_is_not_among_the_refused(self) -> None:
        assert not REFUSED.keys() & COMMANDS.keys()
        assert scheduled.REFUSED.keys() <= COMMANDS.keys() | NESTED_FORMS.keys()

    def test_splunks_own_commands_are_known_and_never_taken_for_mistyped_ones(self, context: Context) -> None:
        assert len(SPLUNK_COMMANDS) >= 140
        assert COMMANDS.keys() | NESTED_FORMS.keys() | REFUSED.keys() <= SPLUNK_COMMANDS
        for name in SPLUNK_COMMANDS - COMMANDS.keys() - NESTED_FORMS.keys():
            with pytest.raises(CommandUnknown, match=r"Splunk has it, dltk search does not|Splunk only") as caught:
                run(f"| makeresults | {name} x", context)
            assert "Did you mean" not in str(caught.value)

    def test_a_command_that_a_table_leaves_out_is_refused_with_its_reason(self, context: Context) -> None:
        fewer = {name: command for name, command in COMMANDS.items() if name != "sample"}
        with pytest.raises(CommandRefused, match="'sample' runs in Splunk only: it draws by the order of arrival"):
            run("| makeresults | sample partitions=2", context, fewer)

    def test_a_person_at_a_shell_has_no_index_to_search(self, context: Context) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'search' command: there is no index 'main' here"):
            run("index=main | head 1", context)

    def test_errors_name_the_command_as_splunk_does(self, context: Context) -> None:
        with pytest.raises(SearchInvalid, match="Error in 'fit' command: Syntax error: you may specify \"into\" only"):
            run("| makeresults | fit MLTKContainer x into a into b", context)
        with pytest.raises(SearchInvalid, match="Error in 'head' command: no input rows"):
            run("head 3", context)

    def test_another_table_of_commands_is_another_set(self, context: Context) -> None:
        def reverse(arguments: str, _: Context):
            return lambda frame: Result(frame[::-1], (warn(arguments),))

        result = run("| inputlookup rows.csv | reverse now", context, {**COMMANDS, "reverse": Command(reverse)})
        assert result.frame["k"].tolist() == ["009", "008", "007"]
        assert [str(message) for message in result.messages] == ["WARN now"]

    def test_rows_in_another_order_stay_together(self, context: Context, container: Standin, paths: Paths) -> None:
        context = make_context(ClientSettings(url=container.url, token=TOKEN), paths)
        search = "| inputlookup rows.csv | where isnotnull(n) | fit MLTKContainer algo=a n | where predicted_index=1"
        frame = run(search, context).frame
        assert isinstance(frame, pd.DataFrame)
        assert frame["k"].tolist() == [9]


def test_several_values_are_an_array_in_json_and_lines_in_csv(context: Context) -> None:
    frame = run('| makeresults | eval m=split("a,b", ",") | table m', context).frame
    assert json.loads(as_json(frame)) == [{"m": ["a", "b"]}]
    assert as_csv(frame) == 'm\n"a\nb"\n'
