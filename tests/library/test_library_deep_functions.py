"""What the functions of the deep learning notebooks answer in cases that no sample holds, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from dltk_runtime.worker.converting import OnnxCandidate, as_float32
from dltk_runtime.worker.messages import Convert
from tests.library.functions import NOTEBOOKS, Get, algorithms, applied, asked, fitted, handed

MEASURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SERIES = pd.DataFrame({"value": np.sin(np.arange(60) / 4).round(3)})

# What each notebook is tried on: the target, the features, and a field that must hold numbers.
FORECASTS = ("univariate_cnn_forecast", "univariate_rnn_forecast")
ASKED: dict[str, tuple[str | None, list[str]]] = {
    "autoencoder": (None, MEASURES),
    "binary_nn_classifier_designer": ("is_virginica", [*MEASURES, "colour"]),
    "binary_nn_classifier_onnx": ("is_virginica", MEASURES),
    "linear_regressor": ("weight", [*MEASURES, "colour"]),
    "dnn_regressor": ("weight", [*MEASURES, "colour"]),
    "dnn_lab": ("species", MEASURES),
    "pytorch_logistic_regression": ("species", MEASURES),
    "dga_classifier": ("is_virginica", ["species"]),
    "multivariate_lstm": ("weight", MEASURES),
}
WITH_NUMBERS = [name for name in ASKED if name != "dga_classifier"]

# Where cores are few and busy, PyTorch's threads wait for one another.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Gives a notebook's functions by the finder that workers have; models lie in a folder of the module's."""
    with algorithms(tmp_path_factory.mktemp("home") / "home") as get:
        yield get


@pytest.fixture
def flowers() -> pd.DataFrame:
    df = pd.read_csv(NOTEBOOKS / "data" / "samples" / "iris.csv")
    df["is_virginica"] = (df["species"] == "virginica").astype(int)
    df["colour"] = np.where(np.arange(len(df)) % 3 == 0, "blue", "white")
    df["weight"] = df["petal_length"] * df["petal_width"] + (df["colour"] == "blue")
    return df


@pytest.mark.parametrize("name", ASKED)
def test_apply_goes_by_names_takes_no_rows_too_and_names_a_missing_field(
    name: str, algorithm: Get, flowers: pd.DataFrame
) -> None:
    notebook, (target, features) = algorithm(name), ASKED[name]
    model = fitted(notebook, flowers, asked(target, features, epochs="1"))
    answer = applied(notebook, model, flowers[features])
    turned = applied(notebook, model, flowers[features[::-1]].assign(extra="text"))
    pd.testing.assert_frame_equal(answer, turned)
    none = applied(notebook, model, flowers[features].head(0))
    assert (len(none), none.columns.tolist()) == (0, answer.columns.tolist())
    with pytest.raises(ValueError, match=rf"Field\(s\) {features[0]}: missing from the events that arrived"):
        applied(notebook, model, flowers[features].drop(columns=features[0]).assign(other=1))


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_text_in_a_field_of_numbers_is_refused_by_name(name: str, algorithm: Get, flowers: pd.DataFrame) -> None:
    notebook, (target, features) = algorithm(name), ASKED[name]
    model = fitted(notebook, flowers, asked(target, features, epochs="1"))
    with pytest.raises(ValueError, match=r"Field\(s\) sepal_width: not numeric"):
        applied(notebook, model, flowers[features].assign(sepal_width="wide"))


@pytest.mark.parametrize("name", [*ASKED, *FORECASTS])
def test_a_parameter_out_of_range_is_refused_by_name(name: str, algorithm: Get, flowers: pd.DataFrame) -> None:
    notebook, (target, features) = algorithm(name), ASKED.get(name, (None, ["value"]))
    df = flowers if name in ASKED else SERIES
    with pytest.raises(ValueError, match="epochs=0 cannot be used: it must be 1 or more"):
        notebook.init(df, handed(notebook, asked(target, features, epochs="0")))


