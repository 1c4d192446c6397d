"""Every shipped notebook with a time takes epoch numbers and ISO texts, in every common form."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.paths import SITE, Paths
from tests.library.test_notebook_functions import NOTEBOOKS, sample
from tests.notebook.helpers import module

EPOCHS = [1704067200.5, 1704070800.0, 1704153600.0]  # 2024-01-01 00:00:00.5, 01:00:00, 2024-01-02 00:00:00
FORMS: dict[str, list[Any]] = {
    "numbers": EPOCHS,
    "numbers as text": ["1704067200.5", "1704070800", "1.7041536e9"],
    "with a blank": ["2024-01-01 00:00:00.500", "2024-01-01 01:00:00", "2024-01-02"],
    "as Splunk writes": ["2024-01-01T00:00:00.500+00:00", "2024-01-01T02:00:00.000+01:00", "2024-01-01T19:00:00-05:00"],
    "numbers and texts": ["1704067200.5", "2024-01-01T01:00:00Z", "2024-01-02 00:00"],
    "in words": ["Jan 1 2024 00:00:00.5", "1 January 2024 01:00", "January 2, 2024"],
}


@pytest.fixture
def series(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SITE))
    for name in ("DLTK_HOME", "DLTK_NOTEBOOKS", "DLTK_CODE"):
        monkeypatch.setenv(name, "")
    finder = CodeFinder(Paths(tmp_path_factory.mktemp("home"), NOTEBOOKS))
    finder.install()
    yield module("series")
    finder.remove()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_time_is_read(series: ModuleType, form: str) -> None:
    df = pd.DataFrame({"_time": FORMS[form][::-1]})
    found = series.times_of(df, "_time")
    assert [each.timestamp() for each in found.dt.tz_localize("UTC")] == EPOCHS[::-1]
    assert series.order_of(df).tolist() == [2, 1, 0]


@pytest.mark.parametrize("value", ["soon", None, "2024-13-01"])
def test_what_is_no_time_is_refused(series: ModuleType, value: str | None) -> None:
    with pytest.raises(ValueError, match="_time: neither numbers nor times"):
        series.order_of(pd.DataFrame({"_time": ["2024-01-01", value]}))


def test_large_numbers_have_an_order_whatever_they_mean(series: ModuleType) -> None:
    assert series.order_of(pd.DataFrame({"_time": [3e18, 1e18, 2e18]})).tolist() == [1, 2, 0]


@pytest.mark.heavy
@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f+00:00", "mixed"])
def test_a_decomposition_is_the_same_for_epoch_numbers_and_iso_texts(form: str) -> None:
    seasons = module("seasonality_and_trend_decomposition")
    df = sample("co2").head(60)[::-1].reset_index(drop=True)
    times = pd.to_datetime(df["_time"], unit="s")
    forms = [f"%Y-%m-%d{' %H:%M' * (row % 2)}" for row in range(60)] if form == "mixed" else [form] * 60
    texts = [time.strftime(each) for time, each in zip(times, forms, strict=True)]
    answers = []
    for frame in (df, df.assign(_time=texts)):
        param = {"feature_variables": ["_time", "value"], "parameters": {"period": 12}}
        model = seasons.init(frame, param)
        seasons.fit(model, frame, param)
        answers.append(seasons.apply(model, frame, param).drop(columns="_time"))
    pd.testing.assert_frame_equal(*answers)


@pytest.mark.heavy
@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("dates", [[1704067200, 1704153600.5], ["2024-01-01", "2024-01-02 00:00:00.5"]])
def test_a_forecast_takes_epoch_numbers_and_iso_texts(dates: list[Any]) -> None:
    found = module("prophet_forecast").times(pd.DataFrame({"ds": dates}))
    assert [str(each) for each in found] == ["2024-01-01 00:00:00", "2024-01-02 00:00:00.500000"]
