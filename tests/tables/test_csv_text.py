"""The text of results is the text that pandas writes, to the last digit."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.tables.csv_writer import literal

floats = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1e-4, 9.9e-5, -9.9e-5, 1e16, 5e-324, math.nan, math.inf])
texts = st.text(max_size=8) | st.sampled_from(["", ",", '"', "a,b", 'say "x"', "a\nb", "a\rb", " x", "é", "𝄞", "\\n"])
COLUMNS = {
    "float": floats,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "single": st.floats(width=32) | st.sampled_from([1e-4, 99999.99, 1e5, 1566376.8, 1e16, 0.1]),
    "boolean": st.booleans(),
    "text": texts,
    "gappy": texts | st.none(),
    "mixed": floats | texts | st.booleans() | st.none(),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4))
    rows = draw(st.integers(1, 6))
    columns: list[pd.Series[Any]] = []
    for kind in kinds:
        values = draw(st.lists(COLUMNS[kind], min_size=rows, max_size=rows))
        dtype = object if kind in ("text", "gappy", "mixed") else "float32" if kind == "single" else None
        columns.append(pd.Series(values, dtype=dtype))
    frame = pd.concat(columns, axis=1)
    names = draw(st.lists(texts | st.integers(0, 9), min_size=len(kinds), max_size=len(kinds)))
    frame.columns = pd.Index(names, dtype=object)
    return frame


@given(frames())
def test_every_frame_has_the_text_that_pandas_writes(frame: pd.DataFrame) -> None:
    assert json.loads(literal(frame)) == frame.to_csv(index=False)


@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=50))
def test_floats_read_back_as_the_same_floats(values: list[tuple[float, float]]) -> None:
    frame = pd.DataFrame(values, columns=["a", "b"])
    assert json.loads(literal(frame)) == frame.to_csv(index=False)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": np.array([0.1, 1e-5, np.nan, np.inf, 1e-4, 2e6], dtype="float32")}),
        pd.DataFrame({"a": np.array([0.1, np.nan, 2e6], dtype="float32"), "b": ["x", "y", None]}),
        pd.DataFrame({"a": pd.array([0.1, None], dtype="Float32")}),
        pd.DataFrame({"a": pd.array([0.1, 2e6], dtype="Float32")}),
        pd.DataFrame({"a": pd.to_datetime(["2026-01-01", None])}),
        pd.DataFrame({"a": pd.Categorical(["x", "y"])}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"a": pd.array(["x", None], dtype="string")}),
        pd.DataFrame({"a": np.array([1, 2], dtype="uint8"), "b": np.array([1, 2**64 - 1], dtype="uint64")}),
        pd.DataFrame({"a": [1 + 2j]}),
        pd.DataFrame({"a": [[1, 2]]}),
        pd.DataFrame([[1.0, 2.0]], columns=["same", "same"]),
        pd.DataFrame([[1.0, 2.0]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")])),
        pd.DataFrame([[1.0, 2.0]], columns=[1.5, None]),
        pd.DataFrame([[1.0, 2.0]], columns=[True, False]),
        pd.DataFrame({"a": []}),
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame({"a": ["x"]}, index=[7]),
        pd.DataFrame({"a": [b"bytes"]}),
        pd.DataFrame({"a": [10**30]}),
    ],
    ids=lambda frame: str(frame.dtypes.tolist()),
)
def test_frames_of_other_kinds_too(frame: pd.DataFrame) -> None:
    assert json.loads(literal(frame)) == frame.to_csv(index=False)


def test_a_lone_surrogate_is_escaped() -> None:
    assert json.loads(literal(pd.DataFrame({"a": ["\ud800"]}, dtype=object))) == "a\n\ud800\n"
