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

pytestmark = [
    pytest.mark.filterwarnings("ignore:Columns .* have mixed types"),
    pytest.mark.usefixtures("way"),
]

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


@pytest.mark.parametrize(
    "head", ["c0,c1\r1,2", "c0,c1\r", "\ufeff", "\ufeff\n", "\ufeffc0,c1", "c0,c\0", "\r", "\n", " \t", "é,\ufeff"]
)
@pytest.mark.parametrize("numeric", [False, True], ids=["", "above numbers"])
def test_the_first_line_of_a_file_means_what_it_means_to_pandas(head: str, numeric: bool) -> None:
    rows = table("7").split(b"\n", 1)[1]
    assert_same(head.encode() + b"\n" + (b"" if numeric else b"c0,c1\n") + rows)


@pytest.mark.parametrize("cell", ["\ufeff7", "7\ufeff", "7\r7,7", "\r7", "7\0", "\x1a", "\u0667", "\xa07"])
def test_bytes_that_pandas_reads_otherwise_at_the_beginning_of_a_file(cell: str) -> None:
    """Each cell is first, last and only one of its row, at each border of the pieces too."""
    for number in (0, 127, 128, 129, ROWS - 1):
        lines = table("7", change={number: cell}).decode().split("\n")
        assert_same("\n".join(lines).encode(), by=1500)
        first = ",".join(reversed(lines[number + 1].split(",", 1)))
        assert_same("\n".join([*lines[: number + 1], first, *lines[number + 2 :]]).encode(), by=1500)


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("cell", ["-0", "-00", "-0.0", "+0", "-9007199254740993", "-9223372036854775808"])
def test_the_last_cell_of_a_file_is_read_as_every_other_one(cell: str, end: str) -> None:
    for other in ({}, {5: "0.5"}, {5: ""}, {ROWS - 2: ""}, {ROWS - 2: "0.5"}):
        assert_same(table("7", change={**other, ROWS - 1: cell}, end=end))


@pytest.mark.parametrize("whole", ["-0", "-00", "9007199254740993", "-9223372036854775808", "9223372036854775808"])
@pytest.mark.parametrize("decimal", ["0.5", "1e3", "inf"])
def test_whole_numbers_with_gaps_in_one_piece_are_floats_where_another_piece_has_decimals(
    whole: str, decimal: str
) -> None:
    for gap, number, other in ((2000, 2001, 10), (10, 11, 2000), (2000, 2001, 2002), (ROWS - 2, ROWS - 1, 0)):
        assert_same(table("7", change={gap: "", number: whole, other: decimal}))
    assert_same(table("7", change={2000: "", 2001: whole}))
    assert_same(table("7", change={2000: "", 2001: "1e3", 10: whole}))
    assert_same(table("7", change={2000: "", 2001: "1.0", 10: whole, 11: ""}))


def test_whole_numbers_with_gaps_are_read_while_they_arrive_where_they_are_exact() -> None:
    for change in (
        {7: "", 2001: "0.5"},
        {7: "0.5", 2001: ""},
        {7: "", 2001: "-12"},
        {7: "-0.25", 2001: "", 2002: "1.0"},
    ):
        assert assert_same(table("7", change=change))


BORDERS = [
    "-0",
    "-00",
    "0",
    "",
    "",
    "NA",
    "0.5",
    "1.0",
    "1e3",
    "inf",
    "9007199254740993",
    "-9223372036854775808",
    "7",
    "-0.0",
]
WIDTH = 2049  # columns; pandas then begins a chunk every 256 rows


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(5))
def test_rules_for_whole_columns_hold_at_every_border(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over chunks of pandas that hold several pieces, whichever of them has the cells that decide on a type."""
    monkeypatch.setattr(csv_pieces, "PIECE_BYTES", 300_000)
    assert csv_pieces._rows_of_chunk(WIDTH) == 256
    chance = random.Random(seed)
    lines = ["7," * (WIDTH - 1) + "7"] * 600
    for number in chance.sample(range(600), 3) + chance.sample([0, 63, 64, 127, 128, 255, 256, 511, 512, 599], 3):
        lines[number] = ",".join(chance.choices(BORDERS, k=10) + ["7"] * (WIDTH - 10))
    head = ",".join(f"c{number}" for number in range(WIDTH))
    csv = "\n".join([head, *lines, ""]).encode()
    try:
        pieces = Pieces(lambda begin, end: csv[begin:end], csv[:40_000], len(csv))
        for size in range(40_000, len(csv), 500_000):
            while pieces.read(size):
                pass
        found = pieces.frame(len(csv))
    except UNREADABLE:
        return
    whole = pd.read_csv(io.BytesIO(csv))
    assert_frame_equal(found, whole, check_exact=True)
    numbers, others = found.to_numpy(float), whole.to_numpy(float)
    assert np.array_equal(np.signbit(numbers), np.signbit(others))


cells = st.sampled_from(CHANGES + BORDERS) | st.text("-+0179.eE \t\r\0\ufeffTrueNAinf", max_size=6)


@given(
    st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=2),
    st.lists(st.tuples(st.sampled_from([0, 1, 90, 400, 401, 402, 403, 797, 798, 799]), cells), max_size=5),
    st.sampled_from(["", "\n", "\r\n", "\n\n", "\r"]),
    st.integers(100, 9000),
)
def test_cells_at_borders_are_read_as_pandas_reads_them(
    columns: list[str], change: list[tuple[int, str]], end: str, by: int
) -> None:
    assert_same(table(*columns, rows=800, change=dict(change), end=end), by)


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
