"""What the functions of the notebooks we ship answer, and what they refuse."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.notebook.declaration import declared
from dltk_runtime.notebook.errors import ParametersInvalid
from dltk_runtime.notebook.loader import compile_cell
from dltk_runtime.notebook.parameters import add_parameters, refuse
from dltk_runtime.notebook.source import read_source
from dltk_runtime.paths import Paths
from tests.library.functions import algorithms

pytestmark = pytest.mark.heavy

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
STAGED = {"barebone_template": "iris", "binary_nn_classifier": "breast_cancer", "pytorch_nn": "iris"}


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SimpleNamespace]]:
    """Gives a notebook's functions, made once from its exported cells, and the `parameters` that it declares.

    Its models lie in a folder of the module's.
    """
    paths = Paths(home=tmp_path_factory.mktemp("home"), notebooks=NOTEBOOKS)
    made: dict[str, SimpleNamespace] = {}

    def get(name: str) -> SimpleNamespace:
        if name not in made:
            made[name] = SimpleNamespace(**functions(name, paths))
        return made[name]

    with algorithms(paths.home):  # for what they import of app.model
        yield get


def functions(name: str, paths: Paths) -> dict[str, Any]:
    source = read_source(NOTEBOOKS / f"{name}.ipynb")
    assert source.parameters is not None
    namespace: dict[str, Any] = {"__name__": name, "parameters": declared(source.parameters.source)}
    with warnings.catch_warnings():
        # Importing a deep learning library: what it finds old in others is not ours to mend.
        warnings.simplefilter("ignore")
        for cell in source.cells:
            exec(compile_cell(source, cell, paths), namespace)
    return namespace


def sample(name: str) -> pd.DataFrame:
    return pd.read_csv(NOTEBOOKS / "data" / "samples" / f"{name}.csv")


def asked(target: str | None, features: list[str], **params: str) -> dict[str, Any]:
    """The `param` of a search, with a target on fit and without one on apply."""
    param: dict[str, Any] = {"options": {"params": {"algo": "any", **params}}, "feature_variables": features}
    return param | ({"target_variables": [target]} if target else {})


def begun(algorithm: SimpleNamespace, df: pd.DataFrame, param: dict[str, Any]) -> Any:
    """The untrained model, from parameters that were read as the worker reads them."""
    refuse("it", add_parameters(param, algorithm.parameters).all, algorithm.parameters)
    return algorithm.init(df, param)


def fitted(algorithm: SimpleNamespace, df: pd.DataFrame, param: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    model = begun(algorithm, df, param)
    return model, algorithm.fit(model, df, param)


@pytest.mark.parametrize(("name", "staged"), STAGED.items())
def test_each_declared_parameter_reaches_the_model(name: str, staged: str, algorithm: Any) -> None:
    functions = algorithm(name)
    df, param = functions.stage(f"samples/{staged}")
    param["options"]["params"] = {}
    model = begun(functions, df, param)
    assert functions.parameters
    assert {parameter.name for parameter in functions.parameters} <= model.keys()
    assert all(parameter.help for parameter in functions.parameters)


# barebone_template


def test_the_template_counts_rows_from_0_whatever_the_fields_are(algorithm: Any) -> None:
    bare = algorithm("barebone_template")
    df = pd.DataFrame({"any": ["a", "b", "c"], "other": [1.5, None, 2]}, index=[7, 7, 9])
    model, info = fitted(bare, df, asked(None, ["any", "other"], greeting='"hi there"'))
    answer = bare.apply(model, df, asked(None, ["any", "other"]))
    assert answer.columns.tolist() == ["index"]
    assert answer["index"].tolist() == [0, 1, 2]
    assert (model["greeting"], info["metrics"]["rows"]) == ("hi there", 3)


# pytorch_nn

MEASURES = ["petal_length", "petal_width", "sepal_length", "sepal_width"]


def test_pytorch_nn_knows_species_it_has_not_seen(algorithm: Any) -> None:
    network = algorithm("pytorch_nn")
    model, info = fitted(network, sample("iris_train"), asked("species", MEASURES, epochs="50"))
    unseen = sample("iris_test")
    answer = network.apply(model, unseen.drop(columns="species"), asked(None, MEASURES))
    assert answer.columns.tolist() == [
        "class",
        "probability_setosa",
        "probability_versicolor",
        "probability_virginica",
    ]
    assert (answer["class"] == unseen["species"]).mean() >= 0.9
    assert answer.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(1)
    assert info["metrics"]["accuracy"] >= 0.9
    assert len(info["history"]["loss"]) == 50


@pytest.mark.parametrize(
    "classes",
    [["setosa", "ünïcode", "a b"], [3, 1, 2], [0.5, 2.0, 1.0], [True, False], ["10", 9, True]],
    ids=["texts", "integers", "floats", "booleans", "mixed"],
)
def test_classes_come_back_as_they_were_also_from_the_store(classes: list[Any], algorithm: Any) -> None:
    network = algorithm("pytorch_nn")
    rows = [number % len(classes) for number in range(60)]
    df = pd.DataFrame({"x": rows, "label": pd.Series([classes[row] for row in rows])})
    model, _ = fitted(network, df, asked("label", ["x"], epochs="60", learning_rate="0.05"))
    network.save(model, "classes")
    for each in (model, network.load("classes")):
        answer = network.apply(each, df[["x"]], asked(None, ["x"]))
        assert answer["class"].tolist() == df["label"].tolist()
        assert answer["class"].dtype == df["label"].dtype
        assert sorted(answer.columns[1:]) == sorted(f"probability_{name}" for name in classes)


def test_fields_of_any_scale_and_constant_ones_can_be_learned_from(algorithm: Any) -> None:
    network = algorithm("pytorch_nn")
    df = pd.DataFrame({"_time": [1_700_000_000.0 + second for second in range(100)], "same": 0.1, "tiny": 1e-9})
    df["late"] = df["_time"] > 1_700_000_050
    model, info = fitted(network, df, asked("late", ["_time", "same", "tiny"], epochs="60"))
    assert info["metrics"]["accuracy"] >= 0.95
    # A constant that is no longer one must not blow the answer up.
    moved = network.apply(model, df.assign(same=0.1 + 1e-6), asked(None, ["_time", "same", "tiny"]))
    assert (moved["class"] == df["late"]).mean() >= 0.95


@pytest.mark.parametrize("name", ["pytorch_nn", "binary_nn_classifier"])
def test_the_same_fit_gives_the_same_model_and_another_parameter_another_one(name: str, algorithm: Any) -> None:
    network = algorithm(name)
    df = sample("iris_train")
    df["is_setosa"] = (df["species"] == "setosa").astype(int)
    answers = []
    for epochs in ("2", "2", "3"):
        model, _ = fitted(network, df, asked("is_setosa", MEASURES, epochs=epochs))
        answers.append(network.apply(model, df, asked(None, MEASURES)))
    pd.testing.assert_frame_equal(answers[0], answers[1])
    assert not answers[0].equals(answers[2])


@pytest.mark.parametrize("name", ["pytorch_nn", "binary_nn_classifier"])
def test_apply_goes_by_the_names_of_fields_and_takes_no_rows_too(name: str, algorithm: Any) -> None:
    network = algorithm(name)
    df = sample("iris_train")
    df["is_setosa"] = df["species"] == "setosa"
    model, _ = fitted(network, df, asked("is_setosa", MEASURES, epochs="1"))
    answer = network.apply(model, df, asked(None, MEASURES))
    turned = network.apply(model, df[MEASURES[::-1]].assign(extra="text"), asked(None, MEASURES[::-1]))
    pd.testing.assert_frame_equal(answer, turned)
    none = network.apply(model, pd.DataFrame(columns=MEASURES), asked(None, MEASURES))
    assert (len(none), none.columns.tolist()) == (0, answer.columns.tolist())


def test_parameters_of_pytorch_nn_are_read_with_and_without_quotes(algorithm: Any) -> None:
    network = algorithm("pytorch_nn")
    wanted = asked("species", MEASURES, epochs='"7"', batch_size="16", hidden_layers='"8-4"', learning_rate="1e-3")
    model = begun(network, sample("iris_train"), wanted)
    assert [model[name] for name in ("epochs", "batch_size", "hidden_layers", "learning_rate")] == [7, 16, [8, 4], 1e-3]


# binary_nn_classifier


def test_binary_nn_classifier_knows_tumours_it_has_not_seen(algorithm: Any) -> None:
    network = algorithm("binary_nn_classifier")
    train, unseen = sample("breast_cancer_train"), sample("breast_cancer_test")
    features = [name for name in train.columns if name.startswith(("mean_", "worst_"))]
    model, info = fitted(network, train, asked("is_malignant", features, epochs="15", structure='"2-1"'))
    answer = network.apply(model, unseen[features], asked(None, features))
    assert answer.columns.tolist() == ["0"]
    assert ((answer["0"] > 0.5) == unseen["is_malignant"]).mean() >= 0.9
    assert info["metrics"]["accuracy"] >= 0.9
    assert info["metrics"]["roc_auc"] >= 0.95
    assert network.summary(model)["network"] == ["Normalization 20", "Dense 40", "Dense 20", "Dense 1"]


# What cannot be used is refused by name, before any training

SHORT = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "word": list("abcd"), "gap": [1, None, 3, 4], "y": [0, 1, 0, 1]})


@pytest.mark.parametrize(
    ("target", "features", "params", "sentence"),
    [
        (None, ["x"], {}, "names no target"),
        ("z", ["x"], {}, "'z' is not among the fields that arrived: x, word, gap, y"),
        ("y", ["x", "word"], {}, r"Field\(s\) word: not numeric"),
        ("y", ["gap"], {}, r"Field\(s\) gap: missing or infinite values"),
        ("y", ["x", "nowhere"], {}, r"Field\(s\) nowhere: missing from the events"),
        ("y", ["x"], {"epochs": "ten"}, "Invalid epochs='ten': expected an integer"),
        ("y", ["x"], {"batch_size": '"0"'}, "batch_size=0 cannot be used: it must be 1 or more"),
        ("y", ["x"], {"epoch": "1"}, "no parameter 'epoch'. Did you mean 'epochs'"),
    ],
)
@pytest.mark.parametrize("name", ["pytorch_nn", "binary_nn_classifier"])
def test_what_a_network_cannot_use_is_refused_by_name(
    name: str, target: str | None, features: list[str], params: dict[str, str], sentence: str, algorithm: Any
) -> None:
    with pytest.raises((ValueError, ParametersInvalid), match=sentence):
        begun(algorithm(name), SHORT, asked(target, features, **params))


@pytest.mark.parametrize(
    ("name", "labels", "params", "sentence"),
    [
        ("pytorch_nn", ["a"] * 4, {}, "must hold 2 to 1000 different values; there are 1 in 4 rows"),
        ("pytorch_nn", ["a", "b", None, "a"], {}, "'label' has missing values"),
        ("pytorch_nn", list("abab"), {"hidden_layers": "8-"}, "hidden_layers=8- cannot be used"),
        ("pytorch_nn", list("abab"), {"learning_rate": "nan"}, "Invalid learning_rate='nan': expected a number"),
        ("binary_nn_classifier", [1, 1, 1, 1], {}, "both 0 and 1, or both true and false; it holds 1"),
        ("binary_nn_classifier", [1, 2, 1, 2], {}, "it holds 1, 2"),
        ("binary_nn_classifier", ["yes", "no", "no", "no"], {}, "it holds yes, no"),
        ("binary_nn_classifier", [0, 1, 0, 1], {"structure": "2x2"}, "structure=2x2 cannot be used"),
    ],
)
def test_labels_and_shapes_that_cannot_be_learned_are_refused(
    name: str, labels: list[Any], params: dict[str, str], sentence: str, algorithm: Any
) -> None:
    with pytest.raises((ValueError, ParametersInvalid), match=sentence):
        begun(algorithm(name), SHORT.assign(label=labels), asked("label", ["x"], **params))
