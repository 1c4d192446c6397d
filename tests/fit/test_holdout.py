"""Hold-outs follow from the features alone, and scores are those that people know."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltk_runtime.worker.holdout import held_out, scores


@pytest.fixture
def frame() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame({"a": chance.normal(size=5000), "b": chance.integers(0, 9, 5000), "y": 0})


def test_about_the_share_of_rows_is_held_out(frame: pd.DataFrame) -> None:
    assert 0.18 < held_out(frame, ["a", "b"], 0.2).mean() < 0.22
    assert held_out(frame, ["a", "b"], 0.0).sum() == 0


def test_a_row_is_on_the_same_side_in_any_order_and_company(frame: pd.DataFrame) -> None:
    mask = held_out(frame, ["a", "b"], 0.2)
    shuffled = frame.sample(frac=0.5, random_state=1)
    assert (held_out(shuffled, ["a", "b"], 0.2) == mask[shuffled.index]).all()


def test_a_corrected_label_moves_no_row(frame: pd.DataFrame) -> None:
    assert (held_out(frame.assign(y=1), ["a", "b"], 0.2) == held_out(frame, ["a", "b"], 0.2)).all()


def test_integers_and_floats_of_one_value_are_one_row(frame: pd.DataFrame) -> None:
    floats = frame.assign(b=frame["b"].astype(float))
    assert (held_out(floats, ["a", "b"], 0.2) == held_out(frame, ["a", "b"], 0.2)).all()


def test_text_can_be_split_too() -> None:
    frame = pd.DataFrame({"name": [f"host{number}" for number in range(2000)]}, dtype=object)
    assert 0.15 < held_out(frame, ["name"], 0.2).mean() < 0.25


def test_scores_of_two_classes_are_those_of_the_higher_one() -> None:
    found = scores(pd.Series([1, 1, 0, 0]), pd.Series([1, 0, 0, 0]))
    assert found["accuracy"] == 0.75
    assert (found["precision"], found["recall"]) == (0.5, 1.0)
    assert found["f1"] == pytest.approx(2 / 3)


def test_probabilities_are_decided_at_one_half() -> None:
    found = scores(pd.Series([0.9, 0.2, 0.6]), pd.Series([1, 0, 0]))
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_classes_may_be_text_or_booleans_after_a_way_through_csv() -> None:
    assert scores(pd.Series(["a", "b"]), pd.Series(["a", "c"]))["accuracy"] == 0.5
    assert scores(pd.Series([1.0, 0.0]), pd.Series([True, False]))["accuracy"] == 1.0


def test_quantities_have_errors_and_r2() -> None:
    truth = pd.Series(np.arange(200.0))
    found = scores(truth + 1, truth)
    assert (found["mae"], found["rmse"]) == (1.0, 1.0)
    assert found["r2"] > 0.99
    assert "f1" not in found


def test_a_target_with_fractions_has_no_classes_however_few_its_values() -> None:
    found = scores(pd.Series([1.0, 2.0, 3.5]), pd.Series([1.0, 2.0, 3.25]))
    assert set(found) == {"mae", "rmse", "r2"}


def test_predictions_that_are_missing_or_of_another_number_have_no_score() -> None:
    assert scores(pd.Series([1.0]), pd.Series([1.0, 2.0])) == {}
    assert "rmse" not in scores(pd.Series([np.nan, 1.0]), pd.Series([1.0, 2.0]))
