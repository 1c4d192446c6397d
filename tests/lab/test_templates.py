"""`dltk new`: templates are working algorithms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.errors import NameInvalid
from dltk_runtime.lab import templates
from dltk_runtime.lab.templates import TemplateInvalid
from dltk_runtime.notebook.review import review
from dltk_runtime.paths import Paths
from tests.support.service import Service

SAMPLES = Path(__file__).resolve().parents[2] / "notebooks" / "data" / "samples"


@pytest.mark.parametrize("template", templates.TEMPLATE_NAMES)
def test_a_new_notebook_keeps_the_contract(template: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(dltk, ["new", "mine", "--template", template, "--notebooks", str(tmp_path)])
    assert result.exit_code == 0, result.output
    nbformat.validate(nbformat.read(tmp_path / "mine.ipynb", as_version=4))
    found = review(tmp_path / "mine.ipynb")
    assert found.text == "mine.ipynb: no problem"
    assert found.functions == ("init", "fit", "apply", "save", "load", "summary", "stage")


@pytest.mark.timeout(900)
@pytest.mark.process
def test_a_search_fits_and_applies_a_new_notebook_of_each_template(paths: Paths) -> None:
    rows = pd.read_csv(SAMPLES / "iris.csv")
    rows["is_virginica"] = (rows["species"] == "virginica").astype(int)
    data = rows[["is_virginica", "petal_length", "petal_width"]].to_csv(index=False)
    with Service(home=paths.home, notebooks=paths.notebooks) as service:
        for template in templates.TEMPLATE_NAMES:
            templates.write(paths.notebooks, f"my_{template}", template)
            meta: dict[str, Any] = {"options": {"params": {"algo": f"my_{template}"}}}
            meta["feature_variables"] = ["petal_length", "petal_width"]
            fitted = service.post("/fit", data=data, meta={**meta, "target_variables": ["is_virginica"]})
            applied = service.post("/apply", data=data, meta=meta)
            assert (fitted["status"], applied["status"]) == ("success", "success"), (fitted, applied)
            assert "WARNING" not in fitted["message"]


@pytest.mark.process
def test_the_cycle_by_hand_of_a_template_runs(paths: Paths, tmp_path: Path) -> None:
    from dltk_runtime.batch.order import Order
    from dltk_runtime.batch.run import run
    from dltk_runtime.settings import Settings

    shutil.copytree(SAMPLES, paths.staged / "samples")
    templates.write(paths.notebooks, "mine", "bare")
    outcome = run(
        Order(notebook="mine", data="staged:samples/iris", executed=tmp_path / "out.ipynb"),
        Settings(home=paths.home, notebooks=paths.notebooks),
    )
    assert outcome.rows == 150


def test_what_is_there_is_not_overwritten_and_names_are_checked(tmp_path: Path) -> None:
    path = templates.write(tmp_path, "mine", "bare")
    before = path.read_bytes()
    with pytest.raises(TemplateInvalid, match="already exists"):
        templates.write(tmp_path, "mine", "torch")
    assert path.read_bytes() == before
    with pytest.raises(NameInvalid):
        templates.write(tmp_path, "../mine", "bare")
    with pytest.raises(TemplateInvalid, match=r"Did you mean 'torch'\?"):
        templates.write(tmp_path, "other", "trch")
    assert json.loads(before)["metadata"]["kernelspec"]["name"] == "dltk"
