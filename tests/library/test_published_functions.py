"""What the notebooks answer that carry names of published searches: values worked out by hand, and refusals."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from dltk_runtime.notebook.algorithm import Algorithm
from tests.library.functions import NOTEBOOKS, Get, algorithms, applied, asked, fitted, handed

pytestmark = pytest.mark.heavy

RECORDED = Path(__file__).resolve().parents[1] / "data" / "meta_samples.json"
TEXTS = pd.DataFrame({"command": ["a b/c d", "c d/a b", "a b", None]})


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Gives a notebook's functions."""
    with algorithms(tmp_path_factory.mktemp("home") / "home") as get:
        yield get


def compared(notebook: Algorithm, **params: str) -> pd.DataFrame:
    """The answer about `TEXTS`, by an apply that names no parameter."""
    return applied(notebook, fitted(notebook, TEXTS, asked(None, ["command"], **params)), TEXTS)


def sample(name: str) -> pd.DataFrame:
    return pd.read_csv(NOTEBOOKS / "data" / "samples" / f"{name}.csv")


def init(notebook: Algorithm, df: pd.DataFrame, param: dict[str, Any]) -> Any:
    return notebook.init(df, handed(notebook, param))


def column(token: str, columns: int) -> int:
    return int(hashlib.md5(token.encode()).hexdigest(), 16) % columns


def test_the_distance_counts_tokens_between_punctuation_by_their_md5(algorithm: Get) -> None:
    answer = compared(algorithm("hashing_encoder_distance"), comparison_string='"a b/c d"')
    assert column("a b", 16) != column("c d", 16)
    assert answer["distance"].tolist() == pytest.approx([0, 0, 1, 2**0.5])


def test_the_differences_are_the_events_counts_minus_the_references(algorithm: Get) -> None:
    given = {"comparison_string": '"x/x"', "vector_length": "8", "return_vector": "1"}
    answer = compared(algorithm("hashing_encoder_distance"), **given)
    wanted = np.zeros(8, dtype=int)
    for token, count in (("a b", 1), ("c d", 1), ("x", -2)):
        wanted[column(token, 8)] += count
    assert answer.columns.tolist() == [str(number) for number in range(8)]
    assert answer.iloc[0].tolist() == wanted.tolist()


def test_an_apply_may_name_another_reference_and_else_keeps_the_fits(algorithm: Get) -> None:
    notebook = algorithm("hashing_encoder_distance")
    model = fitted(notebook, TEXTS, asked(None, ["command"], comparison_string='"a b/c d"'))
    other = applied(notebook, model, TEXTS, comparison_string='"a b"')
    assert other["distance"].tolist() == pytest.approx([1, 1, 0, 1])


def test_the_difference_lists_what_a_text_lacks_and_what_it_has_beside(algorithm: Get) -> None:
    given = {"comparison_string": '"a b"', "tokenizing_regex": r'"\W+"'}
    answer = compared(algorithm("hashing_encoder_difference"), **given)
    assert answer["reference_tokens_missing"].tolist() == ["[]", "[]", "[]", "['a', 'b']"]
    assert answer["event_tokens_missing"].tolist() == ["['c', 'd']", "['c', 'd']", "[]", "[]"]


@pytest.mark.parametrize("name", ["hashing_encoder_distance", "hashing_encoder_difference"])
def test_a_comparison_without_reference_or_pattern_is_refused(name: str, algorithm: Get) -> None:
    with pytest.raises(ValueError, match="comparison_string is missing"):
        init(algorithm(name), TEXTS, asked(None, ["command"]))
    with pytest.raises(ValueError, match=r"tokenizing_regex=\[a cannot be used"):
        init(algorithm(name), TEXTS, asked(None, ["command"], comparison_string="x", tokenizing_regex='"[a"'))


