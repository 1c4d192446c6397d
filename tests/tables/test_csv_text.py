"""The text of results is the text that pandas writes, to the last digit; Splunk's side reads the rows that were sent.

The two differ where pandas does not read what it wrote: a lone carriage return, a line of blanks, a byte-order mark.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dltk_runtime.tables import csv_writer
from dltk_runtime.tables.csv_writer import literal
from tests.tables import splunk_side

pytestmark = pytest.mark.usefixtures("way")

LARGEST = 1.7976931348623157e308  # 24 characters with its sign, the most that a float can have
EDGES = [0.0, -0.0, 1e-4, 9.9e-5, -9.9e-5, 1e16, -1e16, 9999999999999998.0, 1e15, 5e-324, math.nan, math.inf, -math.inf]
floats = st.floats(width=64) | st.sampled_from([*EDGES, LARGEST, -LARGEST, -2.2250738585072014e-308])
singles = st.floats(width=32) | st.sampled_from([1e-4, 99999.99, 1e5, 1566376.8, 1e16, 0.1, 1.00390625, 0.50390625])
PLAIN = [
    "",
    ",",
    '"',
    "a,b",
    'say "x"',
    "a\nb",
    "a\r\nb\n",
    " x",
    "é",
    "𝄞",
    "\\n",
    "\0",
    "a\0b",
    "a\ufeff",
    "\x0b",
    "\u2028",
]
LOST = [
    "a\rb",
    "\r",
    "\r\r",
    '"\r',
    " ",
    "\t ",
    " \r ",
    "\ufeff",
    "\ufeffa",
    "\ufeff,",
    "\ud800",
    "a\udc00",
]  # as csv writes them
plain = st.sampled_from(PLAIN) | st.text(alphabet='ab,"\n\0;é', max_size=8)
texts = (
    st.text(st.characters(exclude_categories=[]), max_size=8) | st.sampled_from(PLAIN + LOST) | st.text('\r\n\t ",a\0')
)
COLUMNS = {
    "float": floats,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "single": singles,
    "boolean": st.booleans(),
}


@st.composite
def frames(draw: st.DrawFn, texts: st.SearchStrategy[str] = plain) -> pd.DataFrame:
    known = COLUMNS | {"text": texts, "gappy": texts | st.none(), "mixed": floats | texts | st.booleans() | st.none()}
    kinds = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=4))
    rows = draw(st.integers(1, 6))
    columns: list[pd.Series[Any]] = []
    for kind in kinds:
        values = draw(st.lists(known[kind], min_size=rows, max_size=rows))
        dtype = object if kind in ("text", "gappy", "mixed") else "float32" if kind == "single" else None
        columns.append(pd.Series(values, dtype=dtype))
    frame = pd.concat(columns, axis=1)
    names = draw(st.lists(texts | st.integers(0, 9), min_size=len(kinds), max_size=len(kinds)))
    frame.columns = pd.Index(names, dtype=object)
    return frame


@given(frames())
@example(pd.DataFrame({"a": ["", "\0"]}, dtype=object))
@example(pd.DataFrame({"a": ["x", "x\0y", "x\0"], "b": ["\0", "", "z"]}, dtype=object))
def test_every_frame_has_the_text_that_pandas_writes(frame: pd.DataFrame) -> None:
    assert json.loads(literal(frame)) == frame.to_csv(index=False)


@given(frames(texts))
@example(pd.DataFrame({"a": ["x\ry"]}))
@example(pd.DataFrame({"a": [" "], "b": [1]}))
@example(pd.DataFrame({"a": [" ", 1]}))
@example(pd.DataFrame({"a": ["\r", "\r\n", " ", '"\r"', 1.5]}, dtype=object))
@example(pd.DataFrame({"\ufeffa": [1], "b": [[1, "\r"]]}))
def test_splunks_side_reads_the_rows_that_were_sent(frame: pd.DataFrame) -> None:
    splunk_side.assert_arrives(json.loads(literal(frame)), frame)


@pytest.mark.parametrize("text", LOST)
@pytest.mark.parametrize("other", [[], [1]], ids=["text alone", "by pandas"])
def test_a_text_that_csv_would_lose_arrives(text: str, other: list[int]) -> None:
    rows = [text, "last", *other]
    for frame in (
        pd.DataFrame({"a": rows}, dtype=object),
        pd.DataFrame({"a": rows, "b": rows}, dtype=object),
        pd.DataFrame([[1, each] for each in rows], columns=pd.Index([text, "b"], dtype=object), dtype=object),
        pd.DataFrame([[1], [2]], columns=pd.Index([text], dtype=object)),
    ):
        splunk_side.assert_arrives(json.loads(literal(frame)), frame)


@pytest.mark.parametrize("rows", [1, 2, 3, 127, 163, 164, 165, 170, 171, 341, 342, 4095, 4096, 4097, 8193])
@pytest.mark.parametrize(
    "value", [-LARGEST, -2.2250738585072014e-308, -1.2345678901234567e-103, -0.00012345678901234567]
)
def test_floats_of_the_longest_texts_at_lengths_around_powers_of_two(value: float, rows: int) -> None:
    for frame in (pd.DataFrame({"a": [value] * rows}), pd.DataFrame({"a": [value] * rows, "b": value})):
        text = json.loads(literal(frame))
        assert text == frame.to_csv(index=False)
        splunk_side.assert_arrives(text, frame)


@given(st.lists(singles, min_size=1, max_size=200))
def test_the_text_of_a_single_is_the_one_of_pandas(values: list[float]) -> None:
    frame = pd.DataFrame({"a": np.array(values, "float32")})
    assert json.loads(literal(frame)) == frame.to_csv(index=False)


def test_a_column_of_several_blocks_has_no_seam() -> None:
    chance = np.random.default_rng(4)
    values = chance.normal(size=(csv_writer.BLOCK_CELLS * 2 + 7, 3))
    values[chance.random(values.shape) < 0.01] = np.nan
    for frame in (
        pd.DataFrame(values),
        pd.DataFrame(values.astype("float32")),
        pd.DataFrame(values[:, :1]),
        pd.DataFrame(values, columns=list("abc")).assign(d="x"),
    ):
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


def test_half_a_surrogate_pair_is_replaced_and_two_halves_are_one_character() -> None:
    frame = pd.DataFrame({"a": ["\ud800", "\ud834\udd1e", "x\udc00", "\ud800"]}, dtype=object)
    assert json.loads(literal(frame)) == "a\n\ufffd\n𝄞\nx\ufffd\n\ufffd\n"
