"""Named tensors: every datatype as text and as bytes, one tensor per column or one matrix, and what is refused."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.errors import DataInvalid
from dltk_runtime.payload import Form
from dltk_runtime.tables import forms, plain, table, tensors
from dltk_runtime.tables.sheet import Outputs, Sheet

FIELDS = ["a", "b"]


@pytest.fixture(autouse=True)
def text_as_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As workers have it."""
    monkeypatch.setattr(plain, "text_is_object", lambda: True)


def read(head: Any, behind: bytes = b"", length: int | None = None, fields: list[str] = FIELDS) -> Sheet:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    size = length if length is not None else len(text) if behind else 0
    return tensors.read(memoryview(struct.pack("<Q", size) + text + behind), fields)


def column(name: str, datatype: str, data: Any, shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def binary(name: str, datatype: str, size: int, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}


def packed(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


@pytest.mark.parametrize("datatype", sorted(tensors.DTYPES))
def test_every_datatype_is_the_same_as_text_and_as_bytes(datatype: str) -> None:
    values = np.array([0, 1, 1], dtype=tensors.DTYPES[datatype])
    as_text = read({"inputs": [column("a", datatype, values.tolist())]}).frame
    as_bytes = read({"inputs": [binary("a", datatype, values.nbytes, [3])]}, values.tobytes()).frame
    pd.testing.assert_frame_equal(as_text, as_bytes)
    assert as_text["a"].dtype == values.dtype
    assert as_bytes["a"].tolist() == values.tolist()


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_a_notebook_may_write_into_a_column_that_came_as_bytes(shape: list[int]) -> None:
    values = np.array([1.0, 2.0, 3.0])
    frame = read({"inputs": [binary("a", "FP64", values.nbytes, shape)]}, values.tobytes()).frame
    kept = table.kept(frame)  # as the handler keeps it for the counts
    frame.loc[0, "a"] = 7.0
    frame["a"] += 1
    assert (frame["a"].tolist(), kept["a"].tolist()) == ([8.0, 3.0, 4.0], [1.0, 2.0, 3.0])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=10))
def test_texts_are_the_same_as_text_and_as_bytes(texts: list[str]) -> None:
    behind = packed(*[text.encode() for text in texts])
    head = {"inputs": [binary("t", "BYTES", len(behind), [len(texts)])]}
    assert read(head, behind).frame["t"].tolist() == texts
    assert read({"inputs": [column("t", "BYTES", texts)]}).frame["t"].tolist() == texts


def test_a_tensor_is_a_column_also_with_one_value_in_each_row() -> None:
    inputs = [column("b", "INT64", [[1], [2]], [2, 1]), column("a", "FP32", [0.5, None])]
    frame = read({"inputs": inputs}).frame
    assert frame.columns.tolist() == ["b", "a"]
    assert frame["b"].tolist() == [1, 2]
    assert np.isnan(frame["a"].iloc[1])


@pytest.mark.parametrize("data", [[[1, 2], [3, 4], [5, 6]], [1, 2, 3, 4, 5, 6]], ids=["nested", "flat"])
def test_a_matrix_has_the_fields_of_the_fit_in_their_order(data: list[Any]) -> None:
    frame = read({"inputs": [column("x", "FP64", data, [3, 2])]}).frame
    assert frame.to_dict("list") == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_a_matrix_of_texts_or_of_one_column() -> None:
    frame = read({"inputs": [column("x", "BYTES", ["p", "q"], [1, 2])]}).frame
    assert frame.to_dict("list") == {"a": ["p"], "b": ["q"]}
    assert read({"inputs": [column("x", "FP64", [1], [1, 1])]}, fields=["a"]).frame.columns.tolist() == ["a"]
    assert read({"inputs": [column("b", "FP64", [1], [1, 1])]}).frame.columns.tolist() == ["b"]


def test_parameters_of_the_request_are_those_of_the_notebook_but_the_protocols_own() -> None:
    sheet = read(
        {
            "inputs": [column("a", "FP64", [1])],
            "parameters": {"k": 3, "binary_data_output": True, "priority": 1},
            "id": "an id",
            "outputs": [{"name": "x", "parameters": {"binary_data": False}}, {"name": "y"}],
        }
    )
    assert sheet.parameters == {"k": 3}
    assert sheet.outputs == Outputs({"x": False, "y": True}, binary=True, id="an id")


