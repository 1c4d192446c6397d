"""Stub files in MLTK's two forms, held to files that the runtime did not write (tests/data/stubs)."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.grammar import parse_apply, parse_fit
from dltk_runtime.emulator.mltk.request import fit_meta
from dltk_runtime.emulator.mltk.results import MessageLevel
from dltk_runtime.emulator.mltk.stub import Stub, make_stub
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin

STORED = Path(__file__).parent.parent / "data" / "stubs"
NAMES = [
    "__mlspl_text_scores.mlmodel",
    "__mlspl_text_scores_no_target.mlmodel",
    "constructed_toolkit_text_scores.mlmodel",
]
# What `dltk search` wrote up to version 0.1: a form of its own.
OWN_FORM = (
    "algo,model,options\n"
    'MLTKContainer,"{""feature_variables"": [""width""], ""target_variable"": null}",'
    '"{""params"": {""algo"": ""a""}, ""model_name"": ""old""}"\n'
)
LINEAR = (
    'algo,model,options\nLinearRegression,"{""__mlspl_type"": [""algos.LinearRegression"", ""LinearRegression""]}",{}\n'
)


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path)


def put(stubs: Stubs, name: str, content: str | bytes) -> None:
    stubs.path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def stored(name: str) -> str:
    return (STORED / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_file_is_read_and_written_back_byte_for_byte(stubs: Stubs, name: str) -> None:
    put(stubs, "m", stored(name))
    stub = stubs.read("m")
    assert stub.features == ("text",)
    assert stub.target == (None if "no_target" in name else "label")
    assert stub.options["params"]["algo"] == "text_scores"
    assert stub.notice == ""
    assert stub.to_csv() == stored(name)


@pytest.mark.parametrize(
    ("name", "search"),
    [
        (NAMES[0], "MLTKContainer mode=stage algo=text_scores label from text into app:text_scores"),
        (NAMES[1], "MLTKContainer mode=stage algo=text_scores text into app:text_scores"),
        (NAMES[2], "AITKContainer algo=text_scores label from text into app:text_scores"),
    ],
)
def test_the_search_of_a_stored_file_writes_that_file(name: str, search: str) -> None:
    options = json.loads(list(csv.reader(stored(name).splitlines(keepends=True)))[1][2])
    command = parse_fit(search)
    meta = fit_meta(command, ["label", "text"], options["mlspl_limits"])
    assert make_stub("text_scores", command.algorithm, meta, "https://localhost:54270").to_csv() == stored(name)


@pytest.mark.parametrize("name", NAMES)
def test_session_keys_are_neither_kept_nor_shown(stubs: Stubs, name: str) -> None:
    leaking = stored(name).replace('""kfold_cv"": null', '""kfold_cv"": null, ""session_key"": ""s3cr3t""')
    assert leaking.count("s3cr3t") >= 2
    put(stubs, "m", leaking)
    stub = stubs.read("m")
    assert "s3cr3t" not in repr(stub) + stub.to_csv()
    assert "s3cr3t" not in Mltk(ClientSettings(), stubs).listmodels().frame.to_csv()


def test_an_unreadable_file_with_a_session_key_does_not_show_it(stubs: Stubs) -> None:
    put(stubs, "m", 'algo,model,options\nMLTKContainer,{},"{""session_key"": ""s3cr3t"", "\n')
    result = Mltk(ClientSettings(), stubs).listmodels()
    assert result.frame["name"].tolist() == ["m"]
    assert "s3cr3t" not in str(result.messages[0]) + result.frame.to_csv()


class TestList:
    @pytest.mark.parametrize(
        "content", ["", "algo\nx\n", "algo,model,options\na,{},{\n", "\xff,", "algo,model,options\na,[],{}\n"]
    )
    def test_one_unreadable_file_never_breaks_the_list(self, stubs: Stubs, content: str) -> None:
        put(stubs, "a", stored(NAMES[0]))
        put(stubs, "b", content.encode("latin-1"))
        put(stubs, "c", stored(NAMES[2]))
        result = Mltk(ClientSettings(), stubs).listmodels()
        assert result.frame["name"].tolist() == ["a", "b", "c"]
        assert result.frame["type"].tolist() == ["MLTKContainer", "", "AITKContainer"]
        assert [message.level for message in result.messages] == [MessageLevel.WARN]
        assert "__mlspl_b.mlmodel" in result.messages[0].text

    @pytest.mark.parametrize("part", ["null", "[]", "[1]", "5", '"text"', "{}", '{"feature_variables": 1}'])
    @pytest.mark.parametrize(
        "model",
        [
            '{"__mlspl_type": %s}',
            '{"__mlspl_type": ["mltkc.MLTKContainer", "MLTKContainer"], "dict": %s}',
            '{"__mlspl_type": ["mltkc.MLTKContainer", "MLTKContainer"], "dict": {"out_params": %s}}',
            '{"__mlspl_type": ["algos.AITKContainer", "AITKContainer"], "params": %s}',
        ],
    )
    def test_a_part_of_another_kind_is_said(self, stubs: Stubs, model: str, part: str) -> None:
        cell = (model % part).replace('"', '""')
        put(stubs, "m", f'algo,model,options\nMLTKContainer,"{cell}",{{}}\n')
        (message,) = Mltk(ClientSettings(), stubs).listmodels().messages
        assert "names no module and class" in message.text or "is not a" in message.text

    def test_a_pipe_in_the_place_of_a_file_holds_up_nobody(self, stubs: Stubs) -> None:
        put(stubs, "a", stored(NAMES[0]))
        os.mkfifo(stubs.path("b"))
        result = Mltk(ClientSettings(), stubs).listmodels()
        assert result.frame["type"].tolist() == ["MLTKContainer", ""]

    def test_a_model_of_splunk_itself_is_listed_and_not_applied(self, stubs: Stubs) -> None:
        put(stubs, "m", LINEAR)
        mltk = Mltk(ClientSettings(), stubs)
        assert mltk.listmodels().frame["type"].tolist() == ["LinearRegression"]
        frame = mltk.listmodels().frame
        with pytest.raises(SearchInvalid, match=r'model "m" is of type .*LinearRegression.* runs inside Splunk'):
            mltk.apply(frame, parse_apply("m"), stubs.read("m"))
        with pytest.raises(SearchInvalid, match="runs inside Splunk"):
            mltk.summary(stubs.read("m"))

    def test_the_form_of_earlier_versions_is_read_with_a_warning_that_says_what_to_do(self, stubs: Stubs) -> None:
        put(stubs, "old", OWN_FORM)
        assert replace(stubs.read("old"), notice="") == Stub(
            "old", "MLTKContainer", {"params": {"algo": "a"}, "model_name": "old"}, ("width",), None
        )
        result = Mltk(ClientSettings(), stubs).listmodels()
        assert result.frame["type"].tolist() == ["MLTKContainer"]
        assert "Splunk cannot read. Fit the model again" in result.messages[0].text


class TestNames:
    """Result columns of ``apply``, which depend on the client that reads the stub (protocol 7)."""

    @pytest.fixture
    def container(self) -> Any:
        with standin() as state:
            answer = {"status": "success", "message": "/apply done successfully", "results": "a,b\n1,2\n3,4\n"}
            state.answer = lambda path, payload: (200, json.dumps(answer).encode())
            yield state

    @pytest.mark.parametrize(
        ("name", "arguments", "expected"),
        [
            (NAMES[0], "m", ["predicted_label", "b"]),
            (NAMES[0], "m as guess", ["guess", "b"]),
            (NAMES[1], "m", ["predicted_a", "predicted_b"]),
            (NAMES[1], "m as guess", ["guess_a", "guess_b"]),
            (NAMES[2], "m", ["predicted_label", "b"]),
            (NAMES[2], "m as guess", ["guess", "b"]),
            ("toolkit without a target", "m", ["predicted_None", "b"]),
            ("toolkit without a target", "m as guess", ["guess", "b"]),
        ],
    )
    def test_columns_after_apply(
        self, stubs: Stubs, container: Standin, name: str, arguments: str, expected: list[str]
    ) -> None:
        if name in NAMES:
            put(stubs, "m", stored(name))
        else:
            stubs.write(Stub("m", "AITKContainer", {"params": {"algo": "a"}}, ("text",), None))
        mltk = Mltk(ClientSettings(url=container.url, token=TOKEN), stubs)
        frame = pd.DataFrame({"text": ["x", "y"]})
        assert list(mltk.apply(frame, parse_apply(arguments), stubs.read("m")).frame.columns) == ["text", *expected]
