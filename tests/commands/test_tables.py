"""The tables of commands in terminals of any width."""

from __future__ import annotations

import re
import sys

import pytest
import rich.box
from rich.cells import cell_len

from dltk_runtime.commands import _terminal
from dltk_runtime.commands._models import filled


@pytest.mark.parametrize(("width", "whole"), [(80, False), (120, True)])
def test_a_terminal_that_is_too_narrow_for_a_table_has_lines_for_each_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, whole: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table = _terminal.make_table("job", "algorithm", "started", "version", "reason", unbroken=("job", "started"))
    reason = "a reason " * 20
    _terminal.add_row(table, "20261130T112045.723091Z-11ba239b", "umap", "2026-11-30 11:20:46", "", reason)
    _terminal.add_row(table, "20261130T112031.030671Z-f84cf1e2", "\x1b[2Jlong", "2026-11-30 11:20:31", "2", "")
    _terminal.show_table(table)
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()  # without styles
    assert lines[0].startswith("job  " if whole else "job        20261130T112045.723091Z-11ba239b")
    assert ("reason     " + reason.strip() in map(str.strip, lines)) is not whole
    if not whole:
        assert lines[-5:] == [
            "",
            "job        20261130T112031.030671Z-f84cf1e2",
            "algorithm  \ufffd[2Jlong",
            "started    2026-11-30 11:20:31",
            "version    2",
        ]


def test_an_id_of_a_job_is_never_broken_over_two_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    job = "20261130T112045.723091Z-11ba239b"
    columns = ("version", "fitted (UTC)", "rows", "bytes", "metrics", "job")
    _terminal.show_table(filled(columns, [("1 current", "2026-11-30 11:20:46", "100", "4,688", "train r2=1", job)]))
    assert job in capsys.readouterr().out


@pytest.mark.parametrize("width", range(50, 130, 9))
@pytest.mark.parametrize("box", [None, rich.box.SQUARE])
def test_no_number_of_a_table_is_cut_and_no_table_is_wider_than_its_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, box: rich.box.Box | None
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table = _terminal.make_table("model", "rows", "metrics", "reason", unbroken=["rows"])
    table.box = box
    metrics = "train accuracy=0.9437 rmse=0.8702\nlater average_precision=0.1234 (1,234,567 rows, 2026-11-30 11:54 UTC)"
    _terminal.add_row(
        table, "説明/a_long_name_of_a_model_of_many_letters", "12,345,678", metrics, "out of memory: 17179869184"
    )
    _terminal.show_table(table)
    found = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    numbers = re.findall(r"[\w=]*\d[\d.,:-]*", f"12,345,678 {metrics} 17179869184")
    assert len(numbers) == 8
    assert [each for each in numbers if each not in found] == []
    if not found.startswith("model    "):  # a table, and no lines for each row
        assert max(map(cell_len, found.splitlines())) <= width
