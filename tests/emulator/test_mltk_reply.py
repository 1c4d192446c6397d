"""From the container's answer to result columns (protocol 1.3)."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from dltk_runtime.client.errors import ReplyUnreadable
from dltk_runtime.client.http import Reply
from dltk_runtime.emulator.mltk import reply

FRAME = pd.DataFrame({"x": [1, 2], "label": ["a", "b"]})
RESULTS = pd.DataFrame({"0": ["p", "q"], "label": [0.1, 0.2]})


def answered(http: int = 200, body: bytes | str | None = None, **answer: object) -> Reply:
    content = json.dumps(answer) if body is None else body
    return Reply("http://c/fit", http, "Reason", content if isinstance(content, bytes) else content.encode())


class TestMerge:
    def test_with_a_target_the_first_column_is_the_prediction_and_the_others_keep_their_names(self) -> None:
        merged = reply.merge(FRAME, RESULTS, "y", None)
        assert list(merged.columns) == ["x", "predicted_y", "label"]
        assert merged["label"].tolist() == [0.1, 0.2], "a column of the same name is replaced"

    def test_as_names_the_prediction(self) -> None:
        assert list(reply.merge(FRAME, RESULTS, "y", "guess").columns) == ["x", "guess", "label"]

    def test_without_a_target_every_column_gets_a_prefix(self) -> None:
        assert list(reply.merge(FRAME, RESULTS, None, None).columns) == ["x", "label", "predicted_0", "predicted_label"]
        assert list(reply.merge(FRAME, RESULTS, None, "out").columns) == ["x", "label", "out_0", "out_label"]

    def test_rows_are_appended_by_position_whatever_the_index(self) -> None:
        merged = reply.merge(FRAME.set_axis([7, 3]), RESULTS, "y", None)
        assert merged["predicted_y"].tolist() == ["p", "q"]
        assert merged["x"].tolist() == [1, 2]

    @pytest.mark.parametrize("rows", [0, 1, 3])
    def test_another_number_of_rows_leaves_only_the_results(self, rows: int) -> None:
        results = pd.DataFrame({"a": range(rows)})
        merged = reply.merge(FRAME, results, "y", None)
        assert list(merged.columns) == ["predicted_y"]
        assert len(merged) == rows


class TestRead:
    def test_success_has_results_read_as_pandas_reads(self) -> None:
        answer = reply.read(answered(status="success", message="done", results="id\n007\n"))
        assert str(answer.message) == "INFO done"
        assert answer.results is not None
        assert answer.results["id"].tolist() == [7]

    @pytest.mark.parametrize(("status", "level"), [("staged", "INFO"), ("submitted", "INFO"), ("error", "ERROR")])
    def test_no_results_is_a_message(self, status: str, level: str) -> None:
        answer = reply.read(answered(status=status, message="text"))
        assert answer.results is None
        assert str(answer.message) == f"{level} text"

    def test_an_answer_without_a_message_says_its_status(self) -> None:
        assert str(reply.read(answered(status="error")).message) == "ERROR The container answered: error"

    def test_empty_results_are_no_rows(self) -> None:
        answer = reply.read(answered(status="success", results="\n"))
        assert answer.results is not None
        assert answer.results.empty

    @pytest.mark.parametrize(
        "bad",
        [
            answered(500, "<html>"),
            answered(302, ""),
            answered(200, "<html>"),
            answered(200, b"\xff"),
            answered(200, '"text"'),
            answered(200, "[]"),
            answered(200, "{}"),
            answered(status="success", results=[1]),
            answered(status="success", results='a\n1,2\n1,2,3\n"'),
        ],
    )
    def test_whatever_else_comes_is_unreadable_and_shown(self, bad: Reply) -> None:
        with pytest.raises(ReplyUnreadable, match=r"unable to read JSON response from http://c/fit: .* body begins"):
            reply.read(bad)

    def test_a_refused_token_comes_with_advice(self) -> None:
        with pytest.raises(ReplyUnreadable, match=r"HTTP 401 Reason.*invalid.*--token or DLTK_TOKEN"):
            reply.read(answered(401, '{"detail": "invalid"}'))
