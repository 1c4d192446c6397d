"""The command ``dltk search``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime.commands import Exit
from dltk_runtime.commands.search import command
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.pipeline import NESTED_FORMS
from dltk_runtime.errors import SettingInvalid
from tests.emulator.container import TOKEN, Standin, standin

MAKE = "| makeresults count=2 | eval x=1 | table x"


@pytest.fixture
def container() -> Iterator[Standin]:
    with standin() as state:
        yield state


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty current folder, and none of the environment's variables."""
    for name in ("DLTK_URL", "DLTK_TOKEN", "DLTK_TOKEN_file", "DLTK_CAFILE", "api_token", "api_token_file"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DLTK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def search(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_rows_go_to_stdout_and_messages_to_stderr(container: Standin) -> None:
    done = search("--url", container.url, "--token", TOKEN, "--output", "csv", f"{MAKE} | fit MLTKContainer algo=a x")
    assert done.exit_code == Exit.OK
    assert done.stdout == "x,predicted_index\n1,0\n1,1\n"
    assert done.stderr == "INFO /fit done successfully\n"


def test_a_table_is_the_default_and_json_an_option() -> None:
    assert "2 rows" in search(MAKE).stdout
    for options in (["--output", "json"], ["--json"], ["--json", "--output", "json"]):
        assert json.loads(search(*options, MAKE).stdout) == [{"x": 1}, {"x": 1}]
    assert search("--csv", MAKE).stdout == search("--output", "csv", MAKE).stdout == "x\n1\n1\n"
    assert "Choose one of" in search("--csv", "--json", MAKE).stderr


@pytest.mark.parametrize("way", ["DLTK_TOKEN", "api_token", "DLTK_TOKEN_file", "api_token_file", "--token-file"])
def test_the_token_comes_from_a_variable_or_a_file(
    container: Standin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    options = [way, str(file)] if way.startswith("--") else []
    if not options:
        monkeypatch.setenv(way, str(file) if way.endswith("_file") else TOKEN)
    monkeypatch.setenv("DLTK_URL", container.url)
    assert search(*options, f"{MAKE} | fit MLTKContainer algo=a x").exit_code == Exit.OK


def test_an_error_of_the_container_exits_with_one_and_the_rows_pass(container: Standin) -> None:
    container.says("error", "/fit: ERROR: unable to fit model. Cell 3")
    done = search("--url", container.url, "--token", TOKEN, "--output", "csv", f"{MAKE} | fit MLTKContainer algo=a x")
    assert done.exit_code == Exit.FAILED
    assert done.stdout == "x\n1\n1\n"
    assert done.stderr == "ERROR /fit: ERROR: unable to fit model. Cell 3\n"


def test_a_wrong_token_exits_with_one_and_says_where_to_give_it(container: Standin) -> None:
    done = search("--url", container.url, "--token", "wrong", f"{MAKE} | fit MLTKContainer algo=a x")
    assert done.exit_code == Exit.FAILED
    assert "HTTP 401" in done.stderr
    assert "DLTK_TOKEN" in done.stderr
    assert "wrong" not in done.stderr


def test_a_container_that_does_not_answer_exits_with_three() -> None:
    done = search("--url", "http://127.0.0.1:1", f"{MAKE} | fit MLTKContainer algo=a x")
    assert done.exit_code == Exit.UNREACHABLE
    assert "ERROR No answer from the container at http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("text", ["| stats count", "| head", "", "| makeresults | where ("])
def test_a_wrong_search_exits_with_two(text: str) -> None:
    done = search(text)
    assert done.exit_code == Exit.USAGE
    assert done.stderr.startswith("ERROR ")
    assert done.stdout == ""


def test_a_file_that_is_not_there_exits_with_one() -> None:
    done = search("| inputlookup nowhere.csv")
    assert done.exit_code == Exit.FAILED
    assert done.stderr.startswith("ERROR No lookup file 'nowhere.csv'")


def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"sec\nret\xff")
    done = search("--token-file", str(tmp_path / "token"), MAKE)
    assert isinstance(done.exception, SettingInvalid)
    assert "DLTK_TOKEN" in str(done.exception)
    assert "sec" not in str(done.exception)


def test_stubs_and_lookups_are_in_the_folder_of_lookups(container: Standin, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    options = ["--url", container.url, "--token", TOKEN, "--lookups", str(folder)]
    search(*options, f"{MAKE} | fit MLTKContainer algo=a x into m | outputlookup out.csv")
    assert sorted(path.name for path in folder.iterdir()) == ["__mlspl_m.mlmodel", "out.csv"]


@pytest.mark.process
def test_the_whole_command_line_works_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n007\n")
    line = [
        sys.executable,
        "-m",
        "dltk_runtime.cli",
        "search",
        "--output",
        "csv",
        "| inputlookup rows.csv | eval b=a+1",
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a,b\n007,8\n", "")


def test_the_help_names_every_command() -> None:
    listed = (command.epilog or "").partition("Commands: ")[2].partition(". Other")[0]
    assert listed.replace("\n", " ").split(", ") == sorted([*COMMANDS, *NESTED_FORMS])


@pytest.mark.process
def test_help_and_the_command_itself_need_no_pandas() -> None:
    code = "import sys, dltk_runtime.commands.search; sys.exit('pandas' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "Examples:" in search("--help").stdout
