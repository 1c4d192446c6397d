"""Quotes around the words of a search; numbers with their nouns."""

from __future__ import annotations

import pytest

from dltk_runtime.texts import counted, harmless_cell, listed, unquote


@pytest.mark.parametrize(
    ("value", "inner"),
    [('"a"', "a"), ("'a'", "a"), ('""', ""), ('"', '"'), ("", ""), ("\"a'", "\"a'"), ('""a""', '"a"'), ("a", "a")],
)
def test_one_pair_of_quotes_is_taken_off(value: str, inner: str) -> None:
    assert unquote(value) == inner


def test_a_number_has_its_noun() -> None:
    assert [counted(number, "model") for number in (0, 1, 2, 1200)] == [
        "0 models",
        "1 model",
        "2 models",
        "1,200 models",
    ]


def test_names_are_listed_sorted_up_to_a_number() -> None:
    assert listed([], 2) == ""
    assert listed({"b", "a"}, 2) == "a, b"
    assert listed(["c", "a", "d", "b"], 2) == "a, b and 2 more"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_a_formula(text: str) -> None:
    assert harmless_cell(text) == f"'{text}"
    assert harmless_cell(f"a{text}") == f"a{text}"
