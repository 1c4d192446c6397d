"""A folder that MLflow's client takes for a tracking server: what a fit's process logs lies there.

It has one experiment with one run, written as MLflow's own file store writes them, so that the
front needs no mlflow. The helper process copies the run to the server when the fit has ended.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from dltk_runtime.tracking.facts import RunFacts

EXPERIMENT = "1"
USER = "dltk"  # of the run that is made for the fit


def create(root: Path, facts: RunFacts) -> dict[str, str]:
    """Make the folder, unless it exists; return the variables that have a fit's process log there.

    Raises:
        OSError: it cannot be written.
    """
    experiment = root / EXPERIMENT
    known = sorted(path.parent.name for path in experiment.glob("*/meta.yaml"))
    run = known[0] if known else secrets.token_hex(16)
    if not known:
        (root / ".trash").mkdir(parents=True, exist_ok=True)
        for folder in ("artifacts", "metrics", "params", "tags"):
            (experiment / run / folder).mkdir(parents=True, exist_ok=True)
        (experiment / run / "tags" / "mlflow.runName").write_text(facts.name, encoding="utf-8")
        _write(experiment / "meta.yaml", _experiment(experiment, facts))
        _write(experiment / run / "meta.yaml", _run(experiment / run, facts))
    return {
        "MLFLOW_TRACKING_URI": root.as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_RUN_ID": run,
        "MLFLOW_EXPERIMENT_ID": EXPERIMENT,
    }


def _experiment(folder: Path, facts: RunFacts) -> dict[str, Any]:
    return {
        "artifact_location": folder.as_uri(),
        "creation_time": facts.started,
        "experiment_id": EXPERIMENT,
        "last_update_time": facts.started,
        "lifecycle_stage": "active",
        "name": facts.algorithm,
    }


def _run(folder: Path, facts: RunFacts) -> dict[str, Any]:
    return {
        "artifact_uri": (folder / "artifacts").as_uri(),
        "end_time": None,
        "entry_point_name": "",
        "experiment_id": EXPERIMENT,
        "lifecycle_stage": "active",
        "run_id": folder.name,
        "run_name": facts.name,
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": facts.started,
        "status": 1,  # RUNNING
        "tags": [],
        "user_id": USER,
    }


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