@pytest.mark.parametrize(("given", "warnings"), [({}, 0), ({"hidden_layers": "8-4"}, 1)])
def test_a_logistic_regression_warns_of_hidden_layers(
    given: dict[str, str], warnings: int, algorithm: Get, flowers: pd.DataFrame
) -> None:
    notebook, (target, features) = algorithm("pytorch_logistic_regression"), ASKED["pytorch_logistic_regression"]
    param = handed(notebook, asked(target, features, epochs="1", **given))
    told = notebook.fit(notebook.init(flowers, param), flowers, param)["warnings"]
    assert [text.split(" ")[0] for text in told] == ["hidden_layers"] * warnings


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("autoencoder", {"components": "0"}, "components=0 cannot be used: it must be 1 or more"),
        ("binary_nn_classifier_onnx", {"structure": "2x2"}, "structure=2x2 cannot be used"),
        ("binary_nn_classifier_designer", {"numeric_features": "petal"}, "numeric_features=petal begins with none of"),
        (
            "binary_nn_classifier_designer",
            {"numeric_features": "petal_width", "embedding_features": "petal_width"},
            r"Field\(s\) petal_width: named more than once",
        ),
        ("binary_nn_classifier_designer", {"numeric_features": "colour"}, r"Field\(s\) colour: not numeric"),
        ("dnn_lab", {"dropout_rate": "1"}, "dropout_rate=1.0 cannot be used: it must be below 1"),
        ("dnn_regressor", {"learning_rate": "0"}, r"learning_rate=0.0 cannot be used: it must be above 0"),
        ("multivariate_lstm", {"previous_steps": "-1"}, "previous_steps=-1 cannot be used"),
        ("multivariate_lstm", {"hidden_layers": "8-"}, "hidden_layers=8- cannot be used"),
    ],
)
def test_values_that_make_no_model_are_refused_by_name(
    name: str, params: dict[str, str], sentence: str, algorithm: Get, flowers: pd.DataFrame
) -> None:
    notebook, (target, features) = algorithm(name), ASKED[name]
    with pytest.raises(ValueError, match=sentence):
        notebook.init(flowers, handed(notebook, asked(target, features, **params)))