def test_two_groups_joined_by_one_pair_are_two_communities_in_any_order(algorithm: Get) -> None:
    pairs = [pair for start in (0, 10) for pair in nx.complete_graph(range(start, start + 5)).edges] + [(0, 10)]
    df = pd.DataFrame(pairs, columns=["src", "dest"])
    louvain, param = algorithm("graph_algo_louvain"), asked(None, ["src", "dest"])
    answers = []
    for rows in (df, df.iloc[::-1].reset_index(drop=True)):
        model = fitted(louvain, rows, param)
        answers.append(louvain.apply(model, df, param))
    assert model["metrics"]["groups"] == 2
    pd.testing.assert_frame_equal(*answers)
    apart = answers[0]["src_partition"] != answers[0]["dest_partition"]
    assert df[apart].to_numpy().tolist() == [[0, 10]]
    stranger = louvain.apply(model, pd.DataFrame({"src": [99, 3.0], "dest": [1, 99]}), param)
    assert stranger["src_partition"].isna().tolist() == [True, False]


def test_half_space_trees_follow_a_change_and_keep_nothing_of_an_apply(algorithm: Get) -> None:
    trees = algorithm("river_halfspacetree")
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"value": rng.normal(0, 1, 400)})
    param = asked(None, ["value"], window_size="100", n_trees="25", height="6")
    model = fitted(trees, df, param)
    later = pd.DataFrame({"value": rng.normal(9, 1, 300)})
    first, again = (trees.apply(model, later, param)["anomaly_score"] for _ in range(2))
    pd.testing.assert_series_equal(first, again)
    usual = trees.apply(model, df, param)["anomaly_score"].median()
    assert first[:100].min() > usual + 0.2  # a window long, everything is new
    assert first[200:].median() < first[:100].median() - 0.2  # then it is the usual


def test_one_row_that_is_unlike_all_others_scores_highest(algorithm: Get) -> None:
    trees = algorithm("river_halfspacetree")
    df = sample("sea_temperature")[["value"]]
    df.loc[450, "value"] = 60
    model = fitted(trees, df, asked(None, ["value"]))
    assert trees.apply(model, df, asked(None, ["value"]))["anomaly_score"].idxmax() == 450


@pytest.mark.parametrize("name", ["grid_search_svm", "grid_search_svm_mlflow"])
def test_the_grid_of_a_recorded_search_is_understood(name: str, algorithm: Get) -> None:
    metas = json.loads(RECORDED.read_text(encoding="utf-8"))
    grids = {each["options"]["params"]["grid"] for each in metas if "grid" in each["options"]["params"]}
    df = sample("diabetes")
    for grid in grids:
        model = init(algorithm(name), df, asked("target", ["age", "bmi"], grid=grid))
        assert [sorted(each) for each in model["grid"]] == [["C", "kernel"], ["C", "gamma", "kernel"]]


def test_ja3_options_are_columns_of_the_fit_whatever_an_apply_brings(algorithm: Get) -> None:
    encoder = algorithm("ja3_encoder")
    df = pd.DataFrame({"ja3": ["771,1-2,10,23,0", "771,2,10,23,0", "769,2-3"]})
    param = asked(None, ["ja3"], output_mode="onehot", onehot_max_cols="2")
    model = fitted(encoder, df, param)
    answer = encoder.apply(model, pd.DataFrame({"ja3": ["770,2-9,10,,0,7", "769,1"]}), param)
    found = answer.columns[answer.iloc[0] == 1].tolist()
    assert found == ["Cipher_2", "SSLExtension_10", "EllipticCurvePointFormat_0"]
    assert answer.columns[answer.iloc[1] == 1].tolist() == [
        *("SSLVersion_769", "Cipher_1", "SSLExtension_None", "EllipticCurve_None", "EllipticCurvePointFormat_None")
    ]


def test_maps_are_made_by_rapids_where_it_is_installed(algorithm: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm("ja3_encoder")
    maps = importlib.import_module("app.model.maps")
    package, manifold = ModuleType("cuml"), ModuleType("cuml.manifold")
    package.manifold = manifold  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuml", package)
    monkeypatch.setitem(sys.modules, "cuml.manifold", manifold)
    assert maps.library() is manifold
