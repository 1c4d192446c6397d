"""Fits are runs, and versions model versions, of a real MLflow server; nothing waits for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.support.mlflow_server import MlflowServer, metrics_of, params_of, tags_of
from tests.support.service import ROOT, Service
from tests.support.service import until as until_within

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

DATA = "a,y\n" + "".join(f"{number},{number % 2}\n" for number in range(40))
LEARNER = {
    "parameters": "epochs: int = 3\nrate: float = 0.5\nfail: bool = False\nwait: bool = False\nown: bool = False",
    "fit": """
        def fit(model, df, param):
            import os, time
            from pathlib import Path
            from dltk_runtime import progress
            wanted = param["parameters"]
            print("address", os.environ.get("MLFLOW_TRACKING_URI"), flush=True)
            for epoch in range(wanted["epochs"]):
                progress(epoch + 1, wanted["epochs"], loss=1 / (epoch + 1))
                time.sleep(0.3)  # the record keeps a report each quarter of a second
            if wanted["own"]:
                import mlflow
                mlflow.log_metric("own", 42.0, step=7)
                mlflow.log_param("chosen", "by the notebook")
            Path("/srv/app/graphics/loss.png").write_bytes(b"picture")
            while wanted["wait"]:
                time.sleep(0.05)
            if wanted["fail"]:
                raise ValueError("as asked")
            model["rows"] = len(df)
            return {"metrics": {"accuracy": 0.75}}
    """,
    "apply": """
        def apply(model, df, param):
            return pd.DataFrame({"predicted": [0] * len(df)})
    """,
}
KERAS = {
    "fit": """
        def fit(model, df, param):
            import keras, mlflow
            from dltk_runtime import progress
            mlflow.keras.autolog(log_models=False, log_datasets=False)
            network = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
            network.compile(loss="mse")
            network.fit(df[["a"]].to_numpy(), df["y"].to_numpy(), epochs=2, verbose=0, callbacks=[progress.keras()])
            mlflow.pytorch.autolog(log_every_n_step=1)
            from torch.utils.tensorboard import SummaryWriter
            with mlflow.start_run(run_id=mlflow.last_active_run().info.run_id), SummaryWriter("curves") as writer:
                for step in range(3):
                    writer.add_scalar("plain loop", step / 2, step)
            model["rows"] = len(df)
            return {}
    """,
}
LIGHTNING = {
    "fit": """
        def fit(model, df, param):
            import mlflow, torch
            import pytorch_lightning as lightning

            class Line(lightning.LightningModule):
                def __init__(self):
                    super().__init__()
                    self.layer = torch.nn.Linear(1, 1)

                def training_step(self, batch, number):
                    loss = ((self.layer(batch[0]) - batch[1]) ** 2).mean()
                    self.log("squares", loss)
                    return loss

                def configure_optimizers(self):
                    return torch.optim.SGD(self.parameters(), lr=0.0001)

            mlflow.pytorch.autolog(log_models=False)
            rows = [torch.tensor(df[[name]].to_numpy(), dtype=torch.float32) for name in ("a", "y")]
            batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*rows), batch_size=20)
            quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
            trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", logger=False, **quiet)
            with mlflow.start_run():
                trainer.fit(Line(), batches)
                mlflow.log_metric("own", 1.0)
            model["rows"] = len(df)
            return {}
    """,
}
PASSWORD = "hunter2-of-mlflow"
GRID_SEARCH = "grid_search_svm_mlflow"


def until(condition: Callable[[], Any]) -> Any:
    """Wait for what several processes do, also on a machine with other work."""
    return until_within(condition, 180)


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture(scope="module")
def service(mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("service")
    write(root / "notebooks")
    with Service(root / "home", root / "notebooks", MLFLOW_TRACKING_URI=mlflow.url, MODE_DEV_PROD="DEV") as running:
        until(lambda: helper_of(running))
        yield running


def write(notebooks: Path) -> None:
    write_notebook(notebooks, "network", **KERAS)
    write_notebook(notebooks, "lightning_line", **LIGHTNING)
    cells = dict(LEARNER)
    write_notebook(notebooks, "learner", **{key: text for key, text in cells.items() if key != "parameters"})
    path = notebooks / "learner.ipynb"
    document = json.loads(path.read_text())
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": cells["parameters"]}
    document["cells"].insert(0, {**cell, "outputs": [], "execution_count": None})
    path.write_text(json.dumps(document))


def helper_of(service: Service) -> Any:
    import psutil

    assert service.process is not None
    for child in psutil.Process(service.process.pid).children():
        if "dltk_runtime.tracking.helper" in child.cmdline():
            return child
    return None


def fit(service: Service, model: str, **params: str) -> str:
    """Fit and return the id of the job."""
    answer = service.fit("learner", DATA, model=model, target="y", **params)
    assert answer["status"] == "success", answer
    return str(service.jobs()[-1]["id"])


def run_of(mlflow: MlflowServer, job: str) -> dict[str, Any]:
    return dict(until(lambda: mlflow.run_of("learner", job)))


def test_a_fit_is_a_run_with_the_notebooks_own_metric_and_its_version_a_model_version(
    mlflow: MlflowServer, service: Service
) -> None:
    run = run_of(mlflow, fit(service, "whole", epochs="2", own="t", holdout="0.25"))
    assert (run["info"]["status"], run["info"]["run_name"]) == ("FINISHED", "whole 1")
    params = {"epochs": "2", "rate": "0.5", "fail": "False", "wait": "False", "own": "True"}
    assert params_of(run) == {**params, "chosen": "by the notebook"}
    metrics = metrics_of(run)
    assert metrics["own"] == 42.0
    assert metrics["train/accuracy"] == 0.75
    assert "holdout/accuracy" in metrics
    assert mlflow.history(run, "own") == [(7, 42.0)]
    assert mlflow.history(run, "progress/loss") == [(1, 1.0), (2, 0.5)]
    tags = tags_of(run)
    clause = "fit MLTKContainer algo=learner epochs=2 own=t holdout=0.25 y from a into app:whole"
    assert (tags["dltk.fit"], tags["dltk.rows"], tags["dltk.version"]) == (clause, "40", "1")
    assert len(tags["dltk.code"]) == 64
    files = [
        "code/learner.ipynb.py",
        "pictures/loss.png",
        "version/card.md",
        "version/summary.json",
        "version/version.json",
    ]
    assert sorted(mlflow.artifacts(run)) == files
    (version,) = mlflow.versions("learner.whole")
    assert (version["run_id"], version["status"]) == (run["info"]["run_id"], "READY")
    assert until(lambda: mlflow.champion("learner.whole")) == "1"
    (curves,) = (service.notebooks / "logs" / "learner" / "whole" / "1").iterdir()  # in DEV, for TensorBoard
    assert b"loss" in curves.read_bytes()


def test_autologging_of_keras_and_of_a_plain_loop_of_torch_lands_in_the_fits_run(
    mlflow: MlflowServer, service: Service
) -> None:
    assert service.fit("network", DATA, model="auto", target="y")["status"] == "success"
    run = until(lambda: mlflow.run_of("network", service.jobs()[-1]["id"]))
    assert [step for step, _ in mlflow.history(run, "loss")] == [0, 1]
    assert params_of(run)["epochs"] == "2"
    assert mlflow.history(run, "plain loop") == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert len(mlflow.runs("network")) == 1
    (curves,) = (service.notebooks / "logs" / "network" / "auto" / "1").iterdir()  # by the callback, for TensorBoard
    assert b"loss" in curves.read_bytes()


@pytest.mark.skipif(not find_spec("pytorch_lightning"), reason="the variant compat has no Lightning")
def test_autologging_of_lightning_lands_in_the_fits_run(mlflow: MlflowServer, service: Service) -> None:
    assert service.fit("lightning_line", DATA, model="auto", target="y")["status"] == "success"
    run = until(lambda: mlflow.run_of("lightning_line", service.jobs()[-1]["id"]))
    assert [step for step, _ in mlflow.history(run, "squares")] == [0, 1, 2]
    assert {name: params_of(run)[name] for name in ("epochs", "optimizer_name", "lr")} == {
        "epochs": "3",
        "optimizer_name": "SGD",
        "lr": "0.0001",
    }
    assert metrics_of(run)["own"] == 1.0
    assert len(mlflow.runs("lightning_line")) == 1


def below_of(mlflow: MlflowServer, run: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs below a run."""
    runs = mlflow.runs(GRID_SEARCH)
    return [each for each in runs if tags_of(each).get("mlflow.parentRunId") == run["info"]["run_id"]]


