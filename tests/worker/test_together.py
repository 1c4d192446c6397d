"""Requests applied together: each gets, byte for byte, the answer that it would get alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.tables import plain, table
from dltk_runtime.tables.feature import Feature
from dltk_runtime.tables.result_column import ResultColumn
from dltk_runtime.worker.applying import ModelApply
from dltk_runtime.worker.code import LoadedCode
from dltk_runtime.worker.failure import PhaseFailed
from dltk_runtime.worker.loaded_model import LoadedModel
from dltk_runtime.worker.messages import Applied, Apply, Failed
from dltk_runtime.worker.model import Pristine
from dltk_runtime.worker.phase import Phases
from dltk_runtime.worker.row_wise import dependence, groups

Function = Callable[..., Any]
META = b'{"options": {"params": {}}}'
FEATURES = (Feature("x", "number"), Feature("name", "text"), Feature("gone", "number"))


class FakeAlgorithm:
    """An algorithm that has `apply` alone."""

    row_wise = True
    parameters = None

    def __init__(self, apply: Function) -> None:
        self.apply = apply


class FakeCode:
    """The code of that algorithm."""

    def __init__(self, algorithm: FakeAlgorithm) -> None:
        self.algorithm = algorithm


def loaded(apply: Function, outputs: Sequence[ResultColumn] = (), model: Any = None) -> LoadedModel:
    code = cast(LoadedCode, FakeCode(FakeAlgorithm(apply)))
    made = LoadedModel(code, phases(), lambda: None)
    made.model, made.features, made.outputs = model, FEATURES, tuple(outputs)
    return made


def phases() -> Phases:
    return Phases(lambda _: None, lambda _: "")


def applying(model: LoadedModel, request: Apply = Apply(META)) -> ModelApply:  # noqa: B008 - frozen
    return ModelApply(model, phases(), request, lambda: model.meta(request.meta))


def outputs_of(apply: Function, frame: pd.DataFrame) -> list[ResultColumn]:
    return plain.result_columns(table.to_frame(apply({}, frame.copy(), {})))


def read(*csv: str) -> list[pd.DataFrame]:
    return [table.read(each.encode()) for each in csv]


def alone(model: LoadedModel, frame: pd.DataFrame, request: Apply) -> tuple[Applied | Failed, bytes]:
    try:
        answer, results = applying(model, request).one(frame)
    except PhaseFailed as failure:
        return Failed(failure.report), b""
    return answer, bytes(results)


def _shifted(_: Any, df: pd.DataFrame, __: Any) -> pd.DataFrame:
    return pd.DataFrame({"y": df["x"].to_numpy()}, index=range(7, 7 + len(df)))


def _twice(_: Any, df: pd.DataFrame, __: Any) -> pd.DataFrame:
    return pd.concat([df[["x"]], df[["x"]] * 2], axis=1)


def _refusing(_: Any, df: pd.DataFrame, __: Any) -> pd.DataFrame:
    if (df["x"] == 0).any():
        raise ValueError("nought")
    return df


def _greedy(_: Any, df: pd.DataFrame, param: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({"y": df["x"] * len(param.pop("options"))})


APPLIES: dict[str, Function] = {
    "the rows": lambda _, df, __: df,
    "a Series": lambda _, df, __: df["x"] * 2,
    "an array": lambda _, df, __: df[["x"]].to_numpy() * 1.5,
    "a list of objects": lambda _, df, __: [each if each == each else None for each in df["x"].tolist()],  # noqa: PLR0124 - nan
    "lengths of texts": lambda _, df, __: pd.DataFrame({"n": df["name"].str.len()}),
    "codes of some texts": lambda _, df, __: pd.DataFrame({"code": df["name"].map({"a": 1, "b": 2})}),
    "tests": lambda _, df, __: pd.DataFrame({"above": df["x"] > 1, "name": df["name"].isna()}),
    "moments": lambda _, df, __: pd.DataFrame({"t": pd.to_datetime(df["x"] * 3600, unit="s", errors="coerce")}),
    "categories": lambda _, df, __: pd.DataFrame({"c": df["name"].astype("category")}),
    "float32": lambda _, df, __: pd.DataFrame({"y": pd.to_numeric(df["x"], errors="coerce").astype("float32")}),
    "another index": _shifted,
    "two columns of one name": _twice,
    "an error of some rows": _refusing,
    "changed parameters": _greedy,
    "no column": lambda _, df, __: df[[]],
}


def _filled(_: Any, df: pd.DataFrame, __: Any) -> pd.DataFrame:
    return pd.DataFrame({"code": df["name"].map({"a": 1, "b": 2}).fillna(-1)})


NUMBERS = st.sampled_from(["0", "1", "2", "-3", "24", "48"])
CELLS = st.sampled_from(["0", "1", "-3", "2.5", "24", "1e20", "0.1", "", "True", "False", "nan", "inf", "word", "007"])
NAMES = st.sampled_from(["a", "b", "c", "", "c,d", 'q"q', "True", "1", "2020-01-01", "ü\u2028", " "])


def _line(x: str, name: str) -> str:
    quoted = name.replace('"', '""')
    return f'{x},"{quoted}"' if name else f"{x},"


def _csv(cells: Sequence[tuple[str, str]]) -> str:
    return "x,name\n" + "".join(f"{_line(*each)}\n" for each in cells)


CSVS = st.one_of(
    st.lists(st.tuples(NUMBERS, NAMES), max_size=4), st.lists(st.tuples(CELLS, NAMES), min_size=1, max_size=4)
).map(_csv)


@pytest.mark.parametrize("name", APPLIES)
@settings(max_examples=40)
@given(fitted=CSVS, requests=st.lists(CSVS, min_size=1, max_size=6), version=st.booleans(), refuse=st.booleans())
def test_answers_of_requests_together_are_those_of_each_alone(
    name: str, fitted: str, requests: list[str], version: bool, refuse: bool
) -> None:
    apply = APPLIES[name]
    (rows,) = read(fitted)
    try:
        whole = table.to_frame(apply({}, rows.copy(), {"options": {}}))
        found = dependence(lambda df: table.to_frame(apply({}, df, {"options": {}})), rows, whole)
        outputs = plain.result_columns(whole)
    except Exception as error:  # noqa: BLE001 - the fit has no results, as the notebook cannot apply its rows
        found, outputs = repr(error), []
    if found:
        return  # it is not row-wise as the fit sees it
    request = Apply(META, version_column=3 if version else 0, refuse_missing=refuse)
    model = loaded(apply, outputs)
    frames = dict(enumerate(read(*requests)))
    joined: dict[int, Any] = {}
    call = applying(model, request)
    for group in groups(frames):
        joined.update(zip(group, call.together([frames[number] for number in group]), strict=True))
    for number, csv in enumerate(requests):
        answer, results = joined[number]
        expected, text = alone(model, *read(csv), request)
        assert bytes(results) == text
        if isinstance(expected, Failed):
            assert isinstance(answer, Failed)
            assert answer.error.sentence == expected.error.sentence
        else:
            assert answer == expected


def test_rows_that_are_alike_are_one_call() -> None:
    calls: list[int] = []

    def apply(_: Any, df: pd.DataFrame, __: Any) -> pd.DataFrame:
        calls.append(len(df))
        return df[["x"]] * 2

    frames = read("x,name\n1,a\n", "x,name\n2,b\n3,c\n")
    answers = applying(loaded(apply, [ResultColumn("x", "int64")])).together(frames)
    assert [bytes(results) for _, results in answers] == [b'"x\\n2\\n"', b'"x\\n4\\n6\\n"']
    assert calls == [3]


@pytest.mark.parametrize(
    ("apply", "fit", "requests"),
    [
        (_filled, "x,name\n1,a\n2,b\n", ["x,name\n1,a\n", "x,name\n1,c\n"]),
        (APPLIES["lengths of texts"], "x,name\n1,a\n", ["x,name\n1,a\n", "x,name\n1,a\n2,\n"]),
    ],
    ids=["codes", "lengths"],
)
def test_whole_numbers_stay_whole_beside_a_request_with_gaps(apply: Function, fit: str, requests: list[str]) -> None:
    model = loaded(apply, outputs_of(apply, *read(fit)))
    expected = [alone(model, frame, Apply(META)) for frame in read(*requests)]
    assert b"1\\n" in expected[0][1]
    assert [(answer, bytes(results)) for answer, results in applying(model).together(read(*requests))] == expected


def test_moments_that_became_objects_are_written_as_those_of_one_request() -> None:
    def apply(_: Any, df: pd.DataFrame, __: Any) -> pd.DataFrame:
        days = [pd.Timestamp(each) if each.startswith("2") else each for each in df["name"]]
        return pd.DataFrame({"day": days})

    model = loaded(apply, [ResultColumn("day", "text")])
    requests = ["x,name\n1,2020-01-01\n", "x,name\n1,never\n"]
    answers = applying(model).together(read(*requests))
    assert [bytes(results) for _, results in answers] == [b'"day\\n2020-01-01\\n"', b'"day\\nnever\\n"']


def test_rows_whose_first_cells_are_their_index_are_by_themselves() -> None:
    frames = read("x\n1,2\n", "x\n3,4\n")
    assert [each.index.tolist() for each in frames] == [[1], [3]]
    assert groups(dict(enumerate(frames))) == [[0], [1]]


def test_columns_of_texts_and_of_truths_with_gaps_are_apart() -> None:
    frames = read("x,name\n1,True\n2,\n", "x,name\n1,a\n2,\n", "x,name\n1,b\n")
    assert groups(dict(enumerate(frames))) == [[0], [1, 2]]


def test_the_rows_of_every_request_are_counted_though_a_later_group_fails() -> None:
    model = loaded(_refusing, outputs_of(_refusing, *read("x,name\n1,a\n")))
    call = applying(model)
    call.together(read("x,name\n1,a\n", "x,name\n2,b\n"))
    call.together(read("x,name\n0,a\n", "x,name\n4,b\n"))
    assert [each["x"].tolist() for each in call.rows] == [[1], [2], [0], [4]]


class Counting:
    """A model that apply changes."""

    def __init__(self) -> None:
        self.calls = 0


def test_a_call_that_failed_leaves_nothing_in_the_model_for_those_after_it() -> None:
    def apply(model: Counting, df: pd.DataFrame, _: Any) -> pd.DataFrame:
        model.calls += 1
        if len(df) > 1:
            raise ValueError("too many")
        return df[["x"]] + model.calls

    settled: list[None] = []
    model = loaded(apply, [ResultColumn("x", "int64")])
    made = LoadedModel(model._code, phases(), lambda: settled.append(None))
    made.model, made.outputs = Counting(), model.outputs
    made._pristine = Pristine(made.model)
    answers = applying(made).together(read("x\n1\n", "x\n2\n"))
    assert [bytes(results) for _, results in answers] == [b'"x\\n2\\n"', b'"x\\n3\\n"']
    assert len(settled) == 2


def test_a_fault_of_the_runtime_costs_one_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(APPLIES["the rows"])

    def kept(frame: pd.DataFrame) -> pd.DataFrame:
        if frame["x"].tolist() == [1]:
            raise MemoryError
        return frame

    monkeypatch.setattr(table, "kept", kept)
    first, second = applying(model).together(read("x\n1\n", "x\n2\n"))
    assert isinstance(first[0], Failed)
    assert "fault in the runtime: MemoryError" in first[0].error.sentence
    assert bytes(second[1]) == b'"x\\n2\\n"'


def test_parts_of_a_large_result_are_written_as_those_of_one_request() -> None:
    lines = [f"{number},{number / 7},{'' if number % 5 else f'n{number}'}" for number in range(2000)]
    requests = ["x,y,name\n" + "\n".join(lines[begin : begin + 500]) + "\n" for begin in range(0, 2000, 500)]
    model = loaded(APPLIES["the rows"], outputs_of(APPLIES["the rows"], *read(requests[0])))
    expected = [alone(model, frame, Apply(META)) for frame in read(*requests)]
    assert [(answer, bytes(results)) for answer, results in applying(model).together(read(*requests))] == expected
