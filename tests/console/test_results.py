"""The results of a try as a table and plots: bounded, and said where something is left out."""

from __future__ import annotations

import csv
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from dltk_runtime.server.console import plots
from dltk_runtime.server.console.results import MAX_BYTES, MAX_PLOTS, MAX_ROWS, MAX_SHOWN_ROWS, ResultTable, table_of
from tests.console.hostile import HOSTILE


def table(text: str) -> ResultTable:
    return table_of(memoryview(text.encode()))


def texts(picture: Markup) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(str(picture)).iter() if each.tag == "text"]


def test_a_small_result_is_whole() -> None:
    found = table('a,b\n1,"x, ""y"""\n2,\n')
    assert (found.columns, found.rows, found.read, found.whole) == (["a", "b"], [["1", 'x, "y"'], ["2", ""]], 2, True)
    assert [name for name, _ in found.plots] == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "read", "whole"), [(0, 0, True), (MAX_ROWS, MAX_ROWS, True), (MAX_ROWS + 1, MAX_ROWS, False)]
)
def test_of_many_rows_the_first_are_shown(rows: int, read: int, whole: bool) -> None:
    found = table("a\n" + "1\n" * rows)
    assert (found.read, found.whole, len(found.rows)) == (read, whole, min(rows, MAX_SHOWN_ROWS))


def test_a_row_that_the_bound_cuts_is_left_out() -> None:
    found = table("a,b\n" + f"1,{'x' * 2000}\n" * (MAX_BYTES // 1000))
    assert not found.whole
    assert {row[0] for row in found.rows} == {"1"}
    assert 0 < found.read < MAX_BYTES // 2000


def test_a_cell_that_is_too_long_ends_the_table() -> None:
    before = csv.field_size_limit(128 * 1024)  # the module's own; it holds for the process, and other tests raise it
    try:
        found = table(f"a\n1\n{'x' * 200_000}\n2\n")
    finally:
        csv.field_size_limit(before)
    assert (found.rows, found.whole) == ([["1"]], False)


def test_what_is_empty_has_no_columns() -> None:
    assert table("").columns == []


def test_columns_beyond_those_that_fit_are_counted() -> None:
    found = table(",".join(f"c{number}" for number in range(60)) + "\n" + ",".join("1" * 60) + "\n")
    assert (len(found.columns), len(found.rows[0]), found.left_out, len(found.plots)) == (40, 40, 20, MAX_PLOTS)


def test_numbers_are_plotted_with_their_scale_and_gaps() -> None:
    ((_, picture),) = table('a\n1\n2\n""\n3\nnan\n5\n').plots
    assert texts(picture) == ["5", "1", "row 1", "row 6"]
    assert str(picture).count("<polyline") == 3
    assert 'aria-label="a over 6 rows, from 1 to 5"' in picture


@pytest.mark.parametrize("values", [[7.0], [7.0, 7.0], [-1e308, 1e308], [1e-320, 0.0]])
def test_every_scale_can_be_drawn(values: list[float]) -> None:
    picture = plots.series(values, "a")
    assert "nan" not in picture
    assert "inf" not in picture


def test_few_different_texts_are_counted_and_many_are_not_drawn() -> None:
    ((_, picture),) = table("a\nx\ny\nx\n").plots
    assert texts(picture) == ["x", "2", "y", "1"]
    assert table("a\n" + "".join(f"t{number}\n" for number in range(13))).plots == []


def test_text_in_a_picture_stays_text() -> None:
    for text in HOSTILE:
        picture = plots.counts([(text, 1)], text)
        assert {each.tag for each in ElementTree.fromstring(str(picture)).iter()} == {"svg", "text", "rect"}, text
