"""Copy what a fit's process logged into a folder into the run at the server."""

from __future__ import annotations

from pathlib import Path

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from dltk_runtime.tracking.facts import PREFIX
from dltk_runtime.tracking.spooled import EXPERIMENT, USER

MAX_METRICS, MAX_OTHERS = 1000, 100  # in one request
MAX_RUNS = 1000  # of one fit
OWN_TAGS = ("mlflow.user", "mlflow.source.", "mlflow.runName")  # that the client sets by itself


def copy_logged(server: MlflowClient, root: Path, run: str) -> None:
    """Copy the runs below `root`: the fit's own into `run`, each other one into a run of its own."""
    local = MlflowClient(root.as_uri(), root.as_uri())
    copies: dict[str, str] = {}
    for each in _own_first(local):
        target = _other_run(server, each, run, copies) if copies else run
        copies[each.info.run_id] = target
        _copy(local, each, server, target)
        artifacts = root / each.info.experiment_id / each.info.run_id / "artifacts"
        inside = artifacts.resolve().is_relative_to(root.resolve())  # the run's id is what a file says
        if inside and artifacts.is_dir() and any(artifacts.iterdir()):
            server.log_artifacts(target, str(artifacts))
    for models in sorted((root / EXPERIMENT / "models").glob("*/artifacts")):
        server.log_artifacts(run, str(models), f"models/{models.parent.name}")


def _own_first(local: MlflowClient) -> list[Run]:
    """Return the runs: the one that was made for the fit, then the others, oldest first."""
    experiments = [each.experiment_id for each in local.search_experiments()]
    found = local.search_runs(experiments, max_results=MAX_RUNS)
    return sorted(found, key=lambda each: (each.info.user_id != USER, each.info.start_time))


def _other_run(server: MlflowClient, each: Run, run: str, copies: dict[str, str]) -> str:
    """Return the server's copy of a run that the notebook made beside the fit's own."""
    experiment = server.get_run(run).info.experiment_id
    mark = f"{PREFIX}copy_of"
    found = server.search_runs([experiment], f"tags.`{mark}` = '{each.info.run_id}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    parent = copies.get(each.data.tags.get(MLFLOW_PARENT_RUN_ID, ""), run)
    tags = {mark: each.info.run_id, MLFLOW_PARENT_RUN_ID: parent}
    made = server.create_run(experiment, each.info.start_time, tags, each.info.run_name)
    server.set_terminated(made.info.run_id, each.info.status, each.info.end_time)
    return str(made.info.run_id)


def _copy(local: MlflowClient, each: Run, server: MlflowClient, target: str) -> None:
    source = each.info.run_id
    for key in each.data.metrics:
        history = local.get_metric_history(source, key)
        for start in range(0, len(history), MAX_METRICS):
            some = [Metric(key, one.value, one.timestamp, one.step) for one in history[start : start + MAX_METRICS]]
            server.log_batch(target, metrics=some)
    parameters = [Param(key, value) for key, value in each.data.params.items()]
    tags = [RunTag(key, value) for key, value in each.data.tags.items() if _is_theirs(key)]
    for start in range(0, max(len(parameters), len(tags)), MAX_OTHERS):
        until = start + MAX_OTHERS
        server.log_batch(target, params=parameters[start:until], tags=tags[start:until])


def _is_theirs(tag: str) -> bool:
    """Return whether the notebook set a tag."""
    return tag != MLFLOW_PARENT_RUN_ID and not tag.startswith(OWN_TAGS)
