"""Notebooks in the idiom of the libraries of DSDL 5.2.4: each fits, survives a restart and applies.

`tests/data/compat` holds twelve, written for this test. They need the variant `compat`: for
``make test-compat``.
"""

from __future__ import annotations

import csv
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.service import Service

NOTEBOOKS = Path(__file__).resolve().parents[1] / "data" / "compat"
ROWS = 40
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not pd.__version__.startswith("2."), reason="needs `make test-compat`: the libraries of DSDL"),
]


@dataclass(frozen=True)
class Case:
    """A notebook, the fields that its search names, and a column of its result."""

    algorithm: str
    column: str
    fields: tuple[str, ...] = ("a", "b")
    target: str = ""


CASES = [
    Case("hourly_asfreq", "expected", ("hour", "a")),
    Case("class_replace", "grade_found", ("a", "b", "grade")),
    Case("implicit_scalars", "outside", ("a",)),
    Case("chained_assignment", "distance"),
    Case("legacy_keras", "found", target="y"),
    Case("dask_cluster", "cluster"),
    Case("rrcf_forest", "codisp"),
    Case("bocd_changes", "run_length", ("a",)),
    Case("onnx_network", "found", target="y"),
    Case("balanced_forest", "grade_found", target="grade"),
    Case("categories_kmodes", "cluster", ("a", "grade")),
    Case("series_tslearn", "shape", ("a",)),
]


def rows(fields: tuple[str, ...]) -> str:
    """Return a CSV of these fields; an hour is missing, and so is one `b`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in range(ROWS):
        hour = row + (row >= 9)
        cells = {"hour": f"2026-01-{1 + hour // 24:02d} {hour % 24:02d}:00:00", "a": row * 7 % 40 + 0.5}
        cells |= {"b": row % 5 * 2.5, "grade": "bad" if row % 4 == 0 else "good", "y": row * 2 + 1}
        writer.writerow(cells)
    return text.getvalue()


def searched(case: Case, *, target: bool) -> str:
    return rows((*case.fields, case.target) if target and case.target else case.fields)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Give the answers of each notebook: of its fit and, after a restart, of its apply."""
    root = tmp_path_factory.mktemp("compat")
    shutil.copytree(NOTEBOOKS, root / "notebooks")
    with Service(root / "home", root / "notebooks") as service, ThreadPoolExecutor(2) as pool:

        def fit(case: Case) -> dict[str, Any]:
            return service.fit(case.algorithm, searched(case, target=True), case.algorithm, target=case.target)

        def apply(case: Case) -> dict[str, Any]:
            return service.apply(case.algorithm, searched(case, target=False), case.algorithm)

        fitted = list(pool.map(fit, CASES))
        service.restart()
        applied = list(pool.map(apply, CASES))
    return {case.algorithm: [one, other] for case, one, other in zip(CASES, fitted, applied, strict=True)}


def test_there_are_twelve() -> None:
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == sorted(case.algorithm for case in CASES)
    assert len(CASES) == 12


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.algorithm)
def test_it_fits_and_applies_after_a_restart(answers: dict[str, list[dict[str, Any]]], case: Case) -> None:
    fitted, applied = answers[case.algorithm]
    assert (fitted["status"], applied["status"]) == ("success", "success"), [fitted["message"], applied["message"]]
    assert applied["results"] == fitted["results"]
    found = list(csv.DictReader(io.StringIO(fitted["results"])))
    assert len(found) == ROWS
    assert case.column in found[0]
