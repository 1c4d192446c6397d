"""`dltk`: finds its commands, starts fast, and prints errors as one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dltk_runtime import __version__, cli
from dltk_runtime.commands import Exit
from dltk_runtime.commands.version import installed
from dltk_runtime.errors import DltkError

HEAVY = ("numpy", "pandas", "sklearn", "starlette", "uvicorn", "torch", "tensorflow", "keras", "rich", "lark")
COMMANDS = cli.dltk.list_commands(click.Context(cli.dltk))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``dltk`` in a separate process."""
    command = [sys.executable, "-m", "dltk_runtime.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_the_help_lists_every_command_and_ends_in_examples() -> None:
    result = run("--help")
    assert result.returncode == Exit.OK
    overview, _, examples = result.stdout.partition("Examples:")
    assert all(f"\n  {name} " in overview for name in COMMANDS)
    assert "dltk serve" in examples


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.process
def test_a_commands_help_ends_in_examples(name: str) -> None:
    result = CliRunner().invoke(cli.dltk, [name, "--help"])
    assert result.exit_code == Exit.OK
    last = result.output.strip().rsplit("\n\n", maxsplit=1)[-1]
    assert "Example" in last
    assert f"dltk {name}" in last


@pytest.mark.process
def test_no_list_of_commands_cuts_what_a_command_does() -> None:
    context = click.Context(cli.dltk)
    found = [([], cli.dltk), *(([name], cli.dltk.get_command(context, name)) for name in COMMANDS)]
    groups = [path for path, command in found if isinstance(command, click.Group)]
    shown = [CliRunner().invoke(cli.dltk, [*path, "--help"]).output.partition("Commands:")[2] for path in groups]
    assert len(groups) > 8
    assert [line for text in shown for line in text.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("module", ["dltk_runtime.cli", *(f"dltk_runtime.commands.{name}" for name in COMMANDS)])
@pytest.mark.process
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    program = f"import {module}, sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


@pytest.mark.process
def test_a_wrong_command_is_answered_with_the_nearest() -> None:
    result = run("versio")
    assert result.returncode == Exit.USAGE
    assert "No such command 'versio'" in result.stderr
    assert "'version'" in result.stderr


@pytest.mark.process
def test_without_a_command_it_shows_the_help_and_fails() -> None:
    result = run()
    assert result.returncode == Exit.USAGE
    assert "Examples:" in result.stderr


def test_an_error_of_ours_is_one_line_on_stderr_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def command() -> None:
        raise DltkError("No notebook 'umap2' in notebooks. Did you mean 'umap'?")

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: command)
    monkeypatch.setattr(sys, "argv", ["dltk", "check"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == Exit.FAILED
    assert capsys.readouterr() == ("", "dltk: No notebook 'umap2' in notebooks. Did you mean 'umap'?\n")


def test_a_file_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dltk", "splunk", "acceptance", "/proc/nowhere"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == Exit.FAILED
    assert capsys.readouterr() == (
        "",
        "dltk: /proc/nowhere: No such file or directory. Check the path and its permissions.\n",
    )


@pytest.mark.process
def test_version_names_the_runtime_python_and_the_libraries() -> None:
    lines = run("version").stdout.splitlines()
    assert lines[0] == f"dltk-runtime {__version__}"
    assert lines[1].startswith("python 3.")
    assert any(line.startswith("pandas 3.") for line in lines)


@pytest.mark.process
def test_version_leaves_out_what_is_not_installed() -> None:
    assert list(installed(("click", "no-such-distribution"))) == ["click"]


NEED_NOTEBOOKS = {
    "algos": (),
    "batch": ("mean", "--data", "x.csv"),
    "check": (),
    "lab": (),
    "models list": (),
    "search": ("| makeresults",),
    "serve": (),
}


@pytest.mark.parametrize("command", NEED_NOTEBOOKS)
def test_a_misspelt_folder_of_notebooks_is_refused_and_not_made(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "notebokos"
    arguments = [*command.split(), *NEED_NOTEBOOKS[command], "--notebooks", str(missing)]
    result = CliRunner().invoke(cli.dltk, arguments)
    assert result.exit_code == Exit.USAGE
    assert "does not exist" in result.output
    assert not missing.exists()


@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
@pytest.mark.parametrize(
    ("command", "option"),
    [("tokens new a --right fit", "--gpu-seconds"), ("migrate check .", "--timeout"), ("batch x", "--deadline")],
)
def test_no_bound_and_no_deadline_is_nan(command: str, option: str, value: str) -> None:
    result = CliRunner().invoke(cli.dltk, [*command.split(), option, value])
    assert result.exit_code == Exit.USAGE
    assert f"Invalid value for '{option}'" in result.output
