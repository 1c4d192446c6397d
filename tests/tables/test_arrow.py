"""Arrow IPC streams: the frame is that of the CSV where CSV keeps the values, and has types where it does not."""

from __future__ import annotations

import contextlib
import io
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.errors import DataInvalid, FormUnavailable
from dltk_runtime.tables import arrow, plain, table


@pytest.fixture(autouse=True)
def text_as_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As workers have it."""
    monkeypatch.setattr(plain, "text_is_object", lambda: True)


def stream(rows: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return memoryview(sink.getvalue())


def read(**columns: Any) -> pd.DataFrame:
    return arrow.read(stream(pa.table(columns)))


CELLS = {
    "f": st.integers(-(10**12), 10**12).map(lambda number: number / 1000),  # pandas reads up to 15 digits exactly
    "i": st.integers(-(2**63), 2**63 - 1),
    "b": st.booleans(),
    "t": st.text(st.characters(codec="ascii", categories=["L"]), max_size=8).map("x{}".format),  # no number, no NA
}


@given(st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=20))
def test_a_frame_is_that_of_its_csv_where_csv_keeps_the_values(rows: list[dict[str, Any]]) -> None:
    sent = pd.DataFrame(rows)
    sent["t"] = sent["t"].astype(object)
    found = arrow.read(stream(pa.Table.from_pandas(sent)))
    read_back = pd.read_csv(io.StringIO(sent.to_csv(index=False)))
    read_back["t"] = read_back["t"].astype(object)
    pd.testing.assert_frame_equal(found, read_back, check_exact=True)


def test_missing_values_are_those_of_csv() -> None:
    found = read(i=[1, None], f=[None, 0.5], t=["x", None], b=[True, None], n=pa.nulls(2))
    pd.testing.assert_frame_equal(
        found,
        pd.DataFrame(
            {
                "i": [1.0, np.nan],
                "f": [np.nan, 0.5],
                "t": pd.Series(["x", np.nan], dtype=object),
                "b": pd.Series([True, np.nan], dtype=object),
                "n": [np.nan, np.nan],
            }
        ),
    )


def test_types_stay_where_csv_has_none() -> None:
    moments = pa.array([0, 1], pa.timestamp("us"))
    found = read(f=pa.array([0.1, 0.2], pa.float32()), u=pa.array([1, 2], pa.uint8()), m=moments, e=["", "NA"])
    assert [str(dtype) for dtype in found.dtypes] == ["float32", "uint8", "datetime64[us]", "object"]
    assert found["e"].tolist() == ["", "NA"]


def test_texts_and_decimals_of_every_kind_are_texts_and_numbers() -> None:
    found = read(
        view=pa.array(["a", None], pa.string_view()),
        large=pa.array(["a", None], pa.large_string()),
        coded=pa.array(["a", None]).dictionary_encode(),
        cents=pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)),
    )
    assert [str(dtype) for dtype in found.dtypes] == ["object", "object", "object", "float64"]
    assert found["view"].tolist()[0] == found["coded"].tolist()[0] == "a"
    assert found.isna().to_numpy().tolist() == [[False] * 4, [True] * 4]


def test_columns_of_numbers_are_not_copied() -> None:
    data = stream(pa.table({"a": np.arange(1000.0), "b": np.arange(1000)}))
    begin = np.frombuffer(data, "u1").ctypes.data
    frame = arrow.read(data)
    for name in frame:
        assert begin < frame[name].to_numpy().ctypes.data < begin + len(data)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_streams_of_several_batches_are_read(compression: str) -> None:
    rows = pa.table({"a": range(1000), "t": ["x", "y"] * 500})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(rows, max_chunksize=300)
    frame = arrow.read(memoryview(sink.getvalue()))
    assert frame["a"].tolist() == list(range(1000))
    assert frame["t"].tolist() == ["x", "y"] * 500


def test_a_notebook_may_write_into_the_frame_of_an_apply() -> None:
    frame = read(a=[1.0, 2.0])
    kept = frame.copy(deep=False)  # as the handler keeps it for the counts
    frame.loc[0, "a"] = 7.0
    frame["a"] += 1
    assert (frame["a"].tolist(), kept["a"].tolist()) == ([8.0, 3.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([[1], [2]]), "'c' has Arrow's type list<"),
        (pa.array([b"x", b"y"]), "'c' has Arrow's type binary"),
        (pa.array([{"k": 1}, {"k": 2}]), "'c' has Arrow's type struct<"),
        (pa.DictionaryArray.from_arrays([0, 0], pa.array([{"k": 1}])), "'c' has Arrow's type dictionary<"),
        (pa.array([1, 2], pa.timestamp("s", "Nowhere/None")), "'c' has Arrow's type timestamp[s, tz=Nowhere/None]"),
    ],
)
def test_types_that_no_csv_has_are_refused_by_name(column: pa.Array, text: str) -> None:
    with pytest.raises(DataInvalid) as refused:
        read(c=column)
    assert text in refused.value.sentence


def test_a_refusal_does_not_repeat_all_that_a_client_sent() -> None:
    fields = [pa.field(f"\x1b[31m{number}" + "x" * 100, pa.int8()) for number in range(1000)]
    with pytest.raises(DataInvalid) as refused:
        read(c=pa.nulls(1, pa.struct(fields)))
    assert len(refused.value.sentence) < 300
    assert "\x1b" not in refused.value.sentence


def broken() -> list[bytes]:
    whole = bytes(stream(pa.table({"a": [1, 2], "t": ["xx", "yy"]})))
    wrong_text = whole.replace(b"xxyy", b"\xff\xff\xff\xff")
    assert wrong_text != whole
    return [b"", b"{}", b"\xff" * 100, whole[:40], whole[: len(whole) // 2], whole[8:], wrong_text]


@pytest.mark.parametrize("number", range(len(broken())))
def test_what_is_no_stream_is_refused(number: int) -> None:
    with pytest.raises(DataInvalid, match="no Arrow IPC stream"):
        arrow.read(memoryview(broken()[number]))


def test_columns_need_names_of_their_own() -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(DataInvalid, match="'a' was sent twice"):
        arrow.read(stream(twice))
    with pytest.raises(DataInvalid, match="no columns"):
        arrow.read(stream(pa.table({})))


def test_results_have_the_values_of_their_csv() -> None:
    moments = pd.to_datetime(["2026-01-01", None])
    results = pd.DataFrame({"f": [0.1, np.nan], "i": [1, 2], "b": [True, False], "t": ["x", None], "m": moments})
    results["mixed"] = pd.Series([1.5, "x"], dtype=object)
    results["objects"] = pd.Series([1, 2], dtype=object)
    results["huge"] = pd.Series([2**70, 1], dtype=object)
    results["nullable"] = pd.array([1, None], dtype="Int64")
    found = pa.ipc.open_stream(arrow.write(results)).read_all()
    assert found.to_pydict() == {
        "f": [0.1, None],
        "i": [1, 2],
        "b": [True, False],
        "t": ["x", None],
        "m": [pd.Timestamp("2026-01-01"), None],
        "mixed": ["1.5", "x"],
        "objects": [1, 2],
        "huge": ["1180591620717411303424", "1"],
        "nullable": [1.0, None],
    }


def test_results_of_every_kind_of_number_and_text_can_be_written() -> None:
    results = pd.DataFrame({"big": np.arange(2, dtype=">f8"), "half": np.arange(2, dtype="f2")})
    results["long"] = np.arange(2, dtype=np.longdouble)
    results["coded"] = pd.Categorical(["a", None])
    results["lone"] = pd.Series(["\ud800", "y"], dtype=object)
    results[5] = pd.Series([[1], {"k": 2}], dtype=object)
    found = pa.ipc.open_stream(arrow.write(results)).read_all().to_pydict()
    assert found["lone"] == ["\ufffd", "y"]
    assert found["5"] == ["[1]", "{'k': 2}"]
    assert (found["coded"], found["big"], found["long"]) == (["a", None], [0.0, 1.0], [0.0, 1.0])


def test_secrets_do_not_reach_a_result() -> None:
    results = pd.DataFrame({"hush": ["say hush", None], "n": [1, 2]})
    found = pa.ipc.open_stream(arrow.write(results, lambda text: text.replace("hush", "*"))).read_all()
    assert found.to_pydict() == {"*": ["say *", None], "n": [1, 2]}


def test_without_pyarrow_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(FormUnavailable, match=r"pip install '\.\[arrow\]'"):
        arrow.read(memoryview(b""))


def test_the_order_of_the_fit_comes_first() -> None:
    frame = read(x=[1], b=[2], a=[3])
    assert plain.in_order(frame, ["a", "b", "lacking"]).columns.tolist() == ["a", "b", "x"]
    assert plain.in_order(frame, []) is frame
    assert table.write(plain.in_order(frame, ["a"])) == b'"a,x,b\\n3,1,2\\n"'


# ---------------------------------------------------------------- few bytes that stand for many


def compressed(rows: pa.Table, compression: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def one_text_many_times() -> pa.Array:
    one = pa.array([VIEW], pa.string_view()).buffers()
    return pa.Array.from_buffers(pa.string_view(), 1000, [None, pa.py_buffer(bytes(one[1]) * 1000), one[2]])


VIEW = "of twenty characters" * 500
SMALL = {
    "zstd": lambda: compressed(pa.table({"a": np.zeros(10**6)}), "zstd"),
    "lz4": lambda: compressed(pa.table({"a": np.zeros(10**6)}), "lz4"),
    "a dictionary that is compressed": lambda: compressed(
        pa.table({"t": pa.array(["x" * 8 * 10**6]).dictionary_encode()}), "zstd"
    ),
    "coded texts": lambda: bytes(stream(pa.table({"t": pa.array([VIEW] * 1000).dictionary_encode()}))),
    "views": lambda: bytes(stream(pa.table({"t": one_text_many_times()}))),
    "nulls": lambda: bytes(stream(pa.table({"n": pa.nulls(10**6)}))),
}


@pytest.mark.parametrize("kind", SMALL)
def test_a_stream_that_stands_for_too_much_is_refused_before_memory_is_taken(kind: str) -> None:
    body = memoryview(SMALL[kind]())
    assert len(body) < 10**5
    before, most = pa.total_allocated_bytes(), 10**6
    with pytest.raises(DataInvalid, match=r"would take [\d,]+ bytes .* the limit is 1,000,000\. .*DLTK_MAX_BODY"):
        arrow.read(body, most)
    assert pa.total_allocated_bytes() - before < most
    assert len(arrow.read(body, 10**8))


def test_a_length_before_a_buffer_is_not_believed() -> None:
    told = struct.pack("<q", 8 * 10**6)
    body = compressed(pa.table({"a": np.zeros(10**6)}), "zstd")
    assert body.count(told) == 1
    for length in (2**62, -2):
        with pytest.raises(DataInvalid, match=r"would take|negative length"):
            arrow.read(memoryview(body.replace(told, struct.pack("<q", length))), 10**9)


@settings(deadline=None)
@given(st.data())
def test_damage_anywhere_in_a_compressed_stream_is_refused_or_read(data: st.DataObject) -> None:
    body = bytearray(compressed(pa.table({"a": [1.5] * 100, "t": ["x", None] * 50}), "lz4"))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataInvalid):
        arrow.read(memoryview(body), 10**6)
