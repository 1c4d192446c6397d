"""The wire format of forecasts for the AI Toolkit: what is decoded, and what is made of a notebook's rows."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.errors import BodyInvalid
from dltk_runtime.names import ModelName
from dltk_runtime.payload import Payload
from dltk_runtime.server import forecast
from dltk_runtime.server.forecast import ForecastInvalid, ForecastRequest

NAME = ModelName("seasonal_ets", "default")
SERIES = {"coarse_ctx": [1.0], "fine_ctx": [1, 2.5, None]}


def body(*series: Any, quantiles: Any = ("mean", "p10", "p90"), **more: Any) -> bytes:
    return json.dumps({"payload": list(series), "model": "CDTSM", "metadata": {"quantiles": quantiles}} | more).encode()


def asked(horizon: int = 2, series: int = 1, quantiles: tuple[str, ...] = ("p10", "p90")) -> ForecastRequest:
    return ForecastRequest(Payload(b"", escaped=False), series, horizon, quantiles, "CDTSM")


def rows(*cells: dict[str, Any]) -> Payload:
    text = pd.DataFrame([{name: json.dumps(value) for name, value in row.items()} for row in cells]).to_csv(index=False)
    return Payload(text.encode(), escaped=False)


class TestDecode:
    def test_each_series_is_a_row_with_json_arrays(self) -> None:
        found = forecast.decode(body(SERIES, {"coarse_ctx": [], "fine_ctx": [-1e-9]}), "7")
        assert (found.series, found.horizon, found.quantiles, found.model) == (2, 7, ("p10", "p90"), "CDTSM")
        first, second = csv.DictReader(io.StringIO(bytes(found.rows.view()).decode()))
        assert json.loads(first["fine_ctx"]) == [1.0, 2.5, None]
        assert (json.loads(second["coarse_ctx"]), json.loads(second["fine_ctx"])) == ([], [-1e-9])

    def test_it_becomes_an_apply_of_the_forecaster(self) -> None:
        request = forecast.decode(body(SERIES), None).request(NAME)
        assert (request.algorithm, request.model) == ("seasonal_ets", "default")
        assert request.parameters == {"algo": "seasonal_ets", "horizon": "128", "quantiles": "p10,p90"}
        assert request.meta["feature_variables"] == ["coarse_ctx", "fine_ctx"]

    @pytest.mark.parametrize(
        ("sent", "horizon", "text"),
        [
            (b"{", None, "no request for forecasts"),
            (b"\xff", None, "no request for forecasts"),
            (b"[" * 10_000, None, "no request for forecasts"),
            (body({"fine_ctx": [1]}), None, "missing required field `coarse_ctx`"),
            (body({"coarse_ctx": [], "fine_ctx": ["x"]}), None, "Expected `float | null`, got `str`"),
            (body({"coarse_ctx": [], "fine_ctx": [None]}), None, "payload[0].fine_ctx' has no number"),
            (body({"coarse_ctx": [], "fine_ctx": [0] * 31_233}), None, "more than 31,232 numbers"),
            (body(), None, "0 series: expected 1 to 500"),
            (body(*[SERIES] * 501), None, "501 series"),
            (body(SERIES, quantiles=["p11"]), None, "'p11': expected mean, p1"),
            (body(*[SERIES] * 500), "4096", "more than 1,000,000 numbers"),
            (body(SERIES), "0", "horizon='0' is invalid"),
            (body(SERIES), "4097", "horizon='4097' is invalid"),
            (body(SERIES), "ten", "horizon='ten' is invalid"),
        ],
    )
    def test_what_is_not_asked_properly_is_named(self, sent: bytes, horizon: str | None, text: str) -> None:
        with pytest.raises(BodyInvalid) as refused:
            forecast.decode(sent, horizon)
        assert text in refused.value.sentence


class TestAnswer:
    def test_the_answer_has_the_form_that_the_toolkit_reads(self) -> None:
        sent = forecast.answer(asked(), rows({"mean": [1, 2], "p10": [0, 1], "p90": [2, 3]}), "id-1", NAME)
        assert json.loads(sent) == {
            "request_id": "id-1",
            "model": "CDTSM",
            "horizon": 2,
            "predictions": [{"mean": [1.0, 2.0], "quantiles": {"p10": [0.0, 1.0], "p90": [2.0, 3.0]}}],
        }

    def test_results_that_are_a_json_literal_already_are_read(self) -> None:
        text = json.dumps(bytes(rows({"mean": [1, 2]}).view()).decode())
        sent = forecast.answer(asked(quantiles=()), Payload(text.encode(), escaped=True), "", NAME)
        assert json.loads(sent)["predictions"] == [{"mean": [1.0, 2.0], "quantiles": {}}]

    @given(
        st.lists(
            st.tuples(*[st.floats(-1e9, 1e9)] * 3),
            min_size=1,
            max_size=20,
        )
    )
    def test_quantiles_never_cross_whatever_the_notebook_returns(self, steps: list[tuple[float, float, float]]) -> None:
        low, middle, high = (list(values) for values in zip(*steps, strict=True))
        wanted = asked(len(steps), quantiles=("p90", "p5", "p50"))
        sent = forecast.answer(wanted, rows({"mean": middle, "p90": low, "p5": middle, "p50": high}), "", NAME)
        found = json.loads(sent)["predictions"][0]["quantiles"]
        assert list(found) == ["p90", "p5", "p50"]
        assert all(a <= b <= c for a, b, c in zip(found["p5"], found["p50"], found["p90"], strict=True))
        assert found["p5"] == [min(step) for step in steps]

    @pytest.mark.parametrize(
        ("results", "text"),
        [
            (rows({"mean": [1, 2], "p10": [0, 1]}), "KeyError: 'p90'"),
            (rows({"mean": [1], "p10": [0], "p90": [2]}), "mean has 1 numbers for 2 steps"),
            (rows({"mean": [1, None], "p10": [0, 1], "p90": [2, 3]}), "Expected `float`, got `null`"),
            (rows(*[{"mean": [1, 2], "p10": [0, 1], "p90": [2, 3]}] * 2), "2 rows for 1 series"),
            (Payload(b"mean,p10,p90\n1,2,3\n", escaped=False), "Expected `array`"),
            (Payload(b"", escaped=False), "0 rows for 1 series"),
        ],
    )
    def test_rows_that_are_no_forecast_are_refused_by_name(self, results: Payload, text: str) -> None:
        with pytest.raises(ForecastInvalid) as refused:
            forecast.answer(asked(), results, "", NAME)
        assert refused.value.sentence.startswith("seasonal_ets returned no forecast")
        assert text in refused.value.sentence
