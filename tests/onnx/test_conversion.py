"""Eight algorithms as ONNX beside their own predictions, on 10,000 rows sent as float32; and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from dltk_runtime.onnx.convert import convert, opset_of
from dltk_runtime.onnx.errors import OnnxRefused
from dltk_runtime.onnx.graph import Graph
from dltk_runtime.worker.converting import OnnxCandidate, as_float32
from dltk_runtime.worker.messages import Convert, Converted

FEATURES = ("a", "b", "c", "d")
FITTED_ROWS, ROWS = 300, 10_000
Predict = Callable[[np.ndarray[Any, Any]], Any]

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]


def drawn(rows: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(rows).normal(3, 2, (rows, len(FEATURES)))


X = drawn(FITTED_ROWS)
QUANTITY = X[:, 0] * 3 + X[:, 1] ** 2
KIND = np.where(QUANTITY > 20, "high", np.where(QUANTITY > 8, "middle", "low")).astype(object)


def compared(model: Any, predict: Predict, opset: int = 0, own: Any = None) -> tuple[Converted, bytes]:
    """The comparison with what `predict` gives for 10,000 rows, as an export makes it in a worker."""
    request = Convert(b"{}", FEATURES, opset, {"target": "y"})
    rows = as_float32(pd.DataFrame(drawn(ROWS), columns=list(FEATURES)), FEATURES)
    candidate = OnnxCandidate(request, model, own)
    candidate.convert()
    answer, file = candidate.compared(pd.DataFrame(predict(rows.to_numpy())), rows)
    return answer, bytes(file)


def sklearn_models() -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classifiers = (RandomForestClassifier(20, random_state=1), make_pipeline(StandardScaler(), SVC()))
    return [LinearRegression().fit(X, QUANTITY), *(each.fit(X, KIND) for each in classifiers)]


def xgboost_models() -> list[Any]:
    import xgboost

    classes = (QUANTITY > 10).astype(int)
    return [
        xgboost.XGBRegressor(n_estimators=30).fit(X, QUANTITY),
        xgboost.XGBClassifier(n_estimators=30).fit(X, classes),
    ]


@pytest.mark.parametrize("models", [sklearn_models, xgboost_models])
def test_models_of_scikit_learn_and_xgboost_are_converted_within_the_bounds(models: Callable[[], list[Any]]) -> None:
    for model in models():
        answer, file = compared({"metrics": {}, "machine": model}, model.predict)
        (difference,) = answer.differences
        assert difference.problem == ""
        assert difference.rows == ROWS
        assert answer.opset <= 17
        graph = Graph(file, "the file")
        assert (graph.features, graph.results, graph.target) == (list(FEATURES), ["0"], "y")
        # What apply does not return is in no output of the file: it was not compared.
        (output,) = graph.run(pd.DataFrame(drawn(5), columns=list(FEATURES)))
        assert len(output.columns) == 1


def test_a_network_of_torch_is_converted_within_the_bounds() -> None:
    import torch

    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))

    def predict(x: np.ndarray[Any, Any]) -> Any:
        with torch.inference_mode():
            return network(torch.tensor(x, dtype=torch.float32)).double().numpy()

    answer, file = compared(network, predict)
    assert [each.problem for each in answer.differences] == ["", ""]
    assert file


def test_networks_of_keras_are_converted_within_the_bounds_and_others_refused_by_layer() -> None:
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    small = [layers.Dense(8, activation="relu"), layers.Dropout(0.1), layers.Dense(1, activation="sigmoid")]
    scaled = [layers.Normalization(dtype="float64"), layers.Dense(8, activation="tanh"), layers.Dense(3)]
    for chain in (small, scaled):
        network = keras.Sequential([keras.Input((4,)), *chain])
        if chain is scaled:
            chain[0].adapt(X)
        answer, file = compared({"network": network}, lambda x, network=network: network.predict(x, verbose=0))
        assert {each.problem for each in answer.differences} == {""}
        assert file
    with pytest.raises(OnnxRefused, match=r"onnx \d.*keras \d.*LayerNormalization.* not supported.*to_onnx"):
        convert(keras.Sequential([keras.Input((4,)), layers.LayerNormalization()]), None, FEATURES, 0)


def test_an_apply_that_does_more_than_its_estimator_is_refused() -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, QUANTITY)
    answer, file = compared(model, lambda x: model.predict(x) + 1)
    assert "10,000 of 10,000 rows differ" in answer.differences[0].problem
    assert not file
    with pytest.raises(OnnxRefused, match=r"apply returns the column\(s\) 0, 1, the ONNX model variable.*to_onnx"):
        compared(model, lambda x: x[:, :2])
    with pytest.raises(OnnxRefused, match="returns 5 rows for 10,000"):
        compared(model, lambda x: x[:5, :1])


def test_what_no_converter_takes_is_refused_with_both_versions() -> None:
    from sklearn.base import BaseEstimator

    class Own(BaseEstimator):  # type: ignore[misc]
        """An estimator that skl2onnx does not know."""

    with pytest.raises(OnnxRefused, match=r"Own cannot be converted \(skl2onnx \d.*, scikit-learn \d.*to_onnx"):
        convert(Own(), None, FEATURES, 0)
    with pytest.raises(OnnxRefused, match=r"no estimator.*to_onnx"):
        convert({"a": 1}, None, FEATURES, 0)
    with pytest.raises(OnnxRefused, match="2 estimators"):
        convert({"a": Own(), "b": Own()}, None, FEATURES, 0)


def test_the_opset_is_the_highest_that_the_file_may_need() -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, QUANTITY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert opset_of(convert(model, None, FEATURES, 12).model) <= 12


def made(opset: int = 17) -> onnx.ModelProto:
    """A graph that adds its two fields, each an input of its own."""
    pair = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows"]) for name in ("a", "b")]
    total = onnx.helper.make_tensor_value_info("total", onnx.TensorProto.FLOAT, ["rows"])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["a", "b"], ["total"])], "sum", pair, [total])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])


def test_a_notebooks_own_to_onnx_comes_first() -> None:
    answer, file = compared({}, lambda x: x[:, 0] + x[:, 1], own=lambda model: made())
    assert (answer.by, answer.opset) == ("the notebook's to_onnx", 17)
    assert file
    assert compared({}, lambda x: x[:, 0] + x[:, 1], own=lambda model: made().SerializeToString())[1] == file
    answer, _ = compared({}, lambda x: x[:, 0] + x[:, 1], opset=13, own=lambda model, opset: made(opset))
    assert answer.opset == 13
    with pytest.raises(OnnxRefused, match="made opset 17, and --opset allows 13"):
        convert({}, lambda model: made(), FEATURES, 13)
    with pytest.raises(OnnxRefused, match="returned NoneType"):
        convert({}, lambda model: None, FEATURES, 0)


def test_a_file_that_is_no_model_or_has_unknown_fields_is_refused() -> None:
    with pytest.raises(OnnxRefused, match=r"x\.onnx cannot be loaded by onnxruntime"):
        Graph(b"no model", "x.onnx")
    graph = Graph(made().SerializeToString(), "x.onnx")
    assert graph.features == ["a", "b"]
    with pytest.raises(OnnxRefused, match=r"lack the field\(s\) b"):
        graph.run(pd.DataFrame({"a": [1.0]}))
    with pytest.raises(OnnxRefused, match="cannot score these rows"):
        graph.run(pd.DataFrame({"a": ["one"], "b": [1.0]}))
