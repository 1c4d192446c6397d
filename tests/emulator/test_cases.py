"""Each command and function stands against cases that were written from Splunk's documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Context, make_context
from dltk_runtime.emulator.spl.functions import FUNCTIONS
from dltk_runtime.emulator.spl.functions.times import clock_functions
from dltk_runtime.emulator.spl.pipeline import NESTED_FORMS, run
from dltk_runtime.emulator.spl.refused import REFUSED
from dltk_runtime.emulator.spl.statistics.table import NOT_HERE, STATISTICS
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from tests.emulator.tables import entries, expected, table
from tests.emulator.test_pipelines import PIPELINES

FOLDER = Path(__file__).parent / "cases"
NOW = 1_700_000_000.0
ROW = '| makeresults | eval a="3", b="text", m=split("x,y", ",") | fields - _time | eval '
LEAST_CASES = 250
USERS = "name,dept\nann,dev\ncarl,ops\n"


def _cases() -> Iterator[tuple[str, bool, str, str, str]]:
    """Yield name, whether it is refused, input, search, and result or message of each case."""
    for name, group in entries(FOLDER, "group"):
        kind = group.get("kind", "")
        for number, (search, result) in enumerate(group["cases"], 1):
            refused = "refused" in kind or group.get("refused", False)
            if kind.startswith("eval"):
                yield (
                    f"{name}-{number}",
                    refused,
                    "",
                    f"{ROW} r={search} | table r",
                    result if refused else f"r;{result}",
                )
            else:
                yield f"{name}-{number}", refused, group["in"], f"| inputlookup in.csv | {search}", result


CASES = {name: case for name, *case in _cases()}


@pytest.fixture
def context(paths: Paths, tmp_path: Path) -> Context:
    (tmp_path / "users.csv").write_text(USERS)
    return replace(make_context(ClientSettings(), paths, tmp_path), clock=lambda: NOW)


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_the_documentation(name: str, context: Context, tmp_path: Path) -> None:
    refused, rows, search, result = CASES[name]
    (tmp_path / "in.csv").write_text(rows.replace(";", "\n") + "\n")
    if refused:
        with pytest.raises(SearchError, match=result):
            run(search, context)
        return
    entry = {"rows": [["r"], [result[2:]]]} if search.startswith(ROW) else {"out": result}
    assert table(run(search, context).frame) == expected(entry)


def test_there_are_enough_and_none_is_missing() -> None:
    assert len(CASES) >= LEAST_CASES
    searches = [search for _, _, search, _ in CASES.values()] + [entry["spl"] for entry in PIPELINES.values()]
    text = "\n".join(searches).lower()
    assert [name for name in (*COMMANDS, *NESTED_FORMS) if f"| {name}" not in text] == [
        "collect",  # with tstats in test_spl_indexed.py, since a case writes no index
        "deletemodel",
        "tstats",
    ]
    functions = {**FUNCTIONS, **clock_functions(lambda: NOW)}
    assert [name for name in functions if f"{name}(" not in text] == []
    assert [name for name in STATISTICS if f" {name}" not in text] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_option_that_no_table_has_is_refused_by_every_command(name: str, context: Context) -> None:
    if name in {"eval", "search", "where", "fit", "apply"}:
        return  # there it is an assignment, a condition, or a parameter of the algorithm
    first = "" if COMMANDS[name].generates else "| makeresults "
    with pytest.raises(SearchInvalid):
        run(f"{first}| {name} {_WORKING.get(name, 'a')} zzz=1", context)


# Arguments that each of these commands takes.
_WORKING = {
    "bin": "a span=10",
    "bucket": "a span=10",
    "chart": "count BY a",
    "eventstats": "count",
    "foreach": "a [eval b=1]",
    "head": "3",
    "inputlookup": "users.csv",
    "lookup": "users.csv name OUTPUT dept",
    "makeresults": "",
    "outputlookup": "x.csv",
    "regex": 'a="b"',
    "rename": "a AS b",
    "replace": "a WITH b IN c",
    "rex": '"(?<a>b)"',
    "sample": "3",
    "score": "accuracy_score a against b",
    "stats": "count",
    "strcat": "a b c",
    "streamstats": "count",
    "timechart": "span=1h count",
    "tstats": "count WHERE index=main",
    "untable": "a b c",
    "xyseries": "a b c",
}


def test_each_command_and_function_states_what_it_takes() -> None:
    assert [name for name, command in COMMANDS.items() if not command.forms] == []
    assert COMMANDS.keys() & NESTED_FORMS.keys() == set()
    assert [name for name, function in FUNCTIONS.items() if not function.form.startswith(name)] == []
    assert not STATISTICS.keys() & NOT_HERE.keys()
    assert not REFUSED.keys() & NESTED_FORMS.keys()
