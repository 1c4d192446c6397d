"""The table of train and held-out figures in the docs is what its command prints, and no default learns by heart."""

from __future__ import annotations

import re

import pytest

from tests.support.service import ROOT
from tools import library_figures

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

QUICK = ("grid_search_svm", "xgboost_regressor")
TOLERANCE = 0.02  # other processors round otherwise
PAGE = (ROOT / "docs" / "reference" / "algorithms.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `(\w+)` \|.*\| (\w+) \| (-?[\d.]+) ± ([\d.]+) \| (-?[\d.]+) ± ([\d.]+) \|")
GAPS = {"accuracy": 0.1, "r2": 0.25}  # between the means of train and hold-out, at most


def figures_in(text: str) -> dict[str, tuple[float, ...]]:
    """Return mean and deviation of the train figure, then those of the held-out one, by notebook."""
    return {name: tuple(map(float, figures)) for name, _, *figures in ROW.findall(text)}


def test_every_notebook_that_is_measured_has_a_row() -> None:
    assert set(figures_in(PAGE)) == {case.name for case in library_figures.CASES}


@pytest.mark.parametrize("name", QUICK)
def test_a_row_is_what_the_command_prints(name: str) -> None:
    (case,) = (each for each in library_figures.CASES if each.name == name)
    (found,) = figures_in(library_figures.row(case)).values()
    assert found == pytest.approx(figures_in(PAGE)[name], abs=TOLERANCE)


@pytest.mark.parametrize("case", library_figures.CASES, ids=lambda case: str(case.name))
def test_the_defaults_do_not_learn_the_rows_by_heart(case: library_figures.Case) -> None:
    train, _, holdout, spread = figures_in(PAGE)[case.name]
    assert train - holdout < GAPS[case.metric]
    assert holdout > 0.35
    assert spread < 0.15
