"""Baselines of columns that no search sends, as notebooks and parquet files have them."""

from __future__ import annotations

import pandas as pd
import pytest

from dltk_runtime.worker.baselines import features_of

TIMES = pd.to_datetime(["2026-01-01", "2026-01-02"])


@pytest.mark.parametrize(
    "column",
    [TIMES, TIMES.tz_localize("UTC"), TIMES - TIMES[0], [1j, 2j]],
    ids=["times", "times with a zone", "durations", "complex numbers"],
)
def test_a_column_that_no_csv_can_hold_has_no_baseline(column: object) -> None:
    (feature,) = features_of(pd.DataFrame({"x": column}))
    assert feature.baseline is None


def test_columns_of_one_name_have_a_baseline_each() -> None:
    frame = pd.DataFrame([[1, "a"], [2, "a"]], columns=["x", "x"])
    first, second = features_of(frame)
    assert (first.name, first.kind, second.name, second.kind) == ("x", "number", "x", "text")
    assert first.baseline is not None
    assert second.baseline is not None
    assert second.baseline.categories == ["a"]


def test_cells_that_are_lists_count_by_their_text() -> None:
    (feature,) = features_of(pd.DataFrame({"x": [[1], [1], [2]]}))
    assert feature.baseline is not None
    assert feature.baseline.categories == ["[1]", "[2]"]
