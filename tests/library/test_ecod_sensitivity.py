"""ECOD with a sensitivity for each row, as flows without a target send it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.notebook.algorithm import Algorithm
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.parameters import add_parameters
from dltk_runtime.paths import SITE, Paths

pytestmark = pytest.mark.heavy

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
VALUES = pd.DataFrame({"value": [float(number) for number in range(200)], "share": 0.02})


@pytest.fixture(scope="module")
def ecod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Algorithm]:
    """Gives the notebook's functions by the finder that workers have."""
    finder = CodeFinder(Paths(home=tmp_path_factory.mktemp("home"), notebooks=NOTEBOOKS))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SITE))
        for name in ("DLTK_HOME", "DLTK_NOTEBOOKS", "DLTK_CODE"):
            patch.setenv(name, "")
        finder.install()
        yield Algorithm("anomaly_detection_ecod", finder)
        finder.remove()
    for name in [name for name in sys.modules if name == "app" or name.startswith("app.")]:
        del sys.modules[name]


def asked(ecod: Algorithm, *features: str) -> dict[str, Any]:
    param = {"options": {"params": {"algo": "any", "sensitivity": "share"}}, "feature_variables": list(features)}
    add_parameters(param, ecod.parameters)
    return param


def fitted(ecod: Algorithm, df: pd.DataFrame, *features: str) -> Any:
    model = ecod.init(df, asked(ecod, *features))
    ecod.fit(model, df, asked(ecod, *features))
    return model


@pytest.mark.parametrize(("value", "marked"), [(190.0, [0, 1, 0]), (300.0, [1, 1, 0])])
def test_a_row_is_marked_by_its_share_and_none_by_a_share_of_0(
    value: float, marked: list[int], ecod: Algorithm
) -> None:
    model = fitted(ecod, VALUES, "value", "share")
    answers = []
    for share in (0.02, 0.4, 0.0):
        row = pd.DataFrame({"value": [value], "share": [share]})
        answers += ecod.apply(model, row, asked(ecod, "value", "share"))["outlier"].tolist()
    assert answers == marked


def test_nothing_is_learned_from_the_share(ecod: Algorithm) -> None:
    one, two = (fitted(ecod, VALUES.assign(share=share), "value", "share") for share in (0.02, 0.3))
    assert one["features"] == ["value"]
    assert one["detector"].threshold_ == two["detector"].threshold_


@pytest.mark.parametrize(
    ("features", "share", "sentence"),
    [
        (["value"], 0.1, "sensitivity=share cannot be used: the search does not name that field"),
        (["share"], 0.1, "name a field besides that of the sensitivity"),
        (["value", "share"], 0.5, "The field 'share' must be from 0 to below 0.5 in every event"),
    ],
)
def test_shares_that_cannot_be_used_are_refused(
    features: list[str], share: float, sentence: str, ecod: Algorithm
) -> None:
    with pytest.raises(ValueError, match=sentence):
        fitted(ecod, VALUES.assign(share=share), *features)