def test_the_shipped_grid_search_logs_each_combination_below_the_fits_run(
    mlflow: MlflowServer, service: Service
) -> None:
    shutil.copy(ROOT / "notebooks" / f"{GRID_SEARCH}.ipynb", service.notebooks)
    for helper in ("fields", "scores", "svm"):
        (service.notebooks / "app" / "model").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "notebooks" / "app" / "model" / f"{helper}.py", service.notebooks / "app" / "model")
    grid = "\"{'kernel': ['linear'], 'C': [1]},{'kernel': ['rbf'], 'C': [1, 10]}\""
    answer = service.fit(GRID_SEARCH, DATA, model="grid", target="y", grid=grid, folds="2")
    assert answer["status"] == "success", answer
    assert "No run was logged" not in answer["message"]
    run = until(lambda: mlflow.run_of(GRID_SEARCH, service.jobs()[-1]["id"]))
    until(lambda: len(below_of(mlflow, run)) == 3)  # a slow server gets them after the fit
    below = below_of(mlflow, run)
    tried = [(params_of(each)["kernel"], params_of(each)["C"], params_of(each)["folds"]) for each in below]
    assert sorted(tried) == [("linear", "1", "2"), ("rbf", "1", "2"), ("rbf", "10", "2")]
    assert all({"mean_test_score", "std_test_score"} == metrics_of(each).keys() for each in below)
    assert run["info"]["status"] == "FINISHED"