@pytest.mark.parametrize(
    ("name", "target", "sentence"),
    [
        ("dga_classifier", "species", "must hold both 0 and 1, or both true and false; it holds setosa"),
        ("binary_nn_classifier_onnx", None, "names no target"),
        ("dnn_regressor", "species", r"Field\(s\) species: not numeric"),
        ("multivariate_lstm", "nowhere", r"Field\(s\) nowhere: missing"),
        ("pytorch_logistic_regression", "same", "must hold 2 to 1000 different values; there are 1 in 150 rows"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused_by_name(
    name: str, target: str | None, sentence: str, algorithm: Get, flowers: pd.DataFrame
) -> None:
    notebook, (_, features) = algorithm(name), ASKED[name]
    with pytest.raises(ValueError, match=sentence):
        notebook.init(flowers.assign(same=1), handed(notebook, asked(target, features)))


# Fields of several kinds


@pytest.mark.parametrize("parameter", ["categorical_features", "embedding_features"])
def test_categories_may_be_numbers_and_new_ones_may_come(parameter: str, algorithm: Get, flowers: pd.DataFrame) -> None:
    designer = algorithm("binary_nn_classifier_designer")
    df = flowers.assign(kind=np.arange(len(flowers)) % 4)
    model = fitted(designer, df, asked("is_virginica", ["petal_width", "kind"], epochs="1", **{parameter: "kind"}))
    answer = applied(designer, model, df[["petal_width", "kind"]])
    floats = applied(designer, model, df[["petal_width", "kind"]].astype({"kind": float}))
    pd.testing.assert_frame_equal(answer, floats)
    assert applied(designer, model, df[["petal_width", "kind"]].assign(kind="new"))["0"].between(0, 1).all()


def test_a_list_of_fields_may_name_fields_that_hold_its_signs(algorithm: Get, flowers: pd.DataFrame) -> None:
    designer = algorithm("binary_nn_classifier_designer")
    df = flowers.rename(columns={"petal_width": "a-b", "petal_length": "a", "sepal_width": "b-c"})
    lists = {"numeric_features": '"a-b-a b-c"', "embedding_features": '"colour , species"'}
    features = ["a", "a-b", "b-c", "sepal_length", "colour", "species"]
    model = designer.init(df, handed(designer, asked("is_virginica", features, **lists)))
    assert model["fields"]["numbers"] == ["a-b", "a", "b-c", "sepal_length"]
    assert list(model["fields"]["embedded"]) == ["colour", "species"]


def test_categories_alone_are_enough_and_weigh_what_they_add(algorithm: Get, flowers: pd.DataFrame) -> None:
    linear = algorithm("linear_regressor")
    df = flowers.assign(weight=np.where(flowers["colour"] == "blue", 30.0, 10.0))
    model = fitted(linear, df, asked("weight", ["colour"], epochs="60", learning_rate="0.05"))
    assert model["weights"]["colour=blue"] - model["weights"]["colour=white"] == pytest.approx(20, rel=0.05)
    assert model["metrics"]["r2"] > 0.99


# Single notebooks


def test_dnn_lab_trains_on_marked_rows_and_takes_label_for_a_target_that_is_not_named(
    algorithm: Get, flowers: pd.DataFrame
) -> None:
    lab = algorithm("dnn_lab")
    df = flowers.rename(columns={"species": "label"}).assign(is_train=1)
    df.loc[df["label"] == "virginica", "is_train"] = 0
    model = fitted(lab, df, asked(None, [*MEASURES, "is_train", "label"], epochs="20"))
    assert (model["target"], model["features"]) == ("label", MEASURES)
    assert (model["metrics"]["rows"], model["metrics"]["test_rows"]) == (100, 50)
    assert model["metrics"]["accuracy"] > 0.9
    assert model["metrics"]["test_accuracy"] == 0  # of a class that no training row holds
    with pytest.raises(ValueError, match="'is_train' marks no row"):
        lab.init(df.assign(is_train=0), handed(lab, asked("label", [*MEASURES, "is_train"])))


def test_dga_classifier_knows_names_it_has_not_seen_whatever_their_case(algorithm: Get) -> None:
    dga = algorithm("dga_classifier")
    train, test = (pd.read_csv(NOTEBOOKS / "data" / "samples" / f"dga_{part}.csv") for part in ("train", "test"))
    train, test = (df.rename(columns={"domain": "query"}) for df in (train, test))
    model = fitted(dga, train, asked("is_dga", ["query"], epochs="4", batch_size="64"))
    answer = applied(dga, model, test[["query"]])
    assert (answer["is_dga"] == test["is_dga"]).mean() > 0.9
    loud = applied(dga, model, test[["query"]].assign(query=test["query"].str.upper() + "."))
    pd.testing.assert_frame_equal(answer, loud)
    odd = pd.DataFrame({"query": ["", "münchen.de", "x" * 500, "12345"]})
    assert applied(dga, model, odd)["dga_score"].between(0, 1).all()


@pytest.mark.parametrize("name", FORECASTS)
def test_a_forecast_has_a_row_for_each_step_and_an_apply_may_ask_for_others(name: str, algorithm: Get) -> None:
    forecast = algorithm(name)
    param = asked(None, ["_time", "value"], epochs="1", future_steps="3", holdback="5", hidden_layers="4")
    param["options"]["split_by"] = ["value"]
    df = SERIES.assign(_time=range(len(SERIES)))
    model = fitted(forecast, df, param)
    assert (model["field"], model["window"]) == ("value", 18)
    answer = applied(forecast, model, SERIES)
    assert (len(answer), answer["0"].isna().sum()) == (63, 18)
    other = applied(forecast, model, SERIES, future_steps="7", holdback="0")
    assert len(other) == 67
    np.testing.assert_allclose(other["0"][18:55], answer["0"][18:55], rtol=1e-5)
    # Steps held back are not looked at: whatever they hold, the forecast is the same.
    hidden = SERIES.assign(value=SERIES["value"].where(SERIES.index < 55, 9.0))
    pd.testing.assert_frame_equal(applied(forecast, model, hidden), answer)


@pytest.mark.parametrize("name", FORECASTS)
def test_a_series_that_cannot_be_forecast_is_refused_by_name(name: str, algorithm: Get) -> None:
    forecast = algorithm(name)
    for df, features, sentence in (
        (SERIES.head(20), ["value"], r"Field\(s\) value: the series is too short. 20 rows .* holdback=10"),
        (SERIES.assign(value="high"), ["value"], r"Field\(s\) value: not numeric"),
        (SERIES.assign(more=1), ["value", "more"], "One field is forecast at a time; the search names value, more"),
    ):
        with pytest.raises(ValueError, match=sentence):
            forecast.init(df, handed(forecast, asked(None, features, holdback="10")))
    model = fitted(forecast, SERIES, asked(None, ["value"], epochs="1", holdback="10", hidden_layers="2"))
    with pytest.raises(ValueError, match="Too few rows to forecast from: 12 rows arrived and holdback=10"):
        applied(forecast, model, SERIES.head(12))


def test_multivariate_lstm_looks_at_the_rows_before(algorithm: Get, flowers: pd.DataFrame) -> None:
    lstm = algorithm("multivariate_lstm")
    model = fitted(lstm, flowers, asked("weight", MEASURES, epochs="1", previous_steps="2", hidden_layers="4"))
    answer = applied(lstm, model, flowers[MEASURES])["prediction"]
    changed = flowers[MEASURES].copy()
    changed.loc[50] += 5
    differs = (applied(lstm, model, changed)["prediction"] - answer).abs() > 1e-6
    assert differs[differs].index.tolist() == [50, 51, 52]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter of PyTorch that traces
@pytest.mark.parametrize("name", ["pytorch_logistic_regression", "binary_nn_classifier_onnx"])
def test_to_onnx_computes_what_apply_does(name: str, algorithm: Get, flowers: pd.DataFrame) -> None:
    notebook, (target, features) = algorithm(name), ASKED[name]
    model = fitted(notebook, flowers, asked(target, features, epochs="1"))
    rows = as_float32(flowers, features)
    candidate = OnnxCandidate(Convert(b"{}", tuple(features), 0, {}), model, notebook.to_onnx)
    candidate.convert()
    answer, file = candidate.compared(applied(notebook, model, rows), rows)
    assert answer.by == "the notebook's to_onnx"
    assert {each.problem for each in answer.differences} == {""}
    assert file
