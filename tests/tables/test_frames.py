"""CSV bytes become the frames that pandas.read_csv makes of them, and what an apply returns becomes CSV again."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from dltk_runtime.errors import DataInvalid
from dltk_runtime.paths import Paths
from dltk_runtime.tables import table
from tests.conftest import MakeNotebook
from tests.support.service import Service
from tests.tables import splunk_side

# ---------------------------------------------------------------- CSV → frame

CELLS = ["", "0", "7", "007", "-1", "1.5", "1e3", "1E-400", "1e999", ".5", "+3", "1_000", "0x1f", "1,5", " 7", "7 "]
CELLS += [
    "True",
    "False",
    "true",
    "FALSE",
    "yes",
    "NA",
    "N/A",
    "null",
    "None",
    "nan",
    "NaN",
    "inf",
    "-Infinity",
    "#N/A",
]
CELLS += ["9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 40]
CELLS += ["2024-01-31", "2024-01-31T00:00:00+01:00", "1706659200.123", "10.0.0.1", "a\nb", 'say "x"', "ключ", "𝄞", "\t"]
CELLS += ["\x00", "\ufeff", "a\rb", "'", "\\", '"', "x" * 300]


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n\r') else cell


cells = (st.sampled_from(CELLS) | st.text(max_size=6) | st.integers().map(str) | st.floats().map(repr)).map(quoted)
lines = st.lists(cells, min_size=1, max_size=5).map(",".join)
loose = st.text(alphabet='ab1.-e,"\n\r \t\0;#\ufeffé', max_size=60)
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1))
regular = tables.map(lambda rows: "\n".join(",".join(row) for row in rows) + "\n")


pytestmark = pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")  # which workers run with


@pytest.fixture(params=[False, True], ids=["object", "string"], scope="module")
def text_as_string(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both dtypes that DLTK_TEXT can give text columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", getattr(pd.errors, "Pandas4Warning", DeprecationWarning))
        with pd.option_context("future.infer_string", request.param):
            yield


def assert_as_pandas(text: str) -> None:
    try:
        expected = pd.read_csv(io.StringIO(text))
    except (ValueError, OverflowError):
        with pytest.raises(DataInvalid):
            table.read(text.encode())
        return
    read = table.read(table.unescape(json.dumps(text).encode()))
    assert_frame_equal(read, expected, check_exact=True, check_column_type="exact", check_index_type="exact")


@pytest.mark.filterwarnings("ignore::pandas.errors.ParserWarning")
@given(regular | loose | st.lists(lines, max_size=6).map("\n".join))
@example("a\n" + "1\n" * 3 + "x\n")
@example("a,b\n1,2,3\n")
@example("a,b\n1\n")
def test_a_frame_is_what_pandas_makes_of_the_text(text_as_string: None, text: str) -> None:
    assert_as_pandas(text)


# The number, or its text before pandas 3.1.
BEYOND_64_BITS = pd.read_csv(io.StringIO(f"a\n{2**64}\n"))["a"][0]


@pytest.mark.parametrize(
    ("column", "dtype", "first"),
    [
        (["007", "8"], "int64", 7),
        (["1e3"], "float64", 1000.0),
        (["1.5", "2"], "float64", 1.5),
        (["True", "False"], "bool", True),
        (["True", ""], "object", True),
        (["1", "NA"], "float64", 1.0),
        (["1", "null", "None", "", "nan"], "float64", 1.0),
        (["2024-01-31"], "object", "2024-01-31"),
        (["9223372036854775807"], "int64", 2**63 - 1),
        (["9223372036854775808"], "uint64", 2**63),
        (["18446744073709551616"], "object", BEYOND_64_BITS),
        (["1706659200"], "int64", 1706659200),
        (["1706659200.250"], "float64", 1706659200.25),
        (["1", "x"], "object", "1"),
        (['"a\nb\nc"'], "object", "a\nb\nc"),
        (['"say ""x"""'], "object", 'say "x"'),
        (["ключ"], "object", "ключ"),
    ],
)
def test_a_column_of_a_search_has_the_type_that_splunk_users_know(column: list[str], dtype: str, first: object) -> None:
    text = "a,b\n" + "".join(f"{cell},0\n" for cell in column)
    with pd.option_context("future.infer_string", False):
        read = table.read(text.encode())["a"]
        assert (str(read.dtype), read[0]) == (dtype, first)
        assert_as_pandas(text)


