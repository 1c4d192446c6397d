"""Whatever way a CSV file is read, its frame is the one of pandas.read_csv."""

from __future__ import annotations

import io
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from dltk_runtime.tables import csv_pieces, csv_reader
from dltk_runtime.tables.native import library
from dltk_runtime.tables.native.library import MAX_COLUMNS

pytestmark = [
    pytest.mark.filterwarnings("ignore:Columns .* have mixed types"),
    pytest.mark.usefixtures("way"),
]

NUMBERS = [
    "0",
    "-0",
    "7",
    "007",
    "-12",
    "1.5",
    "-0.0",
    "0.1",
    "123456789012345",
    "1234567890123456",
    "12345678.1234567",
]
NUMBERS += ["1706659200.1234", "99999999999.9999", "0.30000000000000004", "1e3", "", "NA", "9007199254740993", "True"]
NUMBERS += ["-0", "-0.0", "007", "007.5"]
ODD = ["1,2,x", "1,2,", ",,", "1,2", "1,2,3,4", "", '1,2,"3"', '1,2,"\n"', "1,2,-0", "1,2.5,3", "1,2,3\r1,2,3"]
ODD += ["1,9223372036854775808,3", "1,2,True", "1,2,0x1f", "1,2,99999999999999999999"]
numbers = st.sampled_from(NUMBERS) | st.integers(-(10**16), 10**16).map(str) | st.floats(-1e9, 1e9).map(repr)
decimals = st.decimals(-(10**8), 10**8, places=6, allow_nan=False).map(lambda number: format(number, "f"))


def assert_read_as_pandas_does(csv: bytes) -> None:
    try:
        expected = pd.read_csv(io.BytesIO(csv))
    except ValueError as error:
        with pytest.raises(type(error)):
            csv_reader.read(csv)
        return
    found = csv_reader.read(csv)
    assert_frame_equal(found, expected, check_exact=True, check_column_type=True)
    for (_, one), (_, other) in zip(found.items(), expected.items(), strict=True):
        assert one.dtype != float or np.array_equal(np.signbit(one), np.signbit(other))  # -0.0 equals 0.0


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1)))
def test_small_files_of_numbers_are_read_as_pandas_reads_them(rows: list[list[str]]) -> None:
    names = ",".join("abcd"[: len(rows[0])])
    assert_read_as_pandas_does("\n".join([names, *map(",".join, rows)]).encode() + b"\n")


@given(st.lists(decimals, min_size=1))
def test_the_float_of_a_small_file_is_the_very_float_of_pandas(cells: list[str]) -> None:
    assert_read_as_pandas_does("\n".join(["x", *cells]).encode())


@pytest.mark.parametrize(
    "csv", ["a\n", "a,a\n1,2\n", "a,b\n1\n", "a,b\n1,2,3\n", "a b\n1\n", "a\n\n1\n", "a\r\n1\r\n", "a,b\n1,2\n3\n"]
)
def test_small_files_of_another_shape_are_left_to_pandas(csv: str) -> None:
    assert_read_as_pandas_does(csv.encode())


@pytest.mark.parametrize("line", ODD)
@pytest.mark.parametrize("number", [0, 1999])
def test_one_odd_line_in_a_file_of_some_thousand_is_read_as_pandas_reads_it(line: str, number: int) -> None:
    assert_read_as_pandas_does(large(change={number: line}, count=2000))


@pytest.mark.parametrize("last", ["True", "1.5", "-0", "9007199254740993", "", "a"])
def test_a_file_of_some_thousand_rows_is_the_same(last: str) -> None:
    assert_read_as_pandas_does(large(last=last, count=2000))


@pytest.mark.parametrize("head", ["a,b", "a,b,c,d", "a,a,a", '"a",b,c', "1,2,3", "", "\r", "a" * 9000 + ",b,c"])
def test_the_head_of_a_file_of_some_thousand_rows_means_what_it_means_to_pandas(head: str) -> None:
    assert_read_as_pandas_does(large(head=head, count=2000))


