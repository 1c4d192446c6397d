"""Every command takes time in proportion to the rows, and deep searches are refused at once.

Work is counted in calls of functions, of Python and of C, so that no clock and no load matters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Context, make_context
from dltk_runtime.emulator.spl.pipeline import NESTED_FORMS, run
from dltk_runtime.emulator.standin import IndexedEvent
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings

ROWS = 300
# Twice the rows are twice the calls, and a logarithm for sorting; a square would be four times.
MOST_GROWTH = 2.7

SEARCHES = {
    "accum": "accum n",
    "addinfo": "addinfo",
    "append": "append [| inputlookup in.csv]",
    "appendcols": "appendcols [| inputlookup in.csv]",
    "appendpipe": "appendpipe [stats count]",
    "autoregress": "autoregress n p=1-3",
    "bin": "bin n span=10",
    "bucket": "bin _time span=5m",
    "chart": "chart sum(n) OVER k BY g",
    "collect": "collect index=i",
    "dedup": "dedup 2 k sortby -n",
    "delta": "delta n",
    "eval": 'eval x=if(n>3,round(n/7,2),"a".g), y=mvcount(split(t,","))',
    "eventstats": "eventstats avg(n) BY k",
    "fields": "fields n g",
    "filldown": "filldown",
    "fillnull": "fillnull",
    "foreach": "foreach n g [eval <<FIELD>>=1]",
    "head": "head (n<1000000)",
    "lookup": "lookup in.csv n OUTPUT g AS h",
    "makemv": 'makemv delim="," t',
    "mvcombine": "fields t n | mvcombine n",
    "mvexpand": 'makemv delim="," t | mvexpand t',
    "nomv": 'makemv delim="," t | nomv t',
    "outputlookup": "outputlookup out.csv",
    "rare": "rare k",
    "regex": 'regex t="a"',
    "rename": "rename n AS m",
    "replace": "replace a* WITH b* IN t",
    "reverse": "reverse",
    "rex": 'rex field=t max_match=0 "(?<w>[a-z])"',
    "sample": "sample 100",
    "score": "score mean_squared_error n against n",
    "search": "search g=a* OR n>5 | search k IN (1,2,3)",
    "sort": "sort 0 -g +n",
    "stats": "stats count avg(n) median(n) p90(n) dc(k) values(g) list(n) mode(g) first(n) latest(n) BY g",
    "strcat": "strcat g t x",
    "streamstats": "streamstats count sum(n) avg(n) max(n) stdev(n) median(n) dc(k) list(g) range(n)",
    "streamstats BY": "streamstats window=20 global=f count sum(n) min(n) perc90(n) values(g) last(n) BY g",
    "streamstats current": "streamstats current=f window=5 last(n) AS before",
    "table": "table n g",
    "tail": "tail 5",
    "timechart": "timechart span=1h sum(n) BY g",
    "top": "top k",
    "transpose": "fields g n | fields - _time | transpose 3",
    "untable": "untable n name value",
    "where": 'where like(t,"%b%") AND n>3',
    "xyseries": "stats count BY k g | xyseries k g count",
}
WITHOUT = {"apply", "deletemodel", "fit", "inputlookup", "listmodels", "makeresults", "summary", "tstats"}


@pytest.fixture
def context(paths: Paths, tmp_path: Path) -> Context:
    context = make_context(ClientSettings(), paths, tmp_path)
    context.storage.indexes.create("i")
    return replace(context, clock=lambda: 1e9)


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count calls of functions on this thread."""
    calls = [0]

    def count(_: FrameType, event: str, __: Any) -> None:
        calls[0] += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def _write(rows: int, folder: Path) -> None:
    lines = "".join(f'{1_000_000 + 60 * n},{n * 7 % 1009},{n % 7},{"abc"[n % 3]},"a,b"\n' for n in range(rows))
    (folder / "in.csv").write_text(f"_time,n,k,g,t\n{lines}")


def _calls(search: str, rows: int, context: Context, folder: Path) -> int:
    _write(rows, folder)
    with counting() as calls:
        run(f"| inputlookup in.csv | {search}", context)
    return calls[0]


@pytest.mark.parametrize("name", SEARCHES)
def test_twice_the_rows_are_about_twice_the_work(name: str, context: Context, tmp_path: Path) -> None:
    _write(10, tmp_path)
    run(f"| inputlookup in.csv | {SEARCHES[name]}", context)  # so that imports are done, and caches filled
    once, twice = (_calls(SEARCHES[name], rows, context, tmp_path) for rows in (ROWS, 2 * ROWS))
    assert twice < MOST_GROWTH * once


def test_tstats_over_twice_the_events_is_about_twice_the_work(context: Context) -> None:
    calls = []
    for rows in (10, ROWS, 2 * ROWS):
        index = context.storage.indexes.create(f"of_{rows}")
        for n in range(rows):
            index.add(IndexedEvent(60.0 * n, 1e9, {"n": str(n), "k": str(n % 7)}, indexed_fields=True))
        with counting() as counted:
            run(f"| tstats count max(n) AS n WHERE index=of_{rows} BY _time span=1h k", context)
        calls.append(counted[0])
    assert calls[2] < MOST_GROWTH * calls[1]


def test_every_command_is_measured() -> None:
    assert {name.partition(" ")[0] for name in SEARCHES} == {*COMMANDS, *NESTED_FORMS} - WITHOUT


@pytest.mark.parametrize(
    "deep",
    [
        "eval x=" + "(" * 20_000 + "1" + ")" * 20_000,
        "eval x=" + "if(a=1," * 20_000,
        "eval x=" + "-" * 20_000 + "1",
        "where " + "NOT " * 20_000 + "a=1",
        "where " + "(" * 20_000,
        "search " + "(" * 20_000 + "a=1",
        "search " + "NOT " * 20_000 + "(",
        "appendpipe [" * 20_000,
        "append [" * 20_000 + "]" * 20_000,
        "stats " + "count(" * 20_000,
        "foreach a [eval x=" + "(" * 20_000 + "]",
        "fit MLTKContainer " + "(" * 20_000,
        "eval x=" + "a." * 20_000,
        "rex " + '"' * 20_001,
    ],
    ids=lambda deep: deep[:18],
)
def test_deep_searches_are_refused(deep: str, context: Context) -> None:
    with counting() as calls, pytest.raises((SearchInvalid, SearchError)):
        run(f"| makeresults | {deep}", context)
    assert calls[0] < 60 * len(deep)
