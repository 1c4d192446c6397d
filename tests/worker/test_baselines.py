"""Baselines of columns that no search sends, as notebooks and parquet files have them."""

from __future__ import annotations

import msgspec
import pandas as pd
import pytest

from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.settings import Settings
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.baselines import BinTally, features_of
from dltk_runtime.worker.fit import ModelFit

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


TEXTS = ["alice", "bob", "alice", None, "Zoë"]


def test_without_values_categories_are_hashes_with_a_salt_of_their_own() -> None:
    frame = pd.DataFrame({"user": TEXTS, "again": TEXTS, "n": [1, 2, 3, 4, 5]})
    plain, hidden = features_of(frame), features_of(frame, keep_values=False)
    assert "alice" not in str(hidden)
    assert hidden[2] == plain[2], "numbers are as they were"
    first, second = (feature.baseline for feature in hidden[:2])
    assert first is not None
    assert second is not None
    assert not set(first.categories) & set(second.categories)
    assert len(first.categories) == 3
    assert first.counts == getattr(plain[0].baseline, "counts", None)


def test_rows_are_counted_in_hashed_categories_as_in_plain_ones() -> None:
    frame, applied = pd.DataFrame({"user": TEXTS}), pd.DataFrame({"user": ["bob", "carol", "alice", "bob", None]})
    found = []
    for keep_values in (True, False):
        features = features_of(frame, keep_values=keep_values)
        assert msgspec.json.decode(msgspec.json.encode(features), type=tuple[Feature, ...]) == features
        tally = BinTally(features)
        tally.add(applied)
        found.append(tally.take())
    assert found[0] == found[1] == (5, {"user": [1, 2, 0, 1, 1]})


def test_the_setting_reaches_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = worker_environment(Settings(keep_values=False), 1)
    monkeypatch.setenv("DLTK_KEEP_VALUES", environ["DLTK_KEEP_VALUES"])
    fit = ModelFit(pd.DataFrame({"user": ["alice", "alice"]}), {"options": {}}, lambda *_: None, 0.0)
    assert "alice" not in str(fit.fitted.features)
    assert Settings.from_env({"DLTK_KEEP_VALUES": "false"}).keep_values is False
