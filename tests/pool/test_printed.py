"""What a worker prints is read before the answer, whatever state its pipes are in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from dltk_runtime.pool.printed import PIPE_BYTES, Printed
from dltk_runtime.scrub import NOTHING_SECRET


@contextmanager
def _printing() -> Iterator[tuple[Printed, list[bytes], list[int]]]:
    """What reads two pipes, what it has shown, and the ends that a worker writes to, which a test may close."""
    pairs = [os.pipe2(os.O_NONBLOCK) for _ in range(2)]
    printed, shown = Printed((pairs[0][0], pairs[1][0]), NOTHING_SECRET), list[bytes]()
    printed.output = shown.append
    writes = [write for _, write in pairs]
    try:
        yield printed, shown, writes
    finally:
        printed.close()
        for each in writes:
            os.close(each)


async def _read_at_once() -> None:
    with _printing() as (printed, shown, writes):
        printed.read()
        assert shown == []
        os.write(writes[0], b"one\n")
        printed.end_request()  # no turn of the event loop has passed
        os.write(writes[0], b"two")
        printed.end_request()
        assert b"".join(shown) == b"one\ntwo"


async def _read_once() -> None:
    with _printing() as (printed, shown, writes):
        assert os.write(writes[0], b"x" * 2 * PIPE_BYTES) == PIPE_BYTES
        printed.read()
        printed.read()
        printed.end_request()
        assert len(b"".join(shown)) == PIPE_BYTES


async def _read_after_the_end() -> None:
    with _printing() as (printed, shown, writes):
        os.write(writes[0], b"last words")
        while writes:
            os.close(writes.pop())
        for _ in range(3):
            printed.read()
        printed.end_request()
        assert b"".join(shown) == b"last words"
    printed.read()  # the pipes are closed
    printed.end_request()


def test_what_was_printed_before_the_answer_is_read_with_it() -> None:
    asyncio.run(_read_at_once())


def test_a_full_pipe_is_read_whole() -> None:
    asyncio.run(_read_once())


def test_pipes_that_nobody_writes_to_any_more_are_read_to_their_end() -> None:
    asyncio.run(_read_after_the_end())
