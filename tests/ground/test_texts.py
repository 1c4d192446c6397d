"""Quotes around the words of a search."""

from __future__ import annotations

import pytest

from dltk_runtime.texts import unquote


@pytest.mark.parametrize(
    ("value", "inner"),
    [('"a"', "a"), ("'a'", "a"), ('""', ""), ('"', '"'), ("", ""), ("\"a'", "\"a'"), ('""a""', '"a"'), ("a", "a")],
)
def test_one_pair_of_quotes_is_taken_off(value: str, inner: str) -> None:
    assert unquote(value) == inner
