"""Changelog, version and tag agree; subjects of commits are short."""

from __future__ import annotations

import subprocess

import pytest

from dltk_runtime import __version__
from tests.support.service import ROOT
from tools.commit_subject import faults
from tools.release import disagreements

OPEN = "# Changes\n\n## Unreleased\n\n## 1.2.0 - 2026-02-01\n\n## 1.1.0 - 2026-01-01\n"
CLOSED = "# Changes\n\n## 1.2.0 - 2026-02-01\n\n## 1.1.0 - 2026-01-01\n"


@pytest.mark.process
def test_version_changelog_and_the_tags_of_this_commit_agree() -> None:
    command = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD"]
    tags = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # none without git
    assert disagreements(__version__, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), tags) == []


@pytest.mark.parametrize(
    ("version", "changelog", "tags"),
    [
        ("0.1.0", "## Unreleased\n", []),
        ("1.2.0", OPEN, []),
        ("1.3.0", OPEN, ["other"]),
        ("1.2.0", CLOSED, ["v1.2.0"]),
        ("1.2.0", CLOSED.replace("1.2.0", "[1.2.0]"), []),
    ],
)
def test_what_agrees(version: str, changelog: str, tags: list[str]) -> None:
    assert disagreements(version, changelog, tags) == []


@pytest.mark.parametrize(
    ("version", "changelog", "tags", "words"),
    [
        ("1.2.1", CLOSED, [], "the version is 1.2.1, the newest in CHANGELOG 1.2.0"),
        ("1.1.0", OPEN, [], "older than the newest"),
        ("1.2.0", CLOSED, ["v1.1.0"], "the tag v1.1.0 stands on version 1.2.0"),
        ("1.3.0", OPEN, ["v1.3.0"], "no heading"),
        ("1.2.0", OPEN.replace("1.1.0", "1.3.0"), [], "not in order"),
        ("1.2.0", CLOSED + "\n## Unreleased\n", [], "not the first"),
        ("1.2.0", "## Soon\n" + CLOSED, [], "neither"),
    ],
)
def test_what_contradicts_is_named(version: str, changelog: str, tags: list[str], words: str) -> None:
    assert words in " ".join(disagreements(version, changelog, tags))


@pytest.mark.parametrize(
    "message", ["Add a check\n", "Add a check\n\nIt says why.\n", "# comment\nAdd a check\n", f"Merge {'x' * 80}\n"]
)
def test_good_commit_messages(message: str) -> None:
    assert faults(message) == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", "empty"),
        (f"Add {'x' * 69}", "73 characters"),
        ("Add it.", "full stop"),
        ("Add it\nand more", "must be empty"),
    ],
)
def test_faults_of_commit_messages_are_named(message: str, words: str) -> None:
    assert words in " ".join(faults(message))
