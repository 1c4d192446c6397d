"""How much an ONNX model may differ from apply: by value, by class, and where nobody can tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltk_runtime.onnx.comparing import compare
from dltk_runtime.onnx.difference import Difference
from dltk_runtime.onnx.errors import OnnxRefused
from dltk_runtime.onnx.graph import Column
from dltk_runtime.onnx.sample import SAMPLE_ROWS, rows_like
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.baselines import features_of


def numbers(expected: list[float], found: list[float]) -> Difference:
    (difference,) = compare(pd.DataFrame({"y": expected}), [Column("y", np.asarray(found))])
    return difference


def classes(expected: list[str], found: list[str], scores: list[list[float]] | None = None) -> Difference:
    others = [Column("score", np.asarray(each)) for each in scores or ()]
    (difference,) = compare(pd.DataFrame({"c": expected}), [Column("c", np.asarray(found, dtype=object))], others)
    return difference


@pytest.mark.parametrize(
    ("expected", "found"), [(1000.0, 1000.09), (0.0, 9e-6), (-1000.0, -999.91), (np.nan, np.nan), (np.inf, np.inf)]
)
def test_a_number_within_the_bounds_passes(expected: float, found: float) -> None:
    assert numbers([1.0, expected], [1.0, found]).problem == ""


@pytest.mark.parametrize(
    ("expected", "found"), [(1000.0, 1000.2), (0.0, 2e-5), (1.0, np.nan), (np.nan, 1.0), (np.inf, 1.0), (1.0, -np.inf)]
)
def test_one_number_beyond_the_bounds_is_refused_and_shown(expected: float, found: float) -> None:
    problem = numbers([1.0, 1.0, expected], [1.0, 1.0, found]).problem
    assert "1 of 3 rows" in problem
    assert "row 2" in problem


def test_the_largest_differences_are_reported() -> None:
    difference = numbers([1000.0, 10.0, 0.0], [1000.05, 10.0, 5e-6])
    assert difference.absolute == pytest.approx(0.05)
    assert difference.relative == pytest.approx(5e-5)


def test_a_class_may_differ_close_to_a_threshold_and_is_shown() -> None:
    rows = 2000
    expected, found = ["a"] * rows, ["a"] * rows
    found[7] = "b"
    close = [[0.9] * rows, [0.1] * rows]
    close[0][7], close[1][7] = 0.500001, 0.499999
    difference = classes(expected, found, close)
    assert difference.problem == ""
    (shown,) = difference.shown
    assert (shown.row, shown.apply, shown.onnx) == (7, "a", "b")
    assert shown.distance == pytest.approx(2e-6)


def test_a_class_that_differs_far_from_a_threshold_is_refused() -> None:
    rows = 2000
    found = ["b", *["a"] * (rows - 1)]
    assert "is 0.8" in classes(["a"] * rows, found, [[0.9] * rows, [0.1] * rows]).problem
    assert "cannot be told" in classes(["a"] * rows, found).problem


def test_more_than_one_in_a_thousand_other_classes_are_refused() -> None:
    rows = 2000
    found = ["b"] * 3 + ["a"] * (rows - 3)
    assert "3 of 2,000 rows" in classes(["a"] * rows, found, [[0.5] * rows, [0.5] * rows]).problem


@pytest.mark.parametrize(("score", "problem"), [(0.500001, ""), (0.51, "0.01")])
def test_one_probability_has_its_threshold_at_one_half(score: float, problem: str) -> None:
    rows = 1000
    found = [*["a"] * (rows - 1), "b"]
    said = classes(["a"] * rows, found, [[0.9] * (rows - 1) + [score]]).problem
    assert (problem in said) if problem else not said


def test_numbers_that_are_classes_are_compared_by_value() -> None:
    (difference,) = compare(pd.DataFrame({"c": [0, 1]}), [Column("c", np.asarray([0.0, 1.0]))])
    assert (difference.kind, difference.differing) == ("class", 0)


def test_rows_are_made_from_the_statistics_of_the_fit() -> None:
    random = np.random.default_rng(1)
    fitted = pd.DataFrame(
        {"x": random.normal(50, 5, 500), "n": random.integers(0, 9, 500), "t": random.choice(["a", "b"], 500)}
    )
    fitted["t"] = fitted["t"].astype(object)
    made = rows_like(features_of(fitted))
    assert len(made) == SAMPLE_ROWS
    assert made["x"].between(fitted["x"].min(), fitted["x"].max() + 1e-9).all()
    assert made["x"].mean() == pytest.approx(50, abs=2)
    assert (made["n"] == made["n"].round()).all()
    assert set(made["t"]) == {"a", "b"}


@pytest.mark.parametrize("baseline", [None, Baseline(counts=[1, 0], categories=["ab"], salt="00")])
def test_a_field_without_recorded_values_asks_for_rows(baseline: Baseline | None) -> None:
    with pytest.raises(OnnxRefused, match=r"'t' are recorded .* --rows"):
        rows_like([Feature("t", "text", baseline)])