def test_a_file_of_some_hundred_rows_is_read_in_one_pass(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if library.reader() is None:
        pytest.skip("nothing is compiled here")
    csv = large(count=1000)
    expected = pd.read_csv(io.BytesIO(csv))
    monkeypatch.setattr(pd, "read_csv", lambda *_, **__: pytest.fail("pandas read it"))
    found = csv_reader.read(csv)
    assert_frame_equal(found, expected, check_exact=True)


def test_a_table_of_floats_lies_in_memory_as_that_of_pandas() -> None:
    """Products of matrices depend on it in the last bit."""
    if library.reader() is None:
        pytest.skip("nothing is compiled here")
    found = csv_reader.read(b"a,b\n" + b"1.5,2.5\n" * 400)
    assert found.to_numpy().flags.f_contiguous
    assert pd.read_csv(io.BytesIO(b"a,b\n" + b"1.5,2.5\n" * 400)).to_numpy().flags.f_contiguous


def test_a_file_that_may_be_read_in_one_pass_has_fewer_cells_than_pandas_infers_types_from() -> None:
    least = min(csv_pieces._rows_of_chunk(width) * width for width in range(1, MAX_COLUMNS + 1))
    assert least > csv_reader.MAX_WHOLE_BYTES // 2  # a cell has two bytes at least


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few MB are read in pieces by threads, too."""
    for module in (csv_reader, csv_pieces):
        monkeypatch.setattr(module, "MIN_THREADED_BYTES", 1024**2)


@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")
def test_names_have_the_type_that_pandas_is_set_to() -> None:
    for strings in (True, False, True):
        with pd.option_context("future.infer_string", strings):
            assert_read_as_pandas_does(b"one,two\n1.5,2.5\n")


def lines(count: int, *cells: str) -> list[str]:
    """Lines with numbers by chance, then `cells`."""
    chance = random.Random(7)
    return [",".join([f"{chance.uniform(-9, 9):.6f}", f"{chance.randrange(10**9)}", *cells]) for _ in range(count)]


def large(*, change: dict[int, str] | None = None, count: int = 300_000, head: str = "a,b,c", last: str = "7") -> bytes:
    """A file of several chunks, with some lines changed."""
    rows = lines(count, last)
    for number, line in (change or {}).items():
        rows[number] = line
    return "\n".join([head, *rows, ""]).encode()


@pytest.mark.usefixtures("pieces")
@pytest.mark.heavy
def test_a_large_file_of_numbers_is_read_in_pieces() -> None:
    csv = large()
    assert csv_reader._large(memoryview(csv)) is not None
    assert_read_as_pandas_does(csv)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("last", ["True", "1.5", "1e-7", "9007199254740993", ""])
def test_a_large_file_of_other_plain_columns_is_the_same(last: str) -> None:
    assert_read_as_pandas_does(large(last=last, count=120_000))


@pytest.mark.heavy
@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("line", ODD)
@pytest.mark.parametrize("number", [16_383, 65_536, 262_144, 299_999])
def test_one_odd_line_in_a_large_file_is_read_as_pandas_reads_it(line: str, number: int) -> None:
    assert_read_as_pandas_does(large(change={number: line}))


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("head", ["a,b", "a,b,c,d", "a,a,a", '"a",b,c', '"a\nb",b,c', "1,2,3", "", " ", "\r"])
def test_the_head_of_a_large_file_means_what_it_means_to_pandas(head: str) -> None:
    assert_read_as_pandas_does(large(head=head, count=100_000))


def test_pieces_begin_where_pandas_begins_a_new_chunk() -> None:
    for width in (1, 3, 10, 33):
        rows, rest = csv_pieces._rows_of_chunk(width), ",1" * (width - 1)
        csv = "\n".join([",".join(f"c{number}" for number in range(width)), *["1" + rest] * rows, "x" + rest, ""])
        first = pd.read_csv(io.StringIO(csv))["c0"]
        assert first.iloc[rows - 1] == 1
        assert first.iloc[rows] == "x"
        moved = pd.read_csv(io.StringIO(csv.replace("\n1" + rest, "", 1)))["c0"]
        assert moved.iloc[rows - 2] == "1"
