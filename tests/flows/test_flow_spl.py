"""The commands of searches that the emulator does not run: subsearches, macros, quotes and comments."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.flows.spl import first_pipe, has_command, option, stages

PIECES = ["stats count ", "| ", "[ ", " ]", '"a|b]" ', "`m(|)` ", "``` c | d``` ", "'n|' ", "apply x", "(", '"', "\n"]


def commands(search: str) -> list[tuple[str, str]]:
    return [(stage.name, stage.arguments) for stage in stages(search)]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", []),
        (" | ", []),
        ("index=a x=1", [("search", "index=a x=1")]),
        ("| Stats count BY a", [("stats", "count BY a")]),
        ("search a | where b>1", [("search", "a"), ("where", "b>1")]),
        ('eval a="x|y]" | table a', [("eval", 'a="x|y]"'), ("table", "a")]),
        ('eval a="\\"|" | table a', [("eval", 'a="\\"|"'), ("table", "a")]),
        ("where 'a|b'>1 | table c", [("where", "'a|b'>1"), ("table", "c")]),
        ("`base(a|b)` | table c", [("search", "`base(a|b)`"), ("table", "c")]),
        ("``` a | b ``` stats```c|d```count", [("stats", "count")]),
        ("append [ stats count | addinfo ] | fit", [("append", ""), ("stats", "count"), ("addinfo", ""), ("fit", "")]),
        ("index=a [search b | fields c]", [("search", "index=a"), ("search", "b"), ("fields", "c")]),
    ],
)
def test_pipes_and_brackets_outside_quotes_separate(search: str, expected: list[tuple[str, str]]) -> None:
    assert commands(search) == expected


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_positions_are_those_of_the_search(search: str) -> None:
    found = stages(search)
    for stage in found:
        assert 0 <= stage.begin <= stage.head <= stage.end <= len(search)
        assert search[stage.begin :].startswith(stage.separator)
    assert all(stage.end <= after.begin for stage, after in pairwise(found))


def test_a_command_is_found_by_its_name_and_not_in_a_quote() -> None:
    assert has_command("index=a | FIT x", "fit", "apply")
    assert not has_command('eval a="| fit x" | table fit', "fit")


def test_a_search_that_is_nested_too_deeply_has_no_commands() -> None:
    assert stages("x [ " * 200) == ()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("index=a addinfo=f", "a"),
        ("addinfo=f index=`dltk_x_summary`", "`dltk_x_summary`"),
        ('index="a b"', '"a b"'),
        ("index = a", "a"),
        ("marker=index", ""),
        ('index="a', ""),
        ("", ""),
    ],
)
def test_an_option_is_read_as_typed(arguments: str, expected: str) -> None:
    assert option(arguments, "index") == expected


def test_the_first_pipe_is_one_outside_quotes() -> None:
    assert first_pipe('index=a "x|y" | table a') == 14
    assert first_pipe("index=a") == 7
