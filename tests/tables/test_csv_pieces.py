"""A file that is read while it arrives gives the frame of pandas.read_csv, or is left to be read whole."""

from __future__ import annotations

import io
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from dltk_runtime.tables import csv_pieces
from dltk_runtime.tables.csv_pieces import UNREADABLE, Pieces

pytestmark = pytest.mark.filterwarnings("ignore:Columns .* have mixed types")

ROWS = 3000
COLUMNS = ("1.5", "7", "0", "-0.25", "True", "123456789012", "1e-7")
CHANGES = [
    "-0",
    "0",
    "0.5",
    "9007199254740993",
    "",
    "NA",
    "text",
    "False",
    '"7"',
    "9223372036854775808",
    "1,2",
    " 3",
    "-00 ",
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_pieces, "PROBE_BYTES", 64)
    monkeypatch.setattr(csv_pieces, "PIECE_BYTES", 2048)


def read_while_it_arrives(csv: bytes, by: int, expected: int | None = None) -> pd.DataFrame | None:
    """The frame; None when the file can only be read whole."""
    try:
        pieces = Pieces(lambda begin, end: csv[begin:end], csv[:512], len(csv) if expected is None else expected)
        for size in range(512, len(csv), by):
            while pieces.read(size):
                pass
        return pieces.frame(len(csv))
    except UNREADABLE:
        return None


def assert_same(csv: bytes, by: int = 1000, expected: int | None = None) -> bool:
    """Whether the file was read while it arrived; if so, as pandas reads it."""
    found = read_while_it_arrives(csv, by, expected)
    if found is None:
        return False
    whole = pd.read_csv(io.BytesIO(csv))
    assert_frame_equal(found, whole, check_exact=True, check_column_type=True)
    for (_, one), (_, other) in zip(found.items(), whole.items(), strict=True):
        assert one.dtype != float or np.array_equal(np.signbit(one), np.signbit(other))  # -0.0 equals 0.0
    return True


def table(*columns: str, rows: int = ROWS, change: dict[int, str] | None = None, end: str = "\n") -> bytes:
    """Rows of numbers by chance, the given cells, and in some rows another last cell."""
    chance = random.Random(3)
    lines = [",".join([f"{chance.uniform(-9, 9):.6f}", *columns]) for _ in range(rows)]
    for number, cell in (change or {}).items():
        lines[number] = ",".join([*lines[number].split(",")[:-1], cell])
    return "\n".join([",".join(f"c{number}" for number in range(len(columns) + 1)), *lines]).encode() + end.encode()


@pytest.mark.parametrize("by", [1, 700, 5000, 10**6])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_file_of_numbers_is_read_however_it_comes_in(by: int, end: str) -> None:
    assert assert_same(table(*COLUMNS, end=end, rows=300 if by == 1 else ROWS), by)


@pytest.mark.parametrize("expected", [0, 600, 10**7])
def test_what_is_expected_of_the_size_may_be_wrong(expected: int) -> None:
    assert assert_same(table(*COLUMNS), expected=expected)


def test_a_column_of_integers_goes_on_with_a_float_or_a_missing_value() -> None:
    for cell in ("0.5", "", "NA", "1e3"):
        for number in (0, 1, 1500, ROWS - 1):
            assert assert_same(table("7", change={number: cell})), (cell, number)


@pytest.mark.parametrize("cells", [("-0", "0.5"), ("0.5", "-0"), ("-00", ""), ("9007199254740993", "0.5")])
def test_an_integer_that_would_be_another_float_is_left_to_pandas(cells: tuple[str, str]) -> None:
    assert not assert_same(table("7", change={100: cells[0], 2500: cells[1]}))


@pytest.mark.parametrize("cell", ["text", '"7"', "9223372036854775808", "1,2", "True", "7\n"])
def test_a_cell_that_is_no_number_is_left_to_pandas(cell: str) -> None:
    for number in (2, 1500, ROWS - 1):
        assert not assert_same(table("7", change={number: cell}))


@given(
    st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 799), st.sampled_from(CHANGES), max_size=3),
    st.integers(100, 9000),
)
def test_whatever_is_read_while_it_arrives_is_what_pandas_reads(
    columns: list[str], change: dict[int, str], by: int
) -> None:
    assert_same(table(*columns, rows=800, change=change), by)


@pytest.mark.heavy
def test_types_change_where_pandas_begins_a_new_chunk() -> None:
    """A chunk with text among numbers keeps the others' numbers as pandas does: by being left to it."""
    rows = csv_pieces._rows_of_chunk(2)
    for number in (rows - 1, rows, rows + 1):
        assert assert_same(table("7", rows=rows + 5000, change={number: "0.5"}), by=10**6)
        assert not assert_same(table("7", rows=rows + 5000, change={number: "x"}), by=10**6)
