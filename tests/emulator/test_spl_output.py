"""A result as table, CSV and JSON."""

from __future__ import annotations

import io
import json

import pandas as pd
from rich.console import Console

from dltk_runtime.emulator.spl import output

FRAME = pd.DataFrame({"a": [1, None, float("inf")], "t": ['x,"y"', None, "é"], "flag": [True, False, True]})


def shown(frame: pd.DataFrame, rows: int = 20, width: int = 60) -> str:
    text = io.StringIO()
    output.print_table(frame, Console(file=text, width=width), rows)
    return text.getvalue()


def test_csv_is_what_pandas_writes_and_nothing_for_nothing() -> None:
    assert output.as_csv(FRAME).startswith("a,t,flag\n1.0,")
    assert output.as_csv(pd.DataFrame()) == ""


def test_json_has_null_for_missing_values_and_is_strict_json() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(output.as_json(FRAME), parse_constant=refuse) == [
        {"a": 1.0, "t": 'x,"y"', "flag": "True"},
        {"a": None, "t": None, "flag": "False"},
        {"a": "inf", "t": "é", "flag": "True"},
    ]
    assert json.loads(output.as_json(pd.DataFrame())) == []


def test_a_table_says_how_many_rows_it_leaves_out() -> None:
    text = shown(pd.DataFrame({"n": range(1000, 1100)}), rows=3)
    assert "1002" in text
    assert "1003" not in text
    assert "100 rows; 97 of them not shown (--rows)" in text


def test_a_table_says_which_columns_do_not_fit() -> None:
    text = shown(pd.DataFrame({f"column_{number}": [number] for number in range(30)}), width=80)
    assert "column_0" in text
    assert "more columns: column_7, column_8," in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_short_column_keeps_its_width_beside_long_ones() -> None:
    text = shown(pd.DataFrame({"name": ["iris"], "options": ["x" * 300], "owner": ["admin"]}), width=40)
    assert "iris" in text
    assert "admin" in text
    assert "xxxxxxxxxx…" in text
    assert max(map(len, text.splitlines())) <= 40


def test_a_long_or_multivalued_cell_stays_on_one_line_and_markup_is_text() -> None:
    text = shown(pd.DataFrame({"t": ["x" * 500, "one\ntwo", "[bold]b[/bold]\x1b[31m"]}))
    assert "one⏎two" in text
    assert "[bold]b[/bold]�[31m" in text
    assert max(map(len, text.splitlines())) <= 60


def test_a_number_is_never_cut_and_has_four_significant_digits() -> None:
    frame = pd.DataFrame({f"probability_{name}": [4.1393730254e-05, 0.98765432] for name in "abcdefgh"})
    text = shown(frame.assign(time=1767571200.25), width=80)
    assert "4.139e-05" in text
    assert "0.9877" in text
    assert "4.1393" not in text
    wide = shown(pd.DataFrame({"id": [1234567890123456789], "t": ["x" * 90], "n": [1767571200.25]}), width=60)
    assert "1234567890123456789" in wide
    assert "1767571200" in wide
    assert max(map(len, wide.splitlines())) <= 60


def test_no_rows_and_no_columns_are_said() -> None:
    assert "0 rows" in shown(pd.DataFrame())
    assert "1 row" in shown(pd.DataFrame({"a": [1]}))
