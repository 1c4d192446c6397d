"""Rows as JSON, in every form that MLflow's scoring server takes, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dltk_runtime.errors import DataInvalid
from dltk_runtime.payload import Form
from dltk_runtime.tables import forms, json_rows, plain
from dltk_runtime.tables.sheet import Outputs, Sheet

FIELDS = ["a", "t"]
ROWS = [{"a": 1.5, "t": "x"}, {"a": 2.5, "t": None}]


@pytest.fixture(autouse=True)
def text_as_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As workers have it."""
    monkeypatch.setattr(plain, "text_is_object", lambda: True)


def read(body: Any) -> Sheet:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return forms.read(Form.JSON, memoryview(text), FIELDS)


@pytest.mark.parametrize(
    "body",
    [
        ROWS,
        {"dataframe_records": ROWS},
        {"dataframe_split": {"index": [0, 1], "columns": ["t", "a"], "data": [["x", 1.5], [None, 2.5]]}},
        {"inputs": {"a": [1.5, 2.5], "t": ["x", None]}},
        {"inputs": {"a": [[1.5], [2.5]], "t": [["x"], [None]]}},
        {"inputs": ROWS},
        {"inputs": [[1.5, "x"], [2.5, None]]},
        {"instances": [[1.5, "x"], [2.5, None]], "signature_name": "serving_default"},
        {"instances": ROWS, "params": None},
    ],
)
def test_every_form_is_the_same_frame(body: Any) -> None:
    expected = pd.DataFrame({"a": [1.5, 2.5], "t": pd.Series(["x", np.nan], dtype=object)})
    pd.testing.assert_frame_equal(read(body).frame, expected)


def test_cells_are_as_csv_would_give_them() -> None:
    frame = read([{"n": 1, "m": 1, "b": True, "e": None}, {"n": None, "m": "x", "b": None, "e": None}]).frame
    assert frame["n"].dtype == frame["e"].dtype == np.float64
    assert frame["m"].tolist() == ["1", "x"]
    assert frame["b"].iloc[0] is True
    assert read(b'[{"a": NaN}]').frame["a"].isna().all()


def test_parameters_come_with_the_rows() -> None:
    assert read({"inputs": ROWS, "params": {"k": 3}}).parameters == {"k": 3}


REFUSED: list[tuple[Any, str]] = [
    (b"", "no JSON"),
    (b"{", "no JSON"),
    (b"\xff", "no JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (1, "list of records, or an object"),
    ("rows", "list of records, or an object"),
    ([], "no columns"),
    ([1], "list of objects"),
    ([[1]], "list of objects"),
    ([{}], "no columns"),
    ([{"a": [1]}], "'a' has a list or an object in a cell"),
    ([{"a": 10**400}], "'a' has a number that is too large"),
    ({"inputs": {"t": ["x"], "a": [10**400]}}, "'a' has a number that is too large"),
    ({"inputs": [[10**400, "x"]]}, "'a' has a number that is too large"),
    ({"dataframe_split": {"columns": ["a"], "data": [[10**400]]}}, "'a' has a number that is too large"),
    ([{"a": {"b": 1}}], "'a' has a list or an object in a cell"),
    ({}, "has 0 of them"),
    ({"data": []}, "unknown entry 'data'"),
    ({"inputs": [], "instances": []}, "has 2 of them"),
    ({"inputs": 1}, "'inputs' must be a list of rows"),
    ({"inputs": None}, "'inputs' must be a list of rows"),
    ({"inputs": "x"}, "'inputs' must be a list of rows"),
    ({"inputs": {}}, "no columns"),
    ({"inputs": {"a": 1}}, "The column 'a' must be a list"),
    ({"inputs": {"a": [1], "t": []}}, "different numbers of rows"),
    ({"inputs": {"a": [[1, 2]], "t": ["x"]}}, "'a' has a list or an object"),
    ({"inputs": [[1, "x"], [1]]}, "Row 1 of 'inputs' must be a list of 2"),
    ({"inputs": [[1, [2]]]}, "Row 0 of 'inputs'"),
    ({"inputs": [1, 2]}, "1 columns without names, and the model was fitted on 2: a, t"),
    ({"instances": [[1, 2, 3]]}, "3 columns without names"),
    ({"dataframe_records": {}}, "list of objects"),
    ({"dataframe_records": [1]}, "list of objects"),
    ({"dataframe_split": []}, "'columns' and 'data'"),
    ({"dataframe_split": {"columns": ["a"]}}, "'columns' and 'data'"),
    ({"dataframe_split": {"data": [[1]]}}, "'columns' must be a list of texts"),
    ({"dataframe_split": {"columns": [1], "data": [[1]]}}, "'columns' must be a list of texts"),
    ({"dataframe_split": {"columns": "a", "data": [[1]]}}, "'columns' must be a list of texts"),
    ({"dataframe_split": {"columns": [], "data": []}}, "no columns"),
    ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "'a' was sent twice"),
    ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "Row 0 of 'data' must be a list of 1"),
    ({"dataframe_split": {"columns": ["a"], "data": [1]}}, "Row 0 of 'data'"),
    ({"inputs": [], "params": []}, "'params' must be an object"),
    ({"inputs": ROWS, "parameters": {}}, "unknown entry 'parameters'"),
]


@pytest.mark.parametrize(("body", "text"), REFUSED)
def test_what_has_no_such_form_is_refused_by_name(body: Any, text: str) -> None:
    with pytest.raises(DataInvalid) as refused:
        read(body)
    assert text in refused.value.sentence


def test_results_are_records() -> None:
    frame = pd.DataFrame({"p": [0.1, np.nan], "t": ["x", None], "b": [True, False]})
    assert json.loads(json_rows.write(plain.columns_of(frame))) == [
        {"p": 0.1, "t": "x", "b": True},
        {"p": None, "t": None, "b": False},
    ]


def test_the_columns_of_results_are_known_by_name_and_dtype() -> None:
    frame = pd.DataFrame({"p": 0, "t": ["x", None], "b": [True, None], "o": [1, 2.5]}, dtype=object)
    known = plain.result_columns(frame.assign(p=np.float32([0.1, 0.2])))
    assert [(each.name, each.dtype) for each in known] == [
        ("p", "float32"),
        ("t", "text"),
        ("b", "text"),  # with a gap
        ("o", "float64"),
    ]


def test_csv_is_neither_escaped_nor_splunks() -> None:
    frame = pd.DataFrame({"p": [0.1], "t": ['say "hush"\n']})
    assert forms.write(Form.CSV, frame, Outputs()) == b'p,t\n0.1,"say ""hush""\n"\n'
    assert (
        forms.write(Form.CSV, frame, Outputs(), lambda text: text.replace("hush", "*")) == b'p,t\n0.1,"say ""*""\n"\n'
    )
    assert forms.read(Form.CSV, memoryview(b"t,a\nx,1\n"), FIELDS).frame.columns.tolist() == FIELDS
    for text in (b"", b"\n", b'a\n"x', b"a\n1\n2,3\n"):
        with pytest.raises(DataInvalid, match="no CSV"):
            forms.read(Form.CSV, memoryview(text), FIELDS)
