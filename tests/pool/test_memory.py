"""A worker's memory is its own and its children's, and shared pages count once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dltk_runtime.pool import memory

pytestmark = pytest.mark.process

MIB = 1024**2
BEFORE_FORK = "x = b'x' * 100 * 2**20; [os.fork() or signal.pause() for _ in range(3)]"
AFTER_FORK = "[os.fork() or (kept.append(b'x' * 100 * 2**20), print(flush=True), signal.pause()) for _ in range(3)]"


@contextlib.contextmanager
def running(code: str, lines: int = 1) -> Iterator[int]:
    """The session of a program that has come to its rest: it says so in so many lines."""
    program = f"import os, signal; {code}; print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        yield process.pid
        os.killpg(process.pid, signal.SIGKILL)


def test_children_are_counted() -> None:
    with running(f"kept = []; {AFTER_FORK}", lines=4) as session:
        found = memory.over(250 * MIB, {session})
    assert 300 * MIB < found[session] < 450 * MIB


def test_pages_that_children_share_count_once() -> None:
    with running(BEFORE_FORK) as session:
        assert memory.over(250 * MIB, {session}) == {}
        assert 100 * MIB < memory.over(90 * MIB, {session})[session] < 200 * MIB


def test_only_the_sessions_asked_for_are_looked_at() -> None:
    with running("x = b'x' * 100 * 2**20"):
        assert memory.over(1, set()) == {}


def test_a_session_that_is_gone_uses_nothing() -> None:
    with running("pass") as session:
        assert list(memory.over(1, {session})) == [session]
    assert memory.over(1, {session}) == {}
