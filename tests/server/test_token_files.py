"""Tokens in files: read again when they change, and never lost by a file that is broken."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.paths import Paths
from dltk_runtime.server.token_files import OVERLAP_SECONDS, Tokens
from dltk_runtime.settings import Settings, secret_files
from tests.support.service import Service, until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def replace(file: Path, text: str) -> None:
    """Put another file in its place, as Kubernetes does."""
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("first\n")
    return file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(file: Path, clock: Clock) -> Tokens:
    environ = {"api_token_file": str(file)}
    return Tokens(Settings.from_env(environ), secret_files(environ), clock)


def test_only_files_that_are_used_are_read_again(file: Path) -> None:
    environ = {"api_token": "given", "api_token_file": str(file), "DLTK_ADMIN_TOKEN_file": str(file)}
    assert secret_files(environ) == {"admin_token": file}
    fixed = Tokens(Settings.from_env(environ), secret_files(environ))
    replace(file, "second")
    fixed.look()
    assert (fixed.users, fixed.admins) == (("given",), ("second", "first"))


def test_a_new_token_counts_at_once_and_the_one_before_for_a_moment(tokens: Tokens, file: Path, clock: Clock) -> None:
    tokens.look()
    assert (tokens.users, tokens.admins) == (("first",), ())
    replace(file, "second\n")
    tokens.look()
    assert tokens.users == ("second", "first")
    clock.now += OVERLAP_SECONDS - 1
    assert tokens.users == ("second", "first")
    clock.now += 1
    assert tokens.users == ("second",)


def test_a_change_between_the_start_and_the_first_look_is_seen(tokens: Tokens, file: Path) -> None:
    replace(file, "second")
    tokens.look()
    assert tokens.users == ("second", "first")


@pytest.mark.parametrize("text", ["", "\n", "two words", "tökens", None])
def test_a_broken_file_keeps_the_token_before_it(text: str | None, tokens: Tokens, file: Path, clock: Clock) -> None:
    tokens.look()
    if text is None:
        file.unlink()
    else:
        replace(file, text)
    tokens.look()
    assert tokens.unread == {"api_token": True}
    clock.now += 10 * OVERLAP_SECONDS
    assert tokens.users == ("first",)
    replace(file, "second")
    tokens.look()
    assert tokens.unread == {"api_token": False}
    assert tokens.users == ("second", "first")


def test_the_sentence_about_a_broken_file_does_not_repeat_it(file: Path) -> None:
    file.write_text("s3cret s3cret")
    with pytest.raises(SettingInvalid) as raised:
        Settings.from_env({"api_token_file": str(file)})
    assert "s3cret" not in raised.value.sentence


@pytest.mark.process
def test_a_server_takes_the_new_token_without_a_restart(paths: Paths, file: Path) -> None:
    with Service(paths.home, paths.notebooks, api_token="", api_token_file=str(file)) as service:
        assert service.status_of("/summary", token="first") == 200
        assert service.status_of("/summary", token="second") == 401
        began = time.monotonic()
        replace(file, "second")
        until(lambda: service.status_of("/summary", token="second") == 200)
        before = service.status_of("/summary", token="first")
        assert before == 200 or time.monotonic() - began > OVERLAP_SECONDS
        assert service.status_of("/v1/jobs", token="second") == 200
        replace(file, "")
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)  # does not end it
        until(lambda: [each for each in service.events() if each["event"] == "token not renewed"])
        assert service.status_of("/summary", token="second") == 200
        log = service.log.read_text()
    assert "first" not in log
    assert "second" not in log.replace("before_counts_seconds", "")
