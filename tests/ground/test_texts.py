"""Quotes around the words of a search; numbers with their nouns."""

from __future__ import annotations

import pytest

from dltk_runtime.texts import counted, unquote


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
