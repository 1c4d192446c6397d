"""A search that is nested or long beyond use is refused by name, at once: no parser walks all of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.context import make_context
from dltk_runtime.emulator.spl.pipeline import MAX_SEARCH_CHARACTERS, prepare
from dltk_runtime.settings import ClientSettings, Settings

MAX_CPU_SECONDS = 5.0  # a second, and what another machine may need more
DEEP = 15_000 // 2
NESTED = {
    "parentheses": "eval x=" + "(" * DEEP + "1" + ")" * DEEP,
    "unclosed": "eval x=" + "(" * DEEP,
    "functions": "eval x=" + "if(1," * DEEP + "1" + ",2)" * DEEP,
    "conditions": "where " + "(" * DEEP + "a=1" + ")" * DEEP,
    "filters": "search " + "(" * DEEP + "a=1" + ")" * DEEP,
    "negations": "where " + "NOT " * DEEP + "a=1",
    "signs": "eval x=" + "-" * DEEP + "1",
    "pipelines": "appendpipe " + "[a|" * DEEP + "b" + "]" * DEEP,
    "aggregates": "stats " + "a(eval(" * (DEEP // 2) + "1" + "))" * (DEEP // 2),
}


@pytest.fixture
def prepared(tmp_path: Path):  # type: ignore[no-untyped-def]
    context = make_context(ClientSettings.from_env({}, url="http://127.0.0.1:1"), Settings(home=tmp_path).paths, None)
    return lambda search: prepare(search, context)


@pytest.mark.parametrize("kind", NESTED)
def test_a_search_nested_too_deeply_is_refused_at_once(prepared, kind: str) -> None:  # type: ignore[no-untyped-def]
    began = time.process_time()
    with pytest.raises(
        SearchInvalid, match=r"nested more than 100 levels deep|unclosed|has more than 100,000 characters"
    ):
        prepared(f"| makeresults | {NESTED[kind]}")
    assert time.process_time() - began < MAX_CPU_SECONDS


def test_a_search_that_is_too_long_is_refused_before_it_is_parsed(prepared) -> None:  # type: ignore[no-untyped-def]
    long = "| makeresults | where " + " AND ".join(["a=1"] * 200_000)
    with pytest.raises(SearchInvalid, match=f"the search has more than {MAX_SEARCH_CHARACTERS:,} characters"):
        prepared(long)
    prepared(long[: MAX_SEARCH_CHARACTERS - 20].rpartition(" AND ")[0])
