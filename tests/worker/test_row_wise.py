"""Which notebooks' results depend on each row alone, and which frames may be applied as one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from dltk_runtime.worker.row_wise import cut, dependence, groups

ROWS = pd.DataFrame({"x": np.arange(100.0), "name": [f"n{number}" for number in range(100)]})
Apply = Callable[[pd.DataFrame], pd.DataFrame]


def doubled(df: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"y": df["x"] * 2, "name": df["name"].str.upper()})


def writing(df: pd.DataFrame) -> pd.DataFrame:
    df["x"] = df["x"] + 1
    return df


def rounded(df: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"y": (df["x"] * (1 + 1e-7 * len(df))).astype("float32")})


@pytest.mark.parametrize("apply", [doubled, writing, rounded], ids=lambda each: each.__name__)
def test_results_that_depend_on_their_row_alone_are_seen_to(apply: Apply) -> None:
    assert dependence(apply, ROWS, apply(ROWS.copy())) == ""


DEPENDENT: dict[str, Apply] = {
    "in another order, column 'y' has other values": lambda df: pd.DataFrame({"y": df["x"].cumsum()}),
    "in another order, column 'n' has other values": lambda df: pd.DataFrame({"n": [len(df)] * len(df)}),
    "in another order, column 'rank' has other values": lambda df: pd.DataFrame({"rank": range(len(df))}),
    "100 rows gave 50 results": lambda df: df[df["x"] < df["x"].median()],
    "row 1 alone, column 'y' has other values": lambda df: (
        pd.DataFrame({"y": df["x"] + 1}) if len(df) == 1 else pd.DataFrame({"y": df["x"]})
    ),
    "row 1 alone, the columns are others": lambda df: doubled(df).assign(**({"z": 1} if len(df) == 1 else {})),
    "in another order, 32 rows gave 31 results": lambda df: doubled(df).iloc[: 100 if len(df) == 100 else -1],
    # As CSV it would be 1 in one answer and 1.0 in the other.
    "row 1 alone, column 'y' has other values ": lambda df: pd.DataFrame(
        {"y": [None if each == 99 else 1 for each in df["x"]]}
    ),
}


@pytest.mark.parametrize("expected", DEPENDENT)
def test_how_results_depend_on_other_rows_is_said(expected: str) -> None:
    apply = DEPENDENT[expected]
    assert dependence(apply, ROWS, apply(ROWS.copy())) == expected.strip()


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows_are_enough_and_none_show_nothing(rows: int) -> None:
    assert dependence(doubled, ROWS[:rows], doubled(ROWS[:rows])) == ""


def test_frames_with_other_columns_types_or_no_rows_are_apart() -> None:
    whole, decimal, other = (pd.DataFrame(each) for each in ({"x": [1]}, {"x": [1.5]}, {"y": [1]}))
    frames = [whole, decimal, whole, other, whole[:0], whole[:0], decimal]
    assert groups(dict(enumerate(frames))) == [[0, 2], [1, 6], [3], [4], [5]]


def test_a_result_is_cut_into_those_of_its_requests() -> None:
    parts = cut(pd.DataFrame({"x": range(6)}, index=list("abcdef")), [2, 1, 3])
    assert [each["x"].tolist() for each in parts] == [[0, 1], [2], [3, 4, 5]]
    assert [each.index.tolist() for each in parts] == [[0, 1], [0], [0, 1, 2]]