@pytest.mark.parametrize(
    "text",
    [
        "a,a,a.1\n1,2,3\n",
        ",\n1,2\n",
        ",a\n1,2\n",
        "a,b\n1\n2,3\n",
        "a\n1\n1.5\nx\n\n",
        "a,b\n",
        "a\r\n1\r\n",
        '"a\nb"\n1\n',
    ],
    ids=["same names", "no names", "one name", "ragged", "mixed", "header only", "crlf", "newline in a name"],
)
def test_odd_tables_are_read_as_pandas_reads_them(text_as_string: None, text: str) -> None:
    assert_as_pandas(text)


def test_a_large_column_of_mixed_types_is_read_as_pandas_reads_it(text_as_string: None) -> None:
    text = "a,b\n" + "1,2\n" * 150_000 + "x,2\n" + "3,4.5\n" * 150_000
    with pytest.warns(pd.errors.DtypeWarning):
        assert_as_pandas(text)


@pytest.mark.parametrize("text", ["", "\n", "\r\n", "\n\n\n"])
def test_an_empty_selection_is_explained(text: str) -> None:
    with pytest.raises(DataInvalid, match="The search sent no rows and no fields"):
        table.read(text.encode())


@pytest.mark.parametrize("text", ["a\n1\n1,2,3\n", 'a,b\n"1,2\n'])
def test_a_text_that_is_no_table_is_refused_with_the_line(text: str) -> None:
    with pytest.raises(DataInvalid, match=r"The field 'data' is not valid CSV: .*(line 3|row 1)"):
        table.read(text.encode())


@pytest.mark.parametrize(
    ("literal", "words"),
    [
        (b'"a\n\xff"', "not UTF-8 from its byte 3 on"),
        (b'"ab\\ud800"', "a lone surrogate at character 2"),
        (b'"\\udc00\\ud800"', "a lone surrogate at character 0"),
        (b'"\x01"', "not a JSON string"),
        (b'"\\q"', "not a JSON string"),
        (b'"', "not a JSON string"),
    ],
)
def test_data_that_is_no_text_is_refused_with_its_place(literal: bytes, words: str) -> None:
    with pytest.raises(DataInvalid, match=words):
        table.unescape(literal)


@given(st.text(st.characters(exclude_categories=[])))
def test_a_literal_becomes_the_bytes_of_its_text_or_an_error_of_ours(text: str) -> None:
    try:
        expected = text.encode()
    except UnicodeEncodeError:
        with pytest.raises(DataInvalid):
            table.unescape(json.dumps(text).encode())
        return
    assert table.unescape(json.dumps(text).encode()) == expected
    assert table.unescape(json.dumps(text, ensure_ascii=False).encode()) == expected


# ---------------------------------------------------------------- result → frame → CSV


def torch_tensor() -> Any:
    import torch

    return torch.ones((2, 1), requires_grad=True) * 2


def tensorflow_tensor() -> Any:
    with warnings.catch_warnings():  # an older matplotlib, which Keras imports, is deprecated by its own parser
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow

    return tensorflow.constant([[2.0], [2.0]])


