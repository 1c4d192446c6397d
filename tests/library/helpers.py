"""What the tests of the library share: a notebook's life by the searches of dashboards, and its run by papermill."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from dltk_runtime.emulator.mltk.grammar import parse_fit
from dltk_runtime.emulator.mltk.request import body, fit_meta, select, used
from dltk_runtime.lab import kernelspec
from dltk_runtime.paths import Paths
from tests.support.service import Service

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SAMPLES = NOTEBOOKS / "data" / "samples"
AT_ONCE = 2  # fits, and runs of papermill


@dataclass(frozen=True)
class Plan:
    """The searches of one life: what follows ``algo=`` in the one that must work, and in one with another result."""

    algorithm: str
    search: str
    frame: pd.DataFrame
    other: str = ""
    form: str = ""  # tells two lives of one notebook apart

    @property
    def model(self) -> str:
        """A name of its own: Splunk has one entry for a name, and a fit of another algorithm into it warns."""
        return model_of(self.algorithm) + self.form

    def request(self, search: str, *, other: bool = False, target: bool = True) -> dict[str, Any]:
        """What Splunk posts for the search, on apply without the target."""
        model = f"other_{self.model}" if other else self.model
        return posted(f"{self.algorithm} {search}", self.frame, model, target=target)


@dataclass
class Life:
    """What the service answered to the searches of one plan."""

    rows: int
    fit: dict[str, Any]
    other: dict[str, Any]
    version: Path
    applied: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


def model_of(algorithm: str) -> str:
    """The name of the model that the life of a notebook makes."""
    return f"lib_{algorithm}"


def posted(search: str, frame: pd.DataFrame, model: str, *, target: bool = True) -> dict[str, Any]:
    """What Splunk posts for a fit of `frame` by ``algo=<search>``; without the target it is what it posts on apply."""
    fit = parse_fit(f"MLTKContainer algo={search} into app:{model}")
    meta = fit_meta(fit, list(frame.columns))
    if not target:
        meta.pop("target_variables", None)
    data, _ = select(frame, used(meta))
    return body(data, meta)


def results(answer: dict[str, Any]) -> pd.DataFrame:
    assert answer["status"] == "success", answer["message"]
    return pd.read_csv(io.StringIO(answer["results"]))


def live(service: Service, plans: Mapping[str, Plan]) -> dict[str, Life]:
    """Each plan fitted twice, then, in a new server, applied without the target."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lives = dict(zip(plans, pool.map(partial(_fits, service), plans.values()), strict=True))
    service.restart()
    for name, plan in plans.items():
        lives[name].applied = service.post("/apply", **plan.request(plan.search, target=False))
        lives[name].summary = service.summary()
    return lives


def _fits(service: Service, plan: Plan) -> Life:
    request = plan.request(plan.search)
    fit = service.post("/fit", **request, timeout=300)
    other = service.post("/fit", **plan.request(plan.other, other=True), timeout=300) if plan.other else {}
    version = service.home / "app/model/data/versions" / plan.algorithm / plan.model / "1"
    return Life(request["data"].count("\n") - 1, fit, other, version)


def by_papermill(home: Path, parameters: Mapping[str, Mapping[str, str]]) -> dict[str, list[Any]]:
    """What the cells of each of these notebooks put out, run from top to bottom with the parameters given for it."""
    paths = Paths(home=home, notebooks=NOTEBOOKS)
    paths.models.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = pool.map(partial(_outputs, paths), parameters, parameters.values())
        return dict(zip(parameters, runs, strict=True))


def _outputs(paths: Paths, name: str, parameters: Mapping[str, str]) -> list[Any]:
    output = paths.home.parent / f"{name}.ipynb"
    given = [word for item in parameters.items() for word in ("-p", *item)]
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", kernelspec.KERNEL_NAME, *given]
    command += [str(NOTEBOOKS / f"{name}.ipynb"), str(output)]
    environ = kernelspec.environment(paths, os.environ)
    done = subprocess.run(command, cwd=paths.home, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        return [{"output_type": "error", "text": done.stderr[-4000:]}]
    return [each for cell in nbformat.read(output, as_version=4).cells for each in cell.get("outputs", [])]


def assert_ran_and_plotted(outputs: Iterable[Any]) -> None:
    """No cell failed or warned, and at least one drew a plot."""
    outputs = list(outputs)
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if "Warning" in output.get("text", "")]
