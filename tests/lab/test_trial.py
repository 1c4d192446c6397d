"""A notebook is fitted on staged data as the service would, for its author in JupyterLab."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.lab import templates, trial
from dltk_runtime.paths import Paths


def stage(paths: Paths, name: str, algorithm: str, **params: str) -> None:
    """Write what ``mode=stage`` writes."""
    stem = paths.staged / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".csv").write_text("x,y\n1,2\n2,4\n", encoding="utf-8")
    meta: dict[str, Any] = {"options": {"params": {"algo": algorithm, "mode": "stage", **params}, "model_name": name}}
    meta |= {"feature_variables": ["x"], "target_variables": ["y"]}
    meta["options"]["target_variable"] = ["y"]
    stem.with_suffix(".json").write_text(json.dumps(meta), encoding="utf-8")


def manifest(paths: Paths, model: str) -> Any:
    return json.loads((paths.models / "versions" / "edited" / model / "1" / "version.json").read_bytes())


def test_the_notebooks_own_data_is_offered_first_and_rows_without_parameters_never(paths: Paths) -> None:
    for name, algorithm in (("samples/a", "other"), ("b", "edited"), ("c", "other")):
        stage(paths, name, algorithm)
    (paths.staged / "broken.json").write_text("[", encoding="utf-8")
    (paths.staged / "broken.csv").write_text("x\n1\n", encoding="utf-8")
    (paths.staged / "rows.csv").write_text("x\n1\n", encoding="utf-8")
    (paths.staged / "only.json").write_text("{}", encoding="utf-8")
    assert trial.staged(paths, "edited") == ["b", "broken", "c", "samples/a"]


@pytest.mark.process
@pytest.mark.timeout(900)
def test_a_fit_takes_target_and_parameters_of_the_search_and_makes_a_version(paths: Paths) -> None:
    notebook = templates.write(paths.notebooks, "edited", "bare")
    stage(paths, "mine", "edited", factor='"3"', container_image="gone")
    ended = asyncio.run(trial.fit(paths, Path(notebook), "mine"))
    assert ended.done, ended.text
    assert "Version 1 of model 'mine' is now current" in ended.text.splitlines()[0]
    assert manifest(paths, "mine")["parameters"]["factor"] == "3"


@pytest.mark.process
@pytest.mark.timeout(900)
def test_a_fit_that_fails_says_where(paths: Paths) -> None:
    notebook = templates.write(paths.notebooks, "edited", "bare")
    text = notebook.read_text(encoding="utf-8").replace(".mean())", ".mean()) + offset")
    notebook.write_text(text, encoding="utf-8")
    stage(paths, "mine", "edited")
    ended = asyncio.run(trial.fit(paths, notebook, "mine"))
    assert not ended.done
    assert "name 'offset' is not defined" in ended.text
    assert "(mltkc_fit), line 3" in ended.text