@pytest.mark.parametrize(
    ("make", "csv"),
    [
        (lambda: pd.DataFrame({"y": [1, None]}, index=[7, 3]), 'y\n1.0\n""\n'),
        (lambda: pd.DataFrame([[1, 2]], columns=["y", "y"]), "y,y\n1,2\n"),
        (lambda: pd.Series([1, 2], name="y", index=["b", "a"]), "y\n1\n2\n"),
        (lambda: pd.Series([1, 2]), "0\n1\n2\n"),
        (lambda: np.array([1, 2]), "0\n1\n2\n"),
        (lambda: np.array([[1, 2.5], [3, 4]]), "0,1\n1.0,2.5\n3.0,4.0\n"),
        (lambda: np.array(["a,b", 'c"d']), '0\n"a,b"\n"c""d"\n'),
        (lambda: [1, 2], "0\n1\n2\n"),
        (lambda: [[1, 2], [3, 4]], "0,1\n1,2\n3,4\n"),
        (lambda: [{"a": 1}, {"b": 2}], "a,b\n1.0,\n,2.0\n"),
        (lambda: {"a": [1, 2], "b": ["x", None]}, "a,b\n1,x\n2,\n"),
        (lambda: (number for number in (1, 2)), "0\n1\n2\n"),
        (lambda: range(2), "0\n0\n1\n"),
        pytest.param(torch_tensor, "0\n2.0\n2.0\n", marks=pytest.mark.heavy),
        pytest.param(tensorflow_tensor, "0\n2.0\n2.0\n", marks=pytest.mark.heavy),
    ],
)
def test_what_apply_may_return(make: Callable[[], Any], csv: str) -> None:
    assert json.loads(table.write(table.to_frame(make()))) == csv


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "apply returned None; return the results"),
        (5, "apply returned int, which pandas.DataFrame does not accept"),
        (0.5, "apply returned float"),
        ("text", "apply returned str"),
        (np.float64(1.5), "apply returned float64"),
        (np.ones((2, 2, 2)), "apply returned ndarray"),
        ({"a": 1}, "apply returned dict"),
        ({"a": [1], "b": [1, 2]}, "apply returned dict"),
        (object(), "apply returned object"),
    ],
)
def test_what_apply_may_not_return_is_named(result: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        table.to_frame(result)


any_column = st.lists(st.none() | st.integers() | st.floats() | st.booleans() | st.text(), min_size=3, max_size=3)


@given(st.dictionaries(st.text(), any_column, max_size=4))
def test_results_arrive_on_splunks_side(columns: dict[str, list[Any]]) -> None:
    frame = pd.DataFrame(columns)
    if len(frame.columns):
        splunk_side.assert_arrives(json.loads(table.write(frame)), frame)


def test_results_with_half_a_character_arrive_without_it() -> None:
    frame = pd.DataFrame({"a": ["\ud800", "b"]}, dtype=object)
    assert json.loads(table.write(frame)) == "a\n\ufffd\nb\n"


@pytest.mark.parametrize(
    ("column", "kind"),
    [([1], "number"), ([1.5], "number"), ([True], "boolean"), ([True, None], "text"), (["a"], "text"), ([], "text")],
)
def test_the_kind_of_a_column(column: list[Any], kind: str) -> None:
    assert table.kind(pd.Series(column, dtype=None if column else object)) == kind


# ---------------------------------------------------------------- as notebooks get them


@pytest.mark.parametrize(("setting", "dtype"), [("object", "object"), ("string", "str")])
@pytest.mark.process
def test_the_setting_for_text_columns_reaches_the_notebook(
    paths: Paths, make_notebook: MakeNotebook, setting: str, dtype: str
) -> None:
    make_notebook("dtypes", apply="def apply(model, df, param): return df.dtypes.astype(str)")
    with Service(paths.home, paths.notebooks, DLTK_TEXT=setting, DLTK_SPARES="0") as service:
        answer = service.fit("dtypes", "text,number,flag\na,1,True\n")
    assert answer["results"].splitlines()[1:] == [dtype, "int64", "bool"], answer
    assert "DLTK_TEXT" not in os.environ
