"""The tokens of SPL, on which every parser of it is built."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.emulator.arguments import parse_arguments, split_options
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import MAX_NESTING, Kind, lex, runs, words
from dltk_runtime.emulator.spl.expressions import parse_assignments, parse_condition
from dltk_runtime.emulator.spl.filters import parse_filter
from dltk_runtime.emulator.spl.functions import FUNCTIONS
from dltk_runtime.emulator.spl.macros import Macro, expand
from dltk_runtime.emulator.spl.split import split
from dltk_runtime.emulator.spl.statistics.aggregation import parse_aggregation

QUOTES = ['"', '"x y"', '"x|y"', '\\"', "'", "'d e'", "don't", "`", "`m(1)`", "```"]
SIGNS = ["(", ")", "[", "]", "|", ",", " ", "\n", "<=", "!"]
WORDS = ["a", "AND", "NOT ", "a=1", "eval(", "count", "appendpipe ["]
spl = st.lists(st.sampled_from([*QUOTES, *SIGNS, *WORDS]), max_size=25).map("".join)
anything = spl | st.text(max_size=30)
MACROS = {"m(1)": Macro(("x",), '$x$ "'), "a": Macro((), "`m(1)`")}
ROW = {"a": 1, "b": "x"}


def kinds(text: str) -> str:
    return " ".join(token.kind for token in lex(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('fit "a|b"', "word space string"),
        (r'"say \"hi\""', "string"),
        ("'a b'.c", "name word"),
        ("don't isn't", "word space word"),
        ("a='b'", "word operator name"),
        ("''", "word word"),
        ("| `m(1)` ```a | b```", "pipe space macro space comment"),
        ("a!=1 b<=2 c==3 !d", "word operator word space word operator word space word operator word space word"),
        ("f([x],y)", "word opening opening word closing comma word closing"),
        ('a "b | c', "word space unclosed"),
        ("a `b | c", "word space unclosed"),
        ("a ```b | `c`", "word space unclosed"),
        ("-15m@m *.com a*2", "word space word space word"),
    ],
)
def test_each_text_has_its_kind(text: str, expected: str) -> None:
    assert kinds(text) == expected


def test_a_value_is_the_text_without_its_quotes() -> None:
    assert [token.value for token in lex("\"a b\" 'c' d `e`")] == ["a b", " ", "c", " ", "d", " ", "`e`"]


@settings(deadline=None)
@given(anything)
def test_tokens_joined_are_the_text(text: str) -> None:
    tokens = list(lex(text))
    assert "".join(token.text for token in tokens) == text
    assert all(token.text for token in tokens)
    assert [token.start for token in tokens[1:]] == [token.end for token in tokens[:-1]]


@settings(deadline=None)
@given(anything)
def test_what_opens_is_closed_in_the_same_token_or_unclosed(text: str) -> None:
    closing = {Kind.STRING: '"', Kind.NAME: "'", Kind.MACRO: "`", Kind.COMMENT: "```"}
    tokens = list(lex(text))
    for token in tokens:
        if quote := closing.get(token.kind):
            assert token.text.startswith(quote)
            assert token.text.endswith(quote)
            assert len(token.text) >= 2 * len(quote)
        elif token.kind is not Kind.UNCLOSED:
            assert not {'"', "`"} & set(token.text)
    assert all(token.kind is not Kind.UNCLOSED for token, _ in pairwise(tokens)), "it takes the rest of the text"


@settings(deadline=None)
@given(anything)
def test_words_have_matched_parentheses_and_together_they_are_the_text_without_gaps(text: str) -> None:
    with suppress(SearchInvalid):
        found = list(words(text))
        for word in found:
            opened = [token.text for token in lex(word) if token.text in {"(", ")"}]
            assert opened.count("(") == opened.count(")")
        assert "".join("".join(runs(word)) for word in found) == "".join(runs(text))


@settings(deadline=None)
@given(anything)
def test_any_text_is_read_or_refused_by_every_parser(text: str) -> None:
    for read in (
        split,
        lambda text: list(parse_arguments(text)),
        lambda text: split_options(text, ("a",)),
        lambda text: parse_filter(text, fold=True).keeps(ROW),
        lambda text: [each.over([ROW]) for each in parse_aggregation(text, FUNCTIONS).aggregates],
        lambda text: parse_condition(text, FUNCTIONS).evaluate(ROW),
        lambda text: [each.evaluate(ROW) for _, each in parse_assignments(text, FUNCTIONS)],
        lambda text: expand(text, MACROS),
    ):
        with suppress(SearchInvalid):
            read(text)


@pytest.mark.parametrize("opening", ["(", "[", "(["])
def test_brackets_nested_too_deeply_are_refused(opening: str) -> None:
    list(lex(opening * (MAX_NESTING // len(opening))))
    with pytest.raises(SearchInvalid, match="nested more than 100 levels deep"):
        list(lex(opening * MAX_NESTING + "("))


@pytest.mark.parametrize("text", ["NOT " * 1000 + "a=1", "-" * 1000 + "1=1", "if(a=1,1," * 1000 + "1" + ")" * 1000])
def test_an_expression_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(SearchInvalid, match="nested more than 100 levels deep"):
        parse_condition(text, FUNCTIONS)


def test_the_deepest_that_is_read_is_also_evaluated() -> None:
    deep = MAX_NESTING - 3  # and the comparisons around it and in it
    assert parse_condition("if(a=1,1," * deep + "1" + ")" * deep + "=1", FUNCTIONS).evaluate({"a": 2}) is True
    assert parse_filter("NOT (" * MAX_NESTING + "a=1" + ")" * MAX_NESTING, fold=True).keeps({"a": 1})
    assert not parse_filter("NOT " * 5001 + "a=1", fold=True).keeps({"a": 1})


def test_macros_that_grow_without_end_are_refused() -> None:
    doubled = {f"m{number}": Macro((), f"`m{number + 1}` `m{number + 1}`") for number in range(40)}
    with pytest.raises(SearchInvalid, match="macros expand the search to more than 1,000,000 characters"):
        expand("`m0`", doubled)


@pytest.mark.parametrize("unit", ["'a", "''a b", '\\"', "``a", "(", "!", "'a'b", "\\"])
@pytest.mark.parametrize("opening", ["", '"', "```"])
def test_a_text_four_times_as_long_takes_about_four_times_as_long(opening: str, unit: str) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        with suppress(SearchInvalid):
            list(lex(opening + unit * times))
        return time.process_time() - began

    short = min(seconds(2_500) for _ in range(3))
    assert min(seconds(10_000) for _ in range(3)) < 8 * short + 0.02