MATRIX = np.arange(4.0).reshape(2, 2)
REFUSED: list[tuple[str, Any, bytes, str]] = [
    ("nothing", b"", b"", "no request for an inference"),
    ("no JSON", b"{", b"", "no request for an inference"),
    ("deep", b'{"inputs":' + b"[" * 10_000, b"", "no request for an inference"),
    ("a list", [], b"", "Expected `object`"),
    ("no inputs", {}, b"", "missing required field `inputs`"),
    ("empty", {"inputs": []}, b"", "no columns"),
    ("no name", {"inputs": [{"shape": [1], "datatype": "FP64", "data": [1]}]}, b"", "missing required field `name`"),
    ("no shape", {"inputs": [{"name": "a", "datatype": "FP64", "data": [1]}]}, b"", "missing required field `shape`"),
    (
        "no data",
        {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64"}]},
        b"",
        "neither data nor binary_data_size",
    ),
    ("a datatype", {"inputs": [column("a", "BF16", [1])]}, b"", "'BF16': expected BOOL"),
    ("a datatype of another case", {"inputs": [column("a", "fp64", [1])]}, b"", "'fp64'"),
    ("three dimensions", {"inputs": [column("a", "FP64", [1], [1, 1, 1])]}, b"", "has the shape [1, 1, 1]"),
    ("no dimension", {"inputs": [{**column("a", "FP64", [1]), "shape": []}]}, b"", "has the shape []"),
    ("a negative one", {"inputs": [column("a", "FP64", [1], [-1])]}, b"", "has the shape [-1]"),
    ("a fraction", {"inputs": [column("a", "FP64", [1], [1.5])]}, b"", "Expected `int`"),  # type: ignore[list-item]
    ("too few", {"inputs": [column("a", "FP64", [1], [2])]}, b"", "1 values, and its shape [2] has room for 2"),
    ("a huge shape", {"inputs": [column("a", "FP64", [1], [2**40, 2**40])]}, b"", "1 values, and its shape"),
    ("an empty huge shape", {"inputs": [column("a", "FP64", [], [0, 2**63])]}, b"", "'a' has the shape [0, 9223"),
    ("digits", {"inputs": [column("a", "FP64", [1], [10**4000])]}, b"", "'a' has the shape [1000"),
    ("a longer row", {"inputs": [column("m", "FP64", [[1, 2, 3], [4]], [2, 2])]}, b"", "'m' has 3 values in row 0"),
    ("other rows", {"inputs": [column("m", "FP64", [[1, 2]] * 3, [2, 3])]}, b"", "'m' has 2 values in row 0"),
    ("uneven rows", {"inputs": [column("m", "FP64", [[1], [2, 3]], [3])]}, b"", "'m' has 2 values in row 1"),
    ("text for numbers", {"inputs": [column("a", "FP64", ["x"])]}, b"", "data that is not FP64"),
    ("null for integers", {"inputs": [column("a", "INT64", [None])]}, b"", "data that is not INT64"),
    ("a number for text", {"inputs": [column("a", "BYTES", [1])]}, b"", "data that is not BYTES"),
    ("a number for truth", {"inputs": [column("a", "BOOL", [1])]}, b"", "data that is not BOOL"),
    ("out of range", {"inputs": [column("a", "UINT8", [256])]}, b"", "data that is not UINT8"),
    ("too small", {"inputs": [column("a", "UINT64", [0, -1])]}, b"", "data that is not UINT64"),
    ("more bits", {"inputs": [column("a", "INT32", [2**40])]}, b"", "data that is not INT32"),
    ("a number beyond FP16", {"inputs": [column("a", "FP16", [1, 70_000])]}, b"", "out of bounds for float16"),
    ("a number beyond FP32", {"inputs": [column("a", "FP32", [None, -1e39])]}, b"", "out of bounds for float32"),
    *(
        (
            f"an output by {name}",
            {"inputs": [column("a", "FP64", [1])], "outputs": [{"name": "p", "parameters": {name: "x"}}]},
            b"",
            f"The output 'p' has the parameter {name}",
        )
        for name in ("classification", "shared_memory_region")
    ),
    ("an object", {"inputs": [{**column("a", "FP64", [1]), "data": {}}]}, b"", "data that is not FP64"),
    ("twice", {"inputs": [column("a", "FP64", [1]), column("a", "FP64", [1])]}, b"", "'a' was sent twice"),
    ("lengths", {"inputs": [column("a", "FP64", [1]), column("b", "FP64", [1, 2])]}, b"", "different numbers of rows"),
    (
        "two matrices",
        {"inputs": [column("a", "FP64", [1, 2], [1, 2])] * 2},
        b"",
        "of several inputs each is one column",
    ),
    ("three columns", {"inputs": [column("x", "FP64", [1, 2, 3], [1, 3])]}, b"", "3 columns without names"),
    ("a size", {"inputs": [binary("a", "FP64", 7, [1])]}, bytes(7), "7 bytes, and FP64 of shape [1] 8"),
    ("too few bytes", {"inputs": [binary("a", "FP64", 16, [2])]}, bytes(8), "and 8 bytes are left"),
    ("too many bytes", {"inputs": [binary("a", "FP64", 8, [1])]}, bytes(9), "1 bytes are left behind the inputs"),
    ("a negative size", {"inputs": [binary("a", "FP64", -8, [1])]}, bytes(8), "has binary_data_size -8"),
    ("a size of text", {"inputs": [binary("a", "FP64", "8", [1])]}, bytes(8), "has binary_data_size 8"),  # type: ignore[arg-type]
    ("texts cut off", {"inputs": [binary("a", "BYTES", 6, [1])]}, packed(b"xyz")[:6], "a text of 3 bytes, and 2"),
    ("a length cut off", {"inputs": [binary("a", "BYTES", 3, [1])]}, bytes(3), "bytes that are no texts"),
    ("no UTF-8", {"inputs": [binary("a", "BYTES", 5, [1])]}, packed(b"\xff"), "bytes that are no texts"),
    ("more texts", {"inputs": [binary("a", "BYTES", 8, [1])]}, packed(b"", b""), "2 texts, and its shape [1]"),
    ("parameters", {"inputs": [column("a", "FP64", [1])], "parameters": 1}, b"", "Expected `object | null`"),
    ("outputs", {"inputs": [column("a", "FP64", [1])], "outputs": [1]}, b"", "Expected `object`"),
    ("an id", {"inputs": [column("a", "FP64", [1])], "id": 1}, b"", "Expected `str | null`"),
    (
        "shared memory",
        {"inputs": [{**binary("a", "FP64", 8, [1]), "parameters": {"shared_memory_region": "x"}}]},
        b"",
        "neither",
    ),
]


@pytest.mark.parametrize(("head", "behind", "text"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_is_no_request_is_refused_by_name(head: Any, behind: bytes, text: str) -> None:
    with pytest.raises(DataInvalid) as refused:
        read(head, behind)
    assert text in refused.value.sentence


def test_a_refusal_does_not_repeat_all_that_a_client_sent() -> None:
    sent = {"inputs": [binary("a", "FP64", "\x1b[2J" + "9" * 10_000, [1])]}  # type: ignore[arg-type]
    with pytest.raises(DataInvalid) as refused:
        read(sent, bytes(8))
    assert len(refused.value.sentence) < 200
    assert "\x1b" not in refused.value.sentence


def test_a_header_that_is_longer_than_the_body_is_refused() -> None:
    with pytest.raises(DataInvalid, match="9 bytes of JSON come first, and the body has 2"):
        read({}, length=9)


def test_results_are_tensors_as_they_are_wanted() -> None:
    frame = pd.DataFrame({"p": [0.1, np.nan], "t": ["x", None], "b": [True, False]})
    whole = tensors.write(plain.columns_of(frame), Outputs({"t": True, "p": False, "b": True}, id="7"))
    (length,) = struct.unpack("<Q", whole[:8])
    assert json.loads(whole[8 : 8 + length]) == {
        "id": "7",
        "outputs": [
            {"name": "t", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 9}},
            {"name": "p", "datatype": "FP64", "shape": [2], "data": [0.1, None]},
            {"name": "b", "datatype": "BOOL", "shape": [2], "parameters": {"binary_data_size": 2}},
        ],
    }
    assert whole[8 + length :] == packed(b"x", b"") + b"\1\0"


@pytest.mark.parametrize("form", [Form.JSON, Form.TENSORS])
def test_results_of_one_name_are_refused_where_one_would_be_lost(form: Form) -> None:
    frame = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(TypeError, match=r"several columns with the name 'x': .* as CSV or Arrow"):
        forms.write(form, frame, Outputs())
    assert bytes(forms.write(Form.CSV, frame, Outputs())) == b"x,x\n1,2\n"


def test_a_result_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(DataInvalid, match="no output 'q': the model returned p"):
        tensors.write([("p", np.zeros(1))], Outputs({"q": True}))
