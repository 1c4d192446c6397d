"""The page on which a worker enters the phases of an apply: both sides see it, and none can make it shorter."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dltk_runtime.worker import board
from dltk_runtime.worker.board import Board
from dltk_runtime.worker.messages import Entered


@pytest.fixture
def sides() -> Iterator[tuple[Board, Board]]:
    descriptor = board.create()
    ours, theirs = Board(descriptor), Board(os.dup(descriptor))
    yield ours, theirs
    ours.close()
    theirs.close()


def test_the_front_reads_the_phase_that_was_entered_last(sides: tuple[Board, Board]) -> None:
    ours, theirs = sides
    assert ours.last() is None
    theirs.enter(Entered("decode"))
    theirs.enter(Entered("apply", "one.ipynb, cell 3, line 1: `é`"))
    assert ours.last() == Entered("apply", "one.ipynb, cell 3, line 1: `é`")
    ours.clear()
    assert ours.last() is None


def test_a_place_without_room_is_left_out(sides: tuple[Board, Board]) -> None:
    ours, theirs = sides
    theirs.enter(Entered("apply", "x" * board.PAGE_BYTES))
    assert ours.last() == Entered("apply")


@pytest.mark.parametrize(
    "written", [b"\xff" * 8, b"\x82\xa5phase\xa1\xff\xa5place\xa0", b"\x81\xa1x" + b"\x91" * 3000, b"\x91" * 3000]
)
def test_what_a_notebook_writes_into_it_is_no_phase(written: bytes, sides: tuple[Board, Board]) -> None:
    ours, theirs = sides
    theirs.enter(Entered("apply"))
    start = board._SIZE_BYTES
    theirs._page[:start] = len(written).to_bytes(start, "little")
    theirs._page[start : start + len(written)] = written
    assert ours.last() is None


@pytest.mark.parametrize("size", [0, board.PAGE_BYTES * 2])
def test_nobody_can_change_its_size(size: int) -> None:
    descriptor = board.create()
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, size)
    os.close(descriptor)
