"""``dltk tokens``: a token is printed once, its file keeps the hash."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from dltk_runtime.access.file import hash_of
from dltk_runtime.cli import dltk


def run(path: Path, *given: str) -> Result:
    return CliRunner().invoke(dltk, ["tokens", *given], env={"DLTK_TOKENS_FILE": str(path)})


def test_a_new_token_is_printed_once_and_listed_without_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    made = run(path, "new", "dashboards", "--right", "apply", "--models", "sales_*", "--fits", "2", "--disk", "20G")
    token = made.stdout.strip()
    assert (made.exit_code, len(token) >= 40) == (0, True)
    assert json.loads(path.read_text())["tokens"][0]["values"][0]["sha256"] == hash_of(token)
    listed = run(path)
    assert listed.exit_code == 0
    for text in ("dashboards", "apply", "sales_*", "fits 2, disk 20G"):
        assert text in listed.stdout
    assert token not in listed.stdout


def test_a_token_is_rotated_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    first = run(path, "new", "a", "--right", "read").stdout
    assert "--rotate keeps" in run(path, "new", "a", "--rotate", "--fits", "0").output
    second = run(path, "new", "a", "--rotate").stdout
    assert first != second
    assert "1 older value of 'a' removed" in run(path, "remove", "a", "--old").stdout
    assert "'a' removed" in run(path, "remove", "a").stdout
    assert run(path, "remove", "a").exit_code == 1


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    assert "--right apply or" in run(path, "new", "a").output
    assert (
        "No token was made: the name 'a b' is no name of a token" in run(path, "new", "a b", "--right", "read").output
    )
    assert "no size such as 20G" in run(path, "new", "a", "--right", "read", "--disk", "much").output
    nowhere = CliRunner().invoke(dltk, ["tokens"], env={"DLTK_TOKENS_FILE": ""})
    assert "set DLTK_TOKENS_FILE" in nowhere.output
