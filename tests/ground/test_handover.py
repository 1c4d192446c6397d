"""Secrets pass from process to process in memory files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dltk_runtime import handover
from dltk_runtime.commands.serve import command

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


def test_the_server_watches_the_files_that_it_was_handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    monkeypatch.setenv("api_token_file", "")  # taken back after the test
    given: list[Any] = []
    monkeypatch.setattr("dltk_runtime.server.serve.serve", lambda *arguments: given.extend(arguments))
    handed = handover.give({"api_token_file": str(token)}, once=True)
    monkeypatch.setenv(handover.DESCRIPTOR, str(handed))
    assert CliRunner().invoke(command, ["--home", str(tmp_path)], catch_exceptions=False).exit_code == 0
    settings, files, _ = given
    assert settings.api_token == "s3cret"
    assert files == {"api_token": token}


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
