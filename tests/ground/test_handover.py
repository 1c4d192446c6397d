"""Secrets pass from process to process in memory files."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dltk_runtime import handover

TAKE = "import os; from dltk_runtime import handover; print(handover.take(os.environ, once={}))"


@pytest.mark.process
@pytest.mark.parametrize(("once", "second"), [(True, "{}"), (False, "{'api_token': 'x'}")])
def test_the_first_reader_may_be_the_only_one(once: bool, second: str) -> None:
    descriptor = handover.give({"api_token": "x"}, once=once)
    environ = os.environ | {handover.DESCRIPTOR: str(descriptor)}
    command = [sys.executable, "-c", TAKE.format(once)]
    texts = [subprocess.check_output(command, env=environ, pass_fds=[descriptor], text=True) for _ in range(2)]
    os.close(descriptor)
    assert [text.strip() for text in texts] == ["{'api_token': 'x'}", second]


def test_what_is_no_memory_file_gives_nothing() -> None:
    for descriptor in ("", "0", "nonsense", "-1", "99999"):
        assert handover.take({handover.DESCRIPTOR: descriptor} if descriptor else {}) == {}


def test_nobody_changes_a_sealed_file() -> None:
    descriptor = handover.give({"a": "b"})
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    environ = {handover.DESCRIPTOR: str(descriptor)}
    assert handover.take(environ) == {"a": "b"}
    assert environ == {}
    os.close(descriptor)
