"""The file of named tokens, and the records of comparisons, ended at each change of the disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dltk_runtime.access import file as tokens
from dltk_runtime.access.file import TokenEntry, Value
from dltk_runtime.access.holder import Right
from dltk_runtime.shadow.record import ComparedRequest, Records
from tests.support import ends

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]


def new(name: str) -> TokenEntry:
    return TokenEntry(name=name, values=[Value(tokens.hash_of(name))], rights=[Right.READ])


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new token": lambda file: tokens.add(file, new("c")),
    "a second value": lambda file: tokens.add(file, new("a"), rotate=True),
    "a removal": lambda file: tokens.remove(file, "a"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_end_at_any_change_leaves_the_tokens_before_or_after(name: str, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    tokens.add(prepared / "tokens.json", new("a"))
    tokens.add(prepared / "tokens.json", new("b"))
    before = tokens.load(prepared / "tokens.json")[0]
    seen = set()
    for where, folder in ends.each_end(prepared, tmp_path, lambda folder: CHANGES[name](folder / "tokens.json")):
        now = tokens.load(folder / "tokens.json")[0]
        assert [each for each in now if each.name == "b"] == before[1:2], where
        assert (folder / "tokens.json").stat().st_mode & 0o777 == 0o600
        seen.add(now == before)
        tokens.add(folder / "tokens.json", new("next"))
    assert seen == {True, False}


def compared(number: int) -> ComparedRequest:
    return ComparedRequest(datetime.fromtimestamp(number, UTC), "/apply", "umap", "m", "success", "success")


def test_an_end_at_any_change_loses_no_comparison_but_the_one_that_was_being_written(tmp_path: Path) -> None:
    prepared, few_bytes = tmp_path / "prepared", 600
    prepared.mkdir()
    for number in range(3):
        Records(prepared / "shadow", few_bytes).add(compared(number))
    before = Records(prepared / "shadow", few_bytes).all()
    for where, folder in ends.each_end(
        prepared, tmp_path, lambda folder: Records(folder / "shadow", few_bytes).add(compared(9))
    ):
        records = Records(folder / "shadow", few_bytes)
        assert [each for each in records.all() if each != compared(9)] == before, where
        records.add(compared(10))
        assert records.all()[-1] == compared(10), where
