"""Fields in messages: of many, those that differ are named."""

from __future__ import annotations

from dltk_runtime.store.fields import MAX_NAMED, listed

MANY = [f"f{number}" for number in range(MAX_NAMED)]


def test_of_more_fields_than_a_message_names_the_different_ones_come_first() -> None:
    assert listed([*MANY, "new", "last"], [*MANY, "old"]).startswith("'new', 'last', 'f0', ")
    assert listed([*MANY, "new", "last"], [*MANY, "old"]).endswith("'f5' and 2 more")


def test_few_fields_keep_their_order() -> None:
    assert listed(["b", "a"], ["b"]) == "'b', 'a'"
