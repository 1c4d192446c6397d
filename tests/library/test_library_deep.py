"""The deep learning notebooks of the library, each by papermill and by the searches that dashboards send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest

from tests.conftest import asked_for
from tests.library.helpers import (
    NOTEBOOKS,
    SAMPLES,
    Life,
    Plan,
    assert_ran_and_plotted,
    by_papermill,
    live,
    model_of,
    results,
)
from tests.support.service import Service

IRIS = "sepal_length sepal_width petal_length petal_width"
DIABETES = "age sex bmi bp s1 s2 s3 s4 s5 s6 weight_class"
WINE = "alcohol malic_acid ash color_intensity hue proline is_train"
LOGINS = "hour failed_before distance_km device country"

# All fits, and the imports of TensorFlow before each of them, are made for the first test.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Case:
    """A notebook, the search that must work, and what comes back."""

    name: str
    search: str  # what follows algo=NAME
    sample: str
    columns: list[str]  # what they begin with
    floor: dict[str, float]  # metrics that a healthy model exceeds and a broken one does not
    other: str  # parameters that must change the result
    kept: set[str]  # endings of the files that keep the model
    further_rows: int = 0
    by_hand: dict[str, str] = field(default_factory=lambda: {"epochs": "1"})

    @property
    def plan(self) -> Plan:
        frame = pd.read_csv(SAMPLES / f"{self.sample}.csv")
        if self.sample == "iris":
            frame["is_virginica"] = (frame["species"] == "virginica").astype(int)
        fields = self.search.rpartition("=")[2].partition(" ")[2]
        return Plan(self.name, self.search, frame, f"{self.other} {fields}")


KERAS, TORCH = {".keras", ".json"}, {".pt", ".json"}
CASES = [
    Case(
        "autoencoder",
        f"epochs=10 components=2 {IRIS}",
        "iris",
        [f"reconstruction_{number}" for number in range(4)] + ["hidden_0", "hidden_1"],
        {"explained": 0.7},
        "epochs=10 components=2 activation_func=elu batch_size=16",
        KERAS,
    ),
    Case(
        "binary_nn_classifier_designer",
        'epochs=10 structure="2-2" numeric_features="hour-failed_before&&distance_km" categorical_features="device" '
        f'embedding_features="country" is_takeover from {LOGINS}',
        "logins",
        ["0"],
        {"roc_auc": 0.8, "accuracy": 0.7},
        'epochs=10 structure="2-2" categorical_features="device,country"',
        KERAS,
    ),
    Case(
        "binary_nn_classifier_onnx",
        f'epochs=10 structure="2-2" is_virginica from {IRIS}',
        "iris",
        ["0"],
        {"roc_auc": 0.9},
        'epochs=10 structure="3-1"',
        KERAS | {".onnx"},
    ),
    Case(
        "linear_regressor",
        f"epochs=20 batch_size=32 target from {DIABETES}",
        "diabetes",
        ["0"],
        {"r2": 0.4},
        "epochs=20 batch_size=32 learning_rate=0.05",
        KERAS,
    ),
    Case(
        "dnn_regressor",
        f"epochs=20 batch_size=32 target from {DIABETES}",
        "diabetes",
        ["0"],
        {"r2": 0.5},
        "epochs=20 batch_size=64",
        KERAS,
    ),
    Case(
        "dnn_lab",
        f"epochs=5 label from {WINE}",
        "wine",
        ["Result", "probability_grower_1", "probability_grower_2", "probability_grower_3"],
        {"test_accuracy": 0.9},
        "epochs=5 num_hidden_layers=1 components=8 activation_name=GELU dropout_rate=0.1 optimizer_name=RMSprop",
        TORCH,
    ),
    Case(
        "pytorch_logistic_regression",
        f"epochs=200 species from {IRIS}",
        "iris",
        ["class", "probability_setosa", "probability_versicolor", "probability_virginica"],
        {"accuracy": 0.95},
        "epochs=20 batch_size=16 learning_rate=0.01",
        TORCH,
    ),
    Case(
        "dga_classifier",
        "epochs=5 is_dga from domain",
        "dga",
        ["is_dga", "dga_score"],
        {"f1": 0.9, "accuracy": 0.9},
        "epochs=1 batch_size=64",
        TORCH,
    ),
    Case(
        "univariate_cnn_forecast",
        "epochs=5 future_steps=10 holdback=10 value by value",
        "requests",
        ["0"],
        {"r2": 0.9},
        'epochs=5 future_steps=10 holdback=10 hidden_layers="8" activation=elu batch_size=16',
        KERAS,
        further_rows=10,
    ),
    Case(
        "univariate_rnn_forecast",
        "epochs=5 future_steps=10 holdback=10 value by value",
        "requests",
        ["0"],
        {"r2": 0.9},
        'epochs=2 future_steps=10 holdback=10 hidden_layers="8" activation=tanh batch_size=16',
        KERAS,
        further_rows=10,
        by_hand={"epochs": "1", "hidden_layers": "4-4"},
    ),
    Case(
        "multivariate_lstm",
        "epochs=3 previous_steps=3 target from age sex bmi bp s1 s2 s3 s4 s5 s6",
        "diabetes",
        ["prediction"],
        {"r2": 0.3},
        'epochs=3 previous_steps=1 hidden_layers="8-4" activation=elu batch_size=32',
        KERAS,
    ),
]
BY_NAME = {case.name: case for case in CASES}


def chosen(request: pytest.FixtureRequest) -> list[str]:
    """The notebooks whose tests this session runs."""
    names = asked_for(request, "name")
    return [name for name in BY_NAME if name in names]


@pytest.fixture(scope="module")
def lives(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Life]]:
    """Each chosen notebook fitted twice, then, in a new server, applied without the target."""
    with Service(tmp_path_factory.mktemp("library") / "home", NOTEBOOKS, DLTK_SPARES="2") as service:
        yield live(service, {name: BY_NAME[name].plan for name in chosen(request)})


# Through the service


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fit_by_the_search_of_dashboards_answers_the_promised_columns(name: str, lives: dict[str, Life]) -> None:
    case, life = BY_NAME[name], lives[name]
    answer = results(life.fit)
    assert answer.columns.tolist()[: len(case.columns)] == case.columns
    assert len(answer) == life.rows + case.further_rows
    assert "/fit done successfully" in life.fit["message"]
    assert "warn" not in life.fit["message"].lower(), life.fit["message"]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_version_has_metrics_above_those_of_a_broken_model_and_no_pickle(name: str, lives: dict[str, Life]) -> None:
    case, life = BY_NAME[name], lives[name]
    metrics = json.loads((life.version / "version.json").read_text())["train"]
    assert {key: value for key, value in metrics.items() if value < case.floor.get(key, value)} == {}
    assert case.floor.keys() <= metrics.keys()
    files = {path.suffix for path in life.version.iterdir() if path.name.startswith(f"{name}_{model_of(name)}")}
    assert files == case.kept


@pytest.mark.parametrize("name", BY_NAME)
def test_another_process_loads_the_model_and_answers_as_the_fit_did(name: str, lives: dict[str, Life]) -> None:
    life = lives[name]
    pd.testing.assert_frame_equal(results(life.applied), results(life.fit), check_exact=False, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_summary_tells_parameters_and_metrics(name: str, lives: dict[str, Life]) -> None:
    summary = lives[name].summary["model_summary"]
    assert {"version", "epochs", "network", "metrics"} <= summary.keys()
    assert isinstance(summary["epochs"], int)
    assert BY_NAME[name].floor.keys() <= summary["metrics"].keys()


@pytest.mark.parametrize("name", BY_NAME)
def test_another_parameter_makes_another_model(name: str, lives: dict[str, Life]) -> None:
    life = lives[name]
    first, second = results(life.fit), results(life.other)
    assert first.columns.tolist() == second.columns.tolist()
    assert len(first) == len(second)
    assert not first.equals(second)


# By papermill


@pytest.fixture(scope="module")
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Each chosen notebook run from top to bottom: what its cells put out."""
    home = tmp_path_factory.mktemp("executed") / "home"
    return by_papermill(home, {name: BY_NAME[name].by_hand for name in chosen(request)})


@pytest.mark.parametrize("name", BY_NAME)
def test_papermill_runs_a_notebook_from_top_to_bottom_and_it_plots(name: str, executed: dict[str, list[Any]]) -> None:
    assert_ran_and_plotted(executed[name])
