"""The notebooks we ship: as files that people copy, run from top to bottom by papermill, and by the service."""

from __future__ import annotations

import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from dltk_runtime.emulator.mltk.grammar import parse_fit
from dltk_runtime.lab import kernelspec
from dltk_runtime.notebook.algorithm import FUNCTIONS, check
from dltk_runtime.paths import Paths
from tests.support.service import Service

pytestmark = pytest.mark.heavy

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SAMPLES = NOTEBOOKS / "data" / "samples"
SHIPPED = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))

# What the cycle of a notebook works on, and parameters that keep it short. The others are run by test_library_*.py.
CYCLES = {
    "barebone_template": ("iris", {"greeting": "hi"}),
    "binary_nn_classifier": ("breast_cancer", {"epochs": "3", "batch_size": "64", "structure": "1-2"}),
    "pytorch_nn": ("iris", {"epochs": "5", "hidden_layers": "8-4", "learning_rate": "0.02"}),
}


# As files that people copy


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_notebook_is_clean_and_keeps_the_contract(name: str) -> None:
    document = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(document)
    code = [cell for cell in document.cells if cell.cell_type == "code"]
    assert document.metadata.kernelspec.name == kernelspec.KERNEL_NAME
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert [cell.id for cell in code if cell.metadata.get("tags") == ["parameters"]] == ["parameters"]
    contract = check(name, Paths(home=NOTEBOOKS, notebooks=NOTEBOOKS))
    assert contract.problems == ()
    assert set(contract.functions) == set(FUNCTIONS)
    assert f"algo={name}" in document.cells[0].source


@pytest.mark.parametrize("name", ["drift_detection", "random_cut_forest", "stumpy"])
def test_the_search_that_is_shown_first_names_the_columns_by_what_they_are(name: str) -> None:
    """With a target Splunk calls the first result `predicted_<target>`, which here is no prediction of it."""
    text = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells[0].source
    first = next(line for line in text.splitlines() if line.startswith("| fit "))
    assert "target_variable" not in parse_fit(first.removeprefix("| fit ")).options
    assert " from " in text[text.index(first) + len(first) :], "the form with a target comes later"


def test_the_samples_are_what_their_scripts_make(tmp_path: Path) -> None:
    runpy.run_path(str(NOTEBOOKS.parent / "tools" / "make_samples.py"))["main"](tmp_path)
    further = str(NOTEBOOKS.parent / "tools" / "make_classical_samples.py")
    subprocess.run([sys.executable, further, str(tmp_path)], check=True)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text(encoding="utf-8") for path in SAMPLES.iterdir()}


# Through papermill and through the service


@pytest.fixture
def run_by_papermill(tmp_path: Path) -> Callable[[str, dict[str, str]], pd.DataFrame]:
    """Runs a copy of a notebook with our kernel and gives the `results` of its cycle by hand."""

    def run(name: str, parameters: dict[str, str]) -> pd.DataFrame:
        document = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        answers = tmp_path / f"{name}.csv"
        document.cells.append(nbformat.v4.new_code_cell(f"results.to_csv({str(answers)!r}, index=False)", id="answers"))
        nbformat.write(document, tmp_path / "in.ipynb")
        given = [word for item in parameters.items() for word in ("-p", *item)]
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", kernelspec.KERNEL_NAME, *given]
        environ = kernelspec.environment(Paths(home=tmp_path / "home", notebooks=NOTEBOOKS), os.environ)
        done = subprocess.run(
            [*command, "in.ipynb", "out.ipynb"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return pd.read_csv(answers)

    return run


@pytest.mark.parametrize("name", CYCLES)
def test_what_papermill_computes_equals_what_the_service_computes(
    name: str, tmp_path: Path, run_by_papermill: Callable[[str, dict[str, str]], pd.DataFrame]
) -> None:
    staged, parameters = CYCLES[name]
    by_papermill = run_by_papermill(name, parameters)
    meta = json.loads((SAMPLES / f"{staged}.json").read_text(encoding="utf-8"))
    meta["options"]["params"] = {"algo": name, **{key: f'"{value}"' for key, value in parameters.items()}}
    data = (SAMPLES / f"{staged}.csv").read_text(encoding="utf-8")
    with Service(home=tmp_path / "served", notebooks=NOTEBOOKS) as service:
        replies = [service.post("/fit", data=data, meta=meta)]
        del meta["target_variables"]
        replies.append(service.post("/apply", data=data, meta=meta))
    for reply in replies:
        assert reply["status"] == "success", reply["message"]
        by_service = pd.read_csv(io.StringIO(reply["results"]))
        pd.testing.assert_frame_equal(by_service, by_papermill, check_exact=False, rtol=1e-4, atol=1e-6)