def test_the_alias_follows_fits_a_rollback_and_a_promotion(mlflow: MlflowServer, service: Service) -> None:
    fit(service, "back", epochs="0")
    fit(service, "back", epochs="0")
    until(lambda: mlflow.champion("learner.back") == "2")
    service.send("/v1/models/learner/back/rollback", b"")
    until(lambda: mlflow.champion("learner.back") == "1")
    service.send("/v1/models/learner/back/promote/2", b"")
    until(lambda: mlflow.champion("learner.back") == "2")
    assert len(mlflow.versions("learner.back")) == 2


def test_a_batch_fit_is_a_run_with_its_executed_notebook(mlflow: MlflowServer, tmp_path: Path) -> None:
    write(tmp_path / "notebooks")
    (tmp_path / "rows.csv").write_text(DATA)
    command = [sys.executable, "-m", "dltk_runtime.cli", "batch", "learner", "--fit", "--data", "rows.csv"]
    command += ["--target", "y", "--model", "nightly", "-p", "own=true", "-p", "epochs=0"]
    command += ["--home", "home", "--notebooks", "notebooks"]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("DLTK_")}
    environ["MLFLOW_TRACKING_URI"] = mlflow.url
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (record,) = [json.loads(path.read_text()) for path in (tmp_path / "home" / "jobs").glob("*/job.json")]
    with Service(tmp_path / "home", tmp_path / "notebooks", MLFLOW_TRACKING_URI=mlflow.url, DLTK_SPARES="0"):
        run = run_of(mlflow, record["id"])  # what the batch run had no time for, the server sends
    assert (run["info"]["status"], metrics_of(run)["own"]) == ("FINISHED", 42.0)
    assert [path for path in mlflow.artifacts(run) if path.startswith("notebook/")] == [
        f"notebook/learner-{record['id']}.ipynb"
    ]
    assert mlflow.champion("learner.nightly") == "1"


