"""fit, apply, summary, listmodels and deletemodel on frames, against a stand-in for a container."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk import request
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.grammar import parse_apply, parse_fit
from dltk_runtime.emulator.mltk.results import MessageLevel, Result, has_errors
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, counted, standin

IRIS = pd.DataFrame({"id": ["007", "008"], "width": ["1.5", "2"], "species": ["a", "b"]})


@pytest.fixture
def container() -> Iterator[Standin]:
    with standin() as state:
        yield state


@pytest.fixture
def mltk(container: Standin, tmp_path: Path) -> Mltk:
    return Mltk(ClientSettings(url=container.url, token=TOKEN), Stubs(tmp_path))


def fit(mltk: Mltk, arguments: str, frame: pd.DataFrame = IRIS) -> Result:
    return mltk.fit(frame, parse_fit(f"MLTKContainer {arguments}"))


def apply(mltk: Mltk, arguments: str, frame: pd.DataFrame = IRIS) -> Result:
    command = parse_apply(arguments)
    return mltk.apply(frame, command, mltk.stubs.read(command.model))


class TestFit:
    def test_the_needed_columns_go_out_and_the_answer_stands_beside_all_columns(
        self, mltk: Mltk, container: Standin
    ) -> None:
        result = fit(mltk, "algo=a species from width into app:m")
        path, payload = container.requests[0]
        assert path == "/fit"
        assert payload["data"] == "width,species\n1.5,a\n2.0,b\n"
        assert payload["meta"]["target_variables"] == ["species"]
        assert payload["meta"]["options"]["mlspl_limits"]["max_fit_time"] == "600"
        assert result.frame.to_csv(index=False) == ("id,width,species,predicted_species\n7,1.5,a,0\n8,2.0,b,1\n"), (
            "identifiers are numbers now, as in Splunk"
        )
        assert [str(message) for message in result.messages] == ["INFO /fit done successfully"]

    def test_a_fit_that_takes_longer_than_max_fit_time_ends_the_search_and_leaves_no_stub(
        self, mltk: Mltk, container: Standin
    ) -> None:
        released = threading.Event()
        container.answer = lambda path, payload: (released.wait(20), counted(path, payload))[1]
        hasty = replace(mltk, limits={**mltk.limits, "max_fit_time": "0.2"})
        with pytest.raises(SearchError, match="max_fit_time"):
            fit(hasty, "algo=a width into app:m")
        released.set()
        assert mltk.stubs.names() == []

    def test_one_null_and_the_original_columns_vanish(self, mltk: Mltk) -> None:
        frame = pd.DataFrame({"k": ["a", "b", "c"], "x": ["1", "", "3"]})
        assert fit(mltk, "algo=a x", frame).frame.to_csv(index=False) == "predicted_index\n0\n1\n"

    @pytest.mark.parametrize(("status", "level"), [("error", "ERROR"), ("staged", "INFO"), ("submitted", "INFO")])
    def test_without_results_the_rows_pass_and_the_stub_is_written_all_the_same(
        self, mltk: Mltk, container: Standin, status: str, level: str
    ) -> None:
        container.says(status, "what happened")
        result = fit(mltk, "algo=a species from width into m")
        assert list(result.frame.columns) == list(IRIS.columns)
        assert [str(message) for message in result.messages] == [f"{level} what happened"]
        assert mltk.stubs.names() == ["m"]
        assert has_errors(result.messages) is (status == "error")

    def test_a_dead_container_is_a_message_and_the_stub_is_written(self, tmp_path: Path) -> None:
        result = fit(Mltk(ClientSettings(url="http://127.0.0.1:1"), Stubs(tmp_path)), "algo=a width into m")
        assert len(result.frame) == 2
        assert isinstance(result.messages[0].error, Unreachable)
        assert Stubs(tmp_path).names() == ["m"]

    def test_an_answer_that_is_no_json_is_shown_in_part(self, mltk: Mltk, container: Standin) -> None:
        container.sends(502, b"<html>Bad Gateway")
        (message,) = fit(mltk, "algo=a width").messages
        assert message.level is MessageLevel.ERROR
        assert message.text.startswith("unable to read JSON response from http://127.0.0.1:")
        assert "HTTP 502 Bad Gateway" in message.text
        assert "<html>Bad Gateway" in message.text

    def test_a_partial_fit_calls_once_for_each_chunk(
        self, mltk: Mltk, container: Standin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(request, "CHUNK_ROWS", 2)
        result = fit(mltk, "algo=a partial_fit=t x into m", pd.DataFrame({"x": range(5)}))
        assert [payload["data"] for _, payload in container.requests] == ["x\n0\n1\n", "x\n2\n3\n", "x\n4\n"]
        assert result.frame["predicted_index"].tolist() == [0, 1, 0, 1, 0]
        assert len(result.messages) == 1, "the same text of many chunks shows once"

    def test_apply_false_trains_and_passes_the_rows(self, mltk: Mltk, container: Standin) -> None:
        result = fit(mltk, "algo=a apply=f species from width")
        assert list(result.frame.columns) == list(IRIS.columns)
        assert "apply" not in container.payload["meta"]["options"]["params"]

    def test_more_than_max_inputs_are_sampled(self, container: Standin, tmp_path: Path) -> None:
        limits = request.LIMITS | {"max_inputs": "3"}
        mltk = Mltk(ClientSettings(url=container.url, token=TOKEN), Stubs(tmp_path), limits)
        result = fit(mltk, "algo=a x", pd.DataFrame({"x": range(10)}))
        assert list(result.frame.columns) == ["x", "predicted_index"]
        assert len(result.frame) == 3
        assert [message.level for message in result.messages] == ["WARN", "INFO"]

    def test_an_empty_frame_is_sent_as_splunk_sends_it(self, mltk: Mltk, container: Standin) -> None:
        container.says("error", "nothing to fit")
        fit(mltk, "algo=a x", pd.DataFrame())
        assert container.payload["data"] == "\n"


class TestApply:
    @pytest.fixture(autouse=True)
    def fitted(self, mltk: Mltk, container: Standin) -> None:
        fit(mltk, "algo=a mode=stage species from w* into app:m")
        container.requests.clear()

    def test_a_container_that_does_not_answer_is_waited_for_as_long_as_was_said(
        self, mltk: Mltk, container: Standin
    ) -> None:
        held = threading.Event()
        container.answer = lambda path, payload: (held.wait(10), (200, b"{}"))[1]
        result = apply(replace(mltk, apply_timeout=0.2), "m")
        held.set()
        assert "timed out" in str(result.messages[0])
        assert list(result.frame.columns) == list(IRIS.columns)

    def test_options_of_the_fit_features_expanded_and_no_target(self, mltk: Mltk, container: Standin) -> None:
        result = apply(mltk, "m", IRIS[["id", "width"]])
        path, payload = container.requests[0]
        assert path == "/apply"
        assert list(payload["meta"]) == ["options", "feature_variables"]
        assert payload["meta"]["feature_variables"] == ["width"]
        assert payload["meta"]["options"]["feature_variables"] == ["w*"]
        assert payload["meta"]["options"]["params"] == {"algo": "a", "mode": "stage"}
        assert payload["data"] == "width\n1.5\n2.0\n"
        assert list(result.frame.columns) == ["id", "width", "predicted_species"]

    def test_as_and_parameters_of_the_apply_win(self, mltk: Mltk, container: Standin) -> None:
        result = apply(mltk, "m as guess k=v")
        assert container.payload["meta"]["options"]["params"] == {"k": "v"}
        assert container.payload["meta"]["options"]["output_name"] == "guess"
        assert "guess" in result.frame.columns

    def test_each_fifty_thousand_rows_are_one_call(self, mltk: Mltk, container: Standin) -> None:
        result = apply(mltk, "m", pd.DataFrame({"width": range(120_001)}))
        rows = [payload["data"].count("\n") - 1 for _, payload in container.requests]
        assert rows == [50_000, 50_000, 20_001]
        assert len(result.frame) == 120_001
        assert result.frame["width"].tolist() == list(range(120_001))

    def test_a_null_costs_the_columns_of_its_own_chunk_only(self, mltk: Mltk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(request, "CHUNK_ROWS", 2)
        frame = pd.DataFrame({"k": ["a", "b", "c", "d"], "width": [1, None, 3, 4]})
        result = apply(mltk, "m", frame).frame
        assert result["k"].isna().tolist() == [True, False, False]
        assert result["predicted_species"].tolist() == [0, 0, 1]

    def test_a_failing_chunk_passes_its_rows_and_shows_its_error(
        self, mltk: Mltk, container: Standin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(request, "CHUNK_ROWS", 2)
        error = json.dumps({"status": "error", "message": "/apply: ERROR: no"}).encode()
        container.answer = lambda path, payload: (200, error) if "9" in payload["data"] else counted(path, payload)
        result = apply(mltk, "m", pd.DataFrame({"width": [1, 2, 9]}))
        assert result.frame["predicted_species"].isna().tolist() == [False, False, True]
        assert [message.level for message in result.messages] == ["INFO", "ERROR"]

    def test_missing_and_empty_fields_are_warnings(self, mltk: Mltk, container: Standin) -> None:
        fit(mltk, "algo=a width other id into n")
        result = apply(mltk, "n", pd.DataFrame({"width": ["1"], "id": [""]}))
        assert [str(message) for message in result.messages][:2] == [
            "WARN Missing field(s): other",
            "WARN Dropping field(s) without any value: id",
        ]
        assert container.payload["data"] == "width\n1\n"

    def test_a_model_that_is_not_there_is_an_error(self, mltk: Mltk) -> None:
        with pytest.raises(SearchInvalid, match=r'model "nope" does not exist\.'):
            apply(mltk, "nope")


class TestModels:
    def test_summary_is_one_row_with_the_json_text(self, mltk: Mltk, container: Standin) -> None:
        fit(mltk, "algo=a width into m")
        frame = mltk.summary(mltk.stubs.read("m")).frame
        assert list(frame.columns) == ["summary", "name", "api_url_external"]
        assert json.loads(frame["summary"][0])["token"] == "valid"
        assert frame["name"][0] == "m"
        assert frame["api_url_external"][0] == container.url

    def test_a_failed_summary_is_a_message(self, mltk: Mltk, container: Standin) -> None:
        fit(mltk, "algo=a width into m")
        container.sends(500, b"")
        result = mltk.summary(mltk.stubs.read("m"))
        assert result.frame.empty
        assert has_errors(result.messages)

    def test_models_are_listed_and_deleted(self, mltk: Mltk) -> None:
        fit(mltk, "algo=a width into app:b")
        fit(mltk, "algo=a width into user:a")
        listed = mltk.listmodels().frame
        assert list(listed.columns) == ["name", "type", "options", "owner", "app", "sharing"]
        assert listed["name"].tolist() == ["a", "b"]
        assert str(mltk.deletemodel("a").messages[0]) == 'INFO Deleted model "a".'
        assert mltk.listmodels().frame["name"].tolist() == ["b"]
