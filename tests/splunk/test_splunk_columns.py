"""Rows of text become typed columns: numbers where all values are written as numbers, else the text as it came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dltk_runtime.splunk.columns import Columns, frame_of


def column(*values: Any, name: str = "x") -> pd.Series:
    """The column that these values, each in a row of its own, become."""
    return frame_of([{} if value is None else {name: value} for value in values])[name]


def test_whole_numbers_are_integers_and_others_floats() -> None:
    assert column("1", "-2", "30").dtype == np.int64
    assert column("1", "2.5", "1.5e-07").tolist() == [1.0, 2.5, 1.5e-07]


@pytest.mark.parametrize("text", ["007", "+5", "12e34", "0x1f", "1_000", "1,000", "٣", "1.", ".5", "True", "1" * 25])
def test_what_is_no_number_as_splunk_writes_it_stays_text(text: str) -> None:
    assert column("1", text).tolist() == ["1", text]


def test_missing_values_are_missing_whatever_the_columns_kind() -> None:
    assert column("1", None, "3").tolist()[::2] == [1.0, 3.0]
    assert column("1", None, "").isna().tolist() == [False, True, True]
    assert column("a", None, "").isna().tolist() == [False, True, True]
    assert frame_of([{"x": None}, {"y": "1"}])["x"].isna().all()


def test_integers_that_a_float_would_change_stay_text_where_values_are_missing() -> None:
    assert column("9007199254740993", "1").tolist() == [9007199254740993, 1]
    assert column("9007199254740993", None)[0] == "9007199254740993"


def test_large_integers_stay_as_they_are_beside_a_float_too() -> None:
    assert column("9007199254740993", "2.5").tolist() == ["9007199254740993", "2.5"]
    assert column("9007199254740992", "2.5").tolist() == [9007199254740992.0, 2.5]
    assert column("12345678901234567.5", "2").dtype == np.float64


@pytest.mark.parametrize("bad", ["1e300", "-1e30", "99999999999999999999", "inf", "2026-99-01T00:00:00.000+00:00"])
def test_a_time_that_no_timestamp_can_hold_makes_the_column_text(bad: str) -> None:
    assert column("1700000000", bad, name="_time").tolist() == ["1700000000", bad]


def test_times_are_timestamps_in_utc_whatever_their_offset_or_form() -> None:
    times = column("2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678+00:00", name="_time")
    assert str(times.dtype) == "datetime64[us, UTC]"
    assert times[0] == times[1] == pd.Timestamp("2026-01-02T01:04:05.678Z")
    assert column("1700000000.5", None, name="_time")[0] == pd.Timestamp("2023-11-14T22:13:20.5Z")
    for word in ("yesterday", "today", "now"):
        assert column(word, name="_time").tolist() == [word]


def test_a_field_with_several_values_has_one_a_line() -> None:
    assert column(["1", "2"], "3").tolist() == ["1\n2", "3"]


def test_named_columns_stay_text() -> None:
    assert frame_of([{"x": "1", "y": "1"}], text=["x"]).dtypes["y"] == np.int64
    assert frame_of([{"x": "1"}], text=["x"])["x"].tolist() == ["1"]


def test_a_field_that_comes_late_is_missing_before() -> None:
    columns = Columns()
    columns.add([{"a": "1"}])
    columns.add([{"a": "2", "b": "x"}])
    frame = columns.frame()
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].isna().tolist() == [True, False]


def test_no_rows_are_an_empty_frame() -> None:
    assert frame_of([]).shape == (0, 0)


LARGE = ["9007199254740993", "-9007199254740993", "9223372036854775808", "1" * 25, "1e300"]
TEXTS = ["", "1", "-7", "2.5", "007", "a", "nan", "2026-01-01T00:00:00.000+00:00", "0.50", *LARGE]
VALUES = st.none() | st.sampled_from(TEXTS)


@given(values=st.lists(VALUES, min_size=1, max_size=12), cut=st.integers(0, 12), name=st.sampled_from(["x", "_time"]))
@example(values=["9007199254740993", "2.5"], cut=1, name="x")
@example(values=["1", "1e300"], cut=1, name="_time")
@example(values=["1", "2026-01-01T00:00:00.000+00:00"], cut=1, name="_time")
@example(values=["-7", "2026-01-01T00:00:00.000+00:00"], cut=1, name="_time")
@example(values=["2026", "2026-01-01T00:00:00.000+00:00"], cut=1, name="_time")
def test_chunks_make_no_difference_and_no_text_is_lost(values: list[str | None], cut: int, name: str) -> None:
    rows = [{name: value, "n": "1"} for value in values]
    whole, parts = frame_of(rows), Columns()
    parts.add(rows[:cut])
    parts.add(rows[cut:])
    pd.testing.assert_frame_equal(parts.frame(), whole)
    if whole[name].dtype.kind not in "ifM":
        assert [value if isinstance(value, str) else None for value in whole[name]] == [
            value or None for value in values
        ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_numbers_as_printf_writes_them_come_back(numbers: list[float]) -> None:
    assert column(*(f"{number:.17g}" for number in numbers)).astype(float).tolist() == numbers
