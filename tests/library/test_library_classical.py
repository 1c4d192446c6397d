"""The classical notebooks of the library, each by papermill and by the searches that dashboards send."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import asked_for
from tests.library.cases import CASES, IRIS
from tests.library.helpers import (
    NOTEBOOKS,
    SAMPLES,
    Life,
    assert_ran_and_plotted,
    by_papermill,
    live,
    model_of,
    posted,
    results,
)
from tests.support.compiled import keep_compiled
from tests.support.service import Service

CODE = "grid=\"__import__('pathlib').Path('{}').touch()\""

# All fits are made for the first test, and the first of them wait for numba's compiler.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

BY_ID = {case.id: case for case in CASES}
NAMES = sorted({case.name for case in CASES})

# Searches that cannot work, and what the answer says.
REFUSED = {
    "a field that is text": ("dask_kmeans", "k=2 species sepal_length", "iris", "Field(s) species: not numeric"),
    "too many clusters": ("dask_kmeans", "k=1000 sepal_length", "iris", "k=1000 cannot be used: only 35 of the 150"),
    "no such picture": ("correlationmatrix", "plot=pie sepal_length sepal_width", "iris", "plot=pie cannot be used"),
    "no target": ("xgboost_regressor", "sepal_length", "iris", "The search names no target"),
    "no such setting": ("grid_search_svm", "grid=\"{'c': [1]}\" species from sepal_*", "iris", "SVC has no c"),
    "no dict": ("grid_search_svm", 'grid="[1, 2]" species from sepal_*', "iris", "no Python dict of lists"),
    "no such measure": ("graph_algo", "compute=fame src dest", "karate_club", "there is no measure fame"),
    "one end only": ("graph_algo", "src", "karate_club", "two ends of a connection"),
    "no regular expression": ("hashing_encoder", 'tokenizing_regex="[a" text', "remarks", "tokenizing_regex=[a cannot"),
    "no dates": ("prophet_forecast", "text y", "remarks", "Field(s) ds, y: missing"),
    "several series": ("drift_detection", "year volume", "nile", "one field that holds the series"),
    "too wide a window": ("drift_detection", "hazard=1 volume", "nile", "hazard=1.0 cannot be used"),
    "too small a share": ("random_cut_forest", "threshold=0 value", "sea_temperature", "threshold=0.0 cannot be used"),
    "too large a share": ("anomaly_detection_ecod", "contamination=0.7 value", "co2", "contamination=0.7 cannot"),
    "no reference": ("hashing_encoder_distance", "text", "remarks", "comparison_string is missing"),
    "too many nodes": ("river_halfspacetree", "height=16 value", "co2", "height=16 cannot be used"),
    "too few clients": ("ja3_encoder", "umap_neighbours=119 ja3", "ja3", "120 rows are too few for it"),
    "no such map": ("rapids_umap", "plot=pie sepal_length sepal_width", "iris", "no picture is called pie"),
    "no time": ("seasonality_and_trend_decomposition", "value", "co2", "Field(s) _time: missing"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """One home for the service and for papermill."""
    home = tmp_path_factory.mktemp("classical") / "home"
    keep_compiled(home, request.config)
    return home


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[Service]:
    with Service(home, NOTEBOOKS, DLTK_SPARES="0") as service:
        yield service


@pytest.fixture(scope="module")
def lives(request: pytest.FixtureRequest, service: Service) -> dict[str, Life]:
    """Each chosen case fitted twice, then, in a new server, applied without the target."""
    chosen = asked_for(request, "case")
    return live(service, {case.id: case.plan for case in CASES if case.id in chosen})


# Through the service


@pytest.mark.parametrize("case", BY_ID)
def test_a_fit_by_the_search_of_dashboards_answers_the_promised_columns(case: str, lives: dict[str, Life]) -> None:
    wanted, life = BY_ID[case], lives[case]
    answer = results(life.fit)
    assert answer.columns.tolist() == wanted.columns
    assert len(answer) == (wanted.answers or life.rows)
    assert "/fit done successfully" in life.fit["message"]
    message = life.fit["message"]
    assert wanted.warns in message
    assert wanted.warns or "warn" not in message.lower(), message


@pytest.mark.parametrize("case", BY_ID)
def test_a_version_has_the_metrics_of_a_healthy_model_and_its_own_files(case: str, lives: dict[str, Life]) -> None:
    wanted, life = BY_ID[case], lives[case]
    metrics = json.loads((life.version / "version.json").read_text())["train"]
    assert {key: metrics[key] for key, (low, high) in wanted.metrics.items() if not low <= metrics[key] <= high} == {}
    start = f"{wanted.name}_{model_of(wanted.name)}{wanted.form}"
    files = sorted(path.name.removeprefix(start) for path in life.version.iterdir() if path.name.startswith(start))
    assert files == sorted(wanted.kept)
    assert not list(life.version.glob("*.cloudpickle"))


@pytest.mark.parametrize("case", BY_ID)
def test_another_process_loads_the_model_and_answers_as_the_fit_did(case: str, lives: dict[str, Life]) -> None:
    life = lives[case]
    applied = results(life.applied)
    fitted = results(life.fit)[applied.columns]  # the field of the series is not sent when it was the target
    pd.testing.assert_frame_equal(applied, fitted, check_exact=False, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", BY_ID)
def test_the_summary_tells_versions_fields_and_metrics(case: str, lives: dict[str, Life]) -> None:
    summary = lives[case].summary["model_summary"]
    assert {"version", "features", "metrics"} <= summary.keys()
    assert BY_ID[case].metrics.keys() <= summary["metrics"].keys()


@pytest.mark.parametrize("case", [case.id for case in CASES if case.other])
def test_another_parameter_makes_another_result(case: str, lives: dict[str, Life]) -> None:
    first, second = results(lives[case].fit), results(lives[case].other)
    assert not first.equals(second)
    assert first.columns.tolist() == second.columns.tolist()


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(reason: str, service: Service) -> None:
    algorithm, search, sample, sentence = REFUSED[reason]
    answer = service.post("/fit", **posted(f"{algorithm} {search}", pd.read_csv(SAMPLES / f"{sample}.csv"), "refused"))
    assert answer["status"] == "error"
    assert sentence in answer["message"]


# What is special to one of them


@pytest.mark.parametrize("case", ["correlationmatrix", "shap_xgboost"])
def test_pictures_are_in_the_models_text_and_below_graphics(
    case: str, lives: dict[str, Life], service: Service
) -> None:
    text = lives[case].summary["model"]
    pictures = re.findall(r"'base64': b'([^']+)'", text)
    assert [base64.b64decode(picture)[:4] for picture in pictures] == [b"\x89PNG", b"\x89PNG"]
    places = lives[case].summary["model_summary"]["graphics"]
    assert sorted(places) == sorted(
        f"{case}_{model_of(case)}_{name}" for name in BY_ID[case].params.split('"')[1].split(",")
    )
    for place in places.values():
        assert service.send(f"/{place}", None, token="none")[:4] == b"\x89PNG"


@pytest.mark.parametrize("case", ["shap_xgboost"])
def test_what_the_fields_add_sums_up_to_the_prediction(case: str, lives: dict[str, Life]) -> None:
    answer = results(lives[case].fit)
    np.testing.assert_allclose(answer.filter(like="shap_").sum(axis=1), answer["0"], rtol=1e-4)


@pytest.mark.parametrize("case", ["drift_detection", "drift_detection_alone"])
def test_the_nile_changed_in_1899(case: str, lives: dict[str, Life]) -> None:
    years = pd.read_csv(SAMPLES / "nile.csv")["year"]
    assert years[results(lives[case].fit)["drift"] == 1].between(1898, 1900).tolist() == [True]


@pytest.mark.parametrize("case", ["random_cut_forest_alone", "anomaly_detection_ecod"])
def test_the_warmest_months_are_outliers_and_the_usual_ones_are_not(case: str, lives: dict[str, Life]) -> None:
    values = pd.read_csv(SAMPLES / "sea_temperature.csv")["value"]
    outlier = results(lives[case].fit)["outlier"] == 1
    assert outlier[values.idxmax()]
    assert not outlier[values.between(*values.quantile([0.2, 0.8]))].any()


@pytest.mark.parametrize("case", ["text_sentiment"])
def test_remarks_are_taken_as_they_were_meant(case: str, lives: dict[str, Life]) -> None:
    mood = pd.read_csv(SAMPLES / "remarks.csv")["mood"]
    assert ((results(lives[case].fit)["polarity"] > 0) == (mood == "good")).mean() > 0.85


@pytest.mark.parametrize("case", ["graph_algo"])
def test_the_hub_of_the_club_leads_and_a_stranger_has_no_measures(
    case: str, lives: dict[str, Life], service: Service
) -> None:
    sources = pd.read_csv(SAMPLES / "karate_club.csv")["src"]
    degree = results(lives[case].fit)["degree_centrality"].groupby(sources).first()
    assert degree.idxmax() == "member_1"
    assert degree["member_1"] == pytest.approx(16 / 33)
    stranger = pd.DataFrame({"src": ["nobody", "member_1"], "dest": ["member_2", "nobody"]})
    answer = results(service.post("/apply", **posted("graph_algo src dest", stranger, model_of("graph_algo"))))
    assert answer["degree_centrality"].isna().tolist() == [True, False]


@pytest.mark.parametrize("case", ["umap"])
def test_new_rows_are_placed_beside_those_that_they_are_like(
    case: str, lives: dict[str, Life], service: Service
) -> None:
    fitted = results(lives[case].fit)
    rows = pd.read_csv(SAMPLES / "iris.csv")[IRIS].iloc[[0, 60, 120]] + 0.01
    placed = results(service.post("/apply", **posted(f"umap {' '.join(IRIS)}", rows, model_of("umap"))))
    away = np.linalg.norm(placed.to_numpy() - fitted.iloc[[0, 60, 120]].to_numpy(), axis=1)
    assert (away < 2).all(), away


@pytest.mark.parametrize("case", ["prophet_forecast"])
def test_prophet_answers_dates_alone_in_the_order_in_which_they_came(
    case: str, lives: dict[str, Life], service: Service
) -> None:
    dates = pd.DataFrame({"ds": ["2003-07-01", "2002-01-01", "2002-10-01"]})
    answer = results(service.post("/apply", **posted("prophet_forecast ds", dates, model_of("prophet_forecast"))))
    assert answer["ds"].tolist() == dates["ds"].tolist()
    assert answer["yhat"].between(365, 385).all()


@pytest.mark.parametrize("case", ["stumpy", "random_cut_forest", "drift_detection"])
def test_rows_without_the_series_that_the_fit_did_not_see_are_refused(
    case: str, lives: dict[str, Life], service: Service
) -> None:
    named, _, feature = BY_ID[case].fields.partition(" from ")
    answer = service.post("/apply", **posted(f"{case} {feature}", pd.DataFrame({feature: [-1, -2]}), model_of(case)))
    assert answer["status"] == "error"
    assert f"Field(s) {named}: missing from the events that arrived, and 2 of 2" in answer["message"]


def test_a_grid_is_data_and_never_runs(service: Service, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    search = f"grid_search_svm {CODE.format(touched)} species from sepal_*"
    answer = service.post("/fit", **posted(search, pd.read_csv(SAMPLES / "iris.csv"), "grid"))
    assert answer["status"] == "error"
    assert "no Python dict of lists" in answer["message"]
    assert not touched.exists()


# By papermill


@pytest.fixture(scope="module")
def executed(request: pytest.FixtureRequest, home: Path) -> dict[str, list[Any]]:
    """Each chosen notebook run from top to bottom: what its cells put out."""
    chosen = asked_for(request, "name")
    return by_papermill(home, {name: {} for name in NAMES if name in chosen})


@pytest.mark.parametrize("name", NAMES)
def test_papermill_runs_a_notebook_from_top_to_bottom_and_it_plots(name: str, executed: dict[str, list[Any]]) -> None:
    assert_ran_and_plotted(executed[name])