def test_a_failed_and_a_cancelled_fit_end_their_runs_and_make_no_version(
    mlflow: MlflowServer, service: Service
) -> None:
    assert service.fit("learner", DATA, model="failed", target="y", fail="t", epochs="1")["status"] == "error"
    failed = run_of(mlflow, service.jobs()[-1]["id"])
    assert (failed["info"]["status"], mlflow.history(failed, "progress/loss")) == ("FAILED", [(1, 1.0)])
    service.fit("learner", DATA, model="cancelled", target="y", wait="t", epochs="2", mode="async")
    job, steps = service.jobs()[-1]["id"], [(1, 1.0), (2, 0.5)]
    until(lambda: any(tags_of(run).get("dltk.job") == job for run in mlflow.runs("learner")))  # while it runs
    (running,) = (run for run in mlflow.runs("learner") if tags_of(run).get("dltk.job") == job)
    until(lambda: mlflow.history(running, "progress/loss") == steps)
    assert service.cancel(job) == 200
    killed = run_of(mlflow, job)
    assert (killed["info"]["status"], mlflow.history(killed, "progress/loss")) == ("KILLED", steps)
    assert mlflow.versions("learner.failed") == mlflow.versions("learner.cancelled") == []


def test_a_server_that_is_down_holds_up_nothing_and_gets_all_of_it_in_order_later(
    mlflow: MlflowServer, service: Service
) -> None:
    fit(service, "later", epochs="0")
    until(lambda: mlflow.champion("learner.later") == "1")
    mlflow.door.shut()
    jobs = [fit(service, "later", epochs="0"), fit(service, "later", epochs="2", own="t")]
    service.send("/v1/models/learner/later/rollback", b"")
    assert service.apply("learner", DATA, model="later")["status"] == "success"
    assert until(lambda: metric(service, "dltk_tracking_waiting_bytes")) > 0
    service.restart(signal.SIGKILL)
    assert len(mlflow.versions("learner.later")) == 1
    mlflow.door.open()
    runs = [run_of(mlflow, job) for job in jobs]
    assert mlflow.history(runs[1], "own") == [(7, 42.0)]
    assert {"epochs": "2", "chosen": "by the notebook"}.items() <= params_of(runs[1]).items()
    assert mlflow.history(runs[1], "progress/loss") == [(1, 1.0), (2, 0.5)]
    until(lambda: mlflow.champion("learner.later") == "2")
    assert [tags_of({"data": each})["dltk.version"] for each in mlflow.versions("learner.later")] == ["1", "2", "3"]
    until(lambda: metric(service, "dltk_tracking_waiting_bytes") == 0)
    assert list((service.home / "tracking" / "runs").iterdir()) == []


def metric(service: Service, name: str) -> float:
    lines = service.send("/metrics", None).decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_credentials_reach_neither_notebooks_nor_files_nor_the_log(mlflow: MlflowServer, tmp_path: Path) -> None:
    write(tmp_path / "notebooks")
    url = mlflow.url.replace("http://", f"http://somebody:{PASSWORD}@")
    with Service(tmp_path / "home", tmp_path / "notebooks", MLFLOW_TRACKING_URI=url, DLTK_SPARES="0") as service:
        helper = until(lambda: helper_of(service))
        assert PASSWORD not in Path(f"/proc/{helper.pid}/cmdline").read_text()
        mlflow.door.shut()
        job = fit(service, "secret", epochs="0", own="t")
        until(lambda: any(event["event"] == "runs wait" for event in service.events()))
        mlflow.door.open()
        run = run_of(mlflow, job)
        assert metrics_of(run)["own"] == 42.0
        assert service.job_log().startswith("address file:///")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]
