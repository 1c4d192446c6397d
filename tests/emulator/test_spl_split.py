"""Searches split into commands."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.split import CommandCall, split

words = st.text(st.characters(exclude_characters="\"'|[]`\\", exclude_categories=["Cs"]), max_size=10).map(str.strip)
quoted = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"]), max_size=10).map('"{}"'.format)


def test_the_first_pipe_may_be_missing() -> None:
    stages = [CommandCall("inputlookup", "a.csv"), CommandCall("head", "3")]
    assert split("| inputlookup a.csv | head 3") == split("inputlookup a.csv|HEAD 3") == stages


@pytest.mark.parametrize("text", ['"a|b"', r'"a\"|b"', "'a|b'", '"[x] `y`"', '"a""|"'])
def test_pipes_brackets_and_backticks_in_quotes_are_text(text: str) -> None:
    assert split(f"| eval x={text} | head 1") == [CommandCall("eval", f"x={text}"), CommandCall("head", "1")]


def test_an_apostrophe_in_a_word_opens_no_quotes() -> None:
    assert len(split("| fit X k=don't | head 1 | eval y=isn't")) == 3


def test_comments_are_dropped_with_the_pipes_in_them() -> None:
    assert split("| head ```first | few``` 3 ```x```") == [CommandCall("head", "3")]


@pytest.mark.parametrize("search", ["index=main", 'index="a" x', "error*", "index=main | head 1"])
def test_a_search_for_events_is_the_command_search(search: str) -> None:
    assert split(search)[0].name == "search"


@pytest.mark.parametrize(
    ("search", "text"),
    [
        ("", "empty"),
        ("  |  ", "empty"),
        ("| head | | head", "no command between two pipes"),
        ("| head |", "no command between two pipes"),
        ("| where x=[ head 1 ]", "subsearches"),
        ("| head ]", "bracket"),
        ("| `macro(1)`", "macros"),
        ('| where a="b | head', "unbalanced quotes"),
        ("| head ```x", "comment"),
        ("| =3", "expected the name of a command"),
    ],
)
def test_what_cannot_run_is_refused_by_name(search: str, text: str) -> None:
    with pytest.raises(SearchInvalid, match=text):
        split(search)


@settings(deadline=None)
@given(st.lists(st.lists(words | quoted, max_size=3).map(" ".join), min_size=1, max_size=4))
def test_what_was_joined_by_pipes_comes_apart_at_the_pipes(arguments: list[str]) -> None:
    stages = split("".join(f"| cmd {text} " for text in arguments))
    assert stages == [CommandCall("cmd", text.strip()) for text in arguments]


@settings(deadline=None)
@given(st.text("abc|\"'[]` =\\", max_size=30))
def test_any_text_is_split_or_refused(search: str) -> None:
    with suppress(SearchInvalid):
        assert split(search)
