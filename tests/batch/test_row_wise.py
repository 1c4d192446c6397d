"""A run that fits a row-wise notebook: it is checked as a search's fit is, when the model has been described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.batch.kernel import Run
from dltk_runtime.batch.task import Task


class Model:
    """A model that counts its applies."""

    calls = 0


def init(df: pd.DataFrame, param: dict[str, Any]) -> Model:
    return Model()


def fit(model: Model, df: pd.DataFrame, param: dict[str, Any]) -> dict[str, Any]:
    return {}


def apply(model: Model, df: pd.DataFrame, param: dict[str, Any]) -> pd.DataFrame:
    model.calls += 1
    return df[["x"]] * 2


def sums(model: Model, df: pd.DataFrame, param: dict[str, Any]) -> pd.DataFrame:
    return df[["x"]].cumsum()


def summary(model: Model | None = None) -> dict[str, int]:
    return {"calls": model.calls if model else 0}


@pytest.mark.parametrize(("function", "row_wise"), [(apply, True), (sums, False)])
def test_the_check_comes_after_the_description(tmp_path: Path, function: Any, row_wise: bool) -> None:
    data, version = tmp_path / "rows.csv", tmp_path / "version"
    data.write_text("x\n" + "".join(f"{number}\n" for number in range(40)))
    version.mkdir()
    task = Task(
        folder=str(tmp_path),
        data=str(data),
        algorithm="algo",
        model="m",
        alone=True,
        save_name="algo_m",
        version_folder=str(version),
        keep_model_at=str(version / "kept.pickle"),
    )
    cells: dict[str, Any] = {"init": init, "fit": fit, "apply": function, "summary": summary, "row_wise": True}
    run = Run(task, cells)
    run.take_over()
    df, param = cells["stage"]()
    model = cells["init"](df, param)
    cells["fit"](model, df, param)
    cells["apply"](model, df, param)
    run.finish()
    assert run.fit is not None
    fitted = run.fit.fitted
    assert fitted.row_wise is row_wise
    assert ("small applies are not joined" in " ".join(fitted.notices)) is not row_wise
    assert json.loads(fitted.description)["model_summary"] == {"calls": int(row_wise)}
