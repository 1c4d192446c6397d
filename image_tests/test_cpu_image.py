"""The cpu image: PyTorch, Keras, JupyterLab and its password, TensorBoard and MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import certificates
import pytest
from conftest import Start
from engine import Engine
from lab import Lab, password_hash
from notebook import notebook_text, write_notebook

from container import HARDENED, Container, until

MB = 1000**2
PORTS = (5000, 8888, 6006, 6000)
LAB, TENSORBOARD, MLFLOW = 8888, 6006, 6000
START_SECONDS = 400  # in which the tools start, also on a machine with other work
# Waits in the middle until the test makes the file.
SLOW_FIT = """
def fit(model, df, param):
    import time
    import mlflow
    from dltk_runtime import progress
    progress(1, 2, loss=0.5)
    mlflow.log_metric("own", 42.0)
    while not os.path.exists("/srv/notebooks/go_on"):
        time.sleep(0.1)
    progress(2, 2, loss=0.25)
    return {}
"""


def development(start: Start, image: str, volume: str, **variables: str) -> Container:
    env = {"MODE_DEV_PROD": "DEV", "JUPYTER_PASSWD": password_hash()} | variables
    container = start(image, volume=volume, env=env, publish=PORTS, memory="6g")
    container.ready()
    return container


def lab_of(container: Container) -> Lab:
    lab = Lab(container.url(LAB))
    until(lambda: lab.status("/login") == 200, START_SECONDS)
    return lab


def test_the_image_is_below_its_limit(podman: Engine, cpu_image: str) -> None:
    size = int(podman.podman("image", "inspect", "--format", "{{.Size}}", cpu_image).stdout)
    print(f"cpu image: {size / MB:.0f} MB")
    assert size < 4600 * MB


@pytest.mark.parametrize(
    ("algorithm", "sample", "target", "epochs"),
    [("pytorch_nn", "iris", "species", 50), ("binary_nn_classifier", "breast_cancer", "is_malignant", 5)],
)
def test_networks_are_fitted_and_applied(
    start: Start, cpu_image: str, volume: str, algorithm: str, sample: str, target: str, epochs: int
) -> None:
    container = start(cpu_image, volume=volume, memory="6g")
    print(f"ready after {container.ready():.2f} s")
    container.fit_and_apply_sample(algorithm, sample, target, epochs)


def test_what_is_saved_in_jupyterlab_is_served_at_the_next_call(start: Start, cpu_image: str, volume: str) -> None:
    container = development(start, cpu_image, volume)
    lab = lab_of(container)
    print(f"JupyterLab ready after {container.ready():.1f} s")
    assert lab.status("/api/contents") == 403
    assert lab.log_in("a wrong one") == 401
    assert lab.status("/api/contents") == 403
    assert lab.log_in() == 200
    names = {entry["name"] for entry in json.loads(lab.get("/api/contents"))["content"]}
    assert "pytorch_nn.ipynb" in names
    assert "dltk" in json.loads(lab.get("/api/kernelspecs"))["kernelspecs"]
    twice = "def apply(model, df, param):\n    return df * 2\n"
    assert lab.save("twice.ipynb", json.loads(notebook_text(apply=twice))) in {200, 201}
    answer = container.fit("twice", "x\n1\n2\n")
    assert (answer["status"], answer["results"]) == ("success", "x\n2\n4\n"), answer


def test_tensorboard_and_mlflow_are_behind_the_password(start: Start, cpu_image: str, volume: str) -> None:
    container = development(start, cpu_image, volume)
    stranger, lab = Lab(container.url(LAB)), lab_of(container)
    lab.log_in()
    for port, text in ((TENSORBOARD, "TensorBoard"), (MLFLOW, "MLflow")):
        until(lambda port=port, text=text: text in lab.get(f"/proxy/{port}/"), START_SECONDS)
        assert text not in stranger.get(f"/proxy/{port}/")
        assert Lab(container.url(port).replace("https", "http")).status("/") == 0


def test_a_fit_is_a_run_of_the_containers_mlflow_while_it_trains_and_a_curve_of_tensorboard(
    start: Start, cpu_image: str, volume: str
) -> None:
    container = development(start, cpu_image, volume)
    write_notebook(container, "slow", fit=SLOW_FIT)
    lab = lab_of(container)
    lab.log_in()
    until(lambda: lab.status(f"/proxy/{MLFLOW}/health") == 200, START_SECONDS)
    assert container.fit("slow", "x\n1\n2\n", mode="async")["status"] == "submitted"
    running = until(lambda: [each for each in runs_of(lab, "slow") if "own" in metrics_of(each)], START_SECONDS)
    assert [(each["info"]["status"], metrics_of(each)["own"]) for each in running] == [("RUNNING", 42.0)]
    container.run("touch", "/srv/notebooks/go_on")
    until(lambda: [each["info"]["status"] for each in runs_of(lab, "slow")] == ["FINISHED"], START_SECONDS)
    assert metrics_of(runs_of(lab, "slow")[0])["progress/loss"] == 0.25
    curves = until(lambda: json.loads(lab.get(f"/proxy/{TENSORBOARD}/data/runs") or "[]"), START_SECONDS)
    assert [each.startswith("slow/m/1") for each in curves] == [True]
    stranger = Lab(container.url(LAB))
    for path in (f"/proxy/{MLFLOW}/api/2.0/mlflow/experiments/search", f"/proxy/{TENSORBOARD}/data/runs"):
        assert "slow" not in stranger.get(path)
        assert stranger.ask(path) == {}


def runs_of(lab: Lab, algorithm: str) -> list[dict[str, Any]]:
    """Return the runs of an algorithm's fits."""
    api = f"/proxy/{MLFLOW}/api/2.0/mlflow"
    found = lab.ask(f"{api}/experiments/search", max_results=100).get("experiments", [])
    ids = [each["experiment_id"] for each in found if each["name"] == algorithm]
    return list(lab.ask(f"{api}/runs/search", experiment_ids=ids).get("runs", [])) if ids else []


def metrics_of(run: dict[str, Any]) -> dict[str, float]:
    """Return the last value of each metric."""
    return {each["key"]: each["value"] for each in run["data"].get("metrics", [])}


def test_a_variable_opens_tensorboard_and_mlflow(start: Start, cpu_image: str, volume: str) -> None:
    container = development(start, cpu_image, volume, DLTK_OPEN_TOOLS="true")
    for port in (TENSORBOARD, MLFLOW):
        address = Lab(container.url(port).replace("https", "http"))
        until(lambda address=address: address.status("/") == 200, START_SECONDS)


def test_jupyterlab_does_not_start_without_a_password(start: Start, cpu_image: str, volume: str) -> None:
    container = development(start, cpu_image, volume, JUPYTER_PASSWD="")
    assert "JupyterLab does not start: JUPYTER_PASSWD" in container.logs()
    assert container.run("sh", "-c", "ls /tmp/services") == "api"


def test_jupyterlab_serves_a_renewed_certificate_and_never_half_a_renewal(
    start: Start, cpu_image: str, mounted: Path
) -> None:
    """No connection fails during a renewal: each gets the old certificate or the new one."""
    certificates.make(mounted, "first")
    env = {"API_SSL_CERT": "/certificate/tls.crt", "API_SSL_KEY": "/certificate/tls.key"}
    env |= {"MODE_DEV_PROD": "DEV", "JUPYTER_PASSWD": password_hash()}
    mount = f"--volume={mounted}:/certificate:ro"
    container = start(cpu_image, env=env, publish=PORTS, memory="6g", options=(*HARDENED, mount))
    container.ready()
    lab_of(container)
    first = certificates.in_file(mounted / "tls.crt")
    assert certificates.served(container.url(LAB)) == first
    certificates.make(mounted, "second", "new")
    second = certificates.in_file(mounted / "new.crt")
    (mounted / "new.crt").replace(mounted / "tls.crt")
    # From the API and from JupyterLab.
    until(lambda: container.logs().count("certificate not renewed") == 2, 30)
    assert certificates.served(container.url(LAB)) == first
    (mounted / "new.key").replace(mounted / "tls.key")
    until(lambda: certificates.served(container.url(LAB)) != first, 30)
    assert certificates.served(container.url(LAB)) == second
    assert container.logs().count("certificate not renewed") == 2


def test_jupyterlab_takes_its_password_from_a_file_and_another_port(
    start: Start, cpu_image: str, mounted: Path
) -> None:
    (mounted / "password").write_text(password_hash())
    env = {"MODE_DEV_PROD": "DEV", "JUPYTER_PASSWD_file": "/secrets/password", "JUPYTER_PORT": "9999"}
    mount = f"--volume={mounted}:/secrets:ro"
    container = start(cpu_image, env=env, publish=(5000, 9999), memory="6g", options=(*HARDENED, mount))
    lab = Lab(container.url(9999))
    until(lambda: lab.status("/login") == 200, START_SECONDS)
    assert lab.log_in() == 200
    findings = json.loads(container.run("dltk", "doctor", "--json", check=False))["findings"]
    assert ("jupyterlab", "ok") in {(each["check"], each["severity"]) for each in findings}


def test_a_dead_jupyterlab_comes_back_and_one_signal_ends_all(start: Start, cpu_image: str, volume: str) -> None:
    container = development(start, cpu_image, volume)
    lab_of(container)
    before = container.run("s6-svstat", "-o", "pid", "/tmp/services/jupyter")
    container.run("sh", "-c", f"kill -KILL {before}")
    until(lambda: container.run("s6-svstat", "-o", "pid", "/tmp/services/jupyter") not in {before, "-1"}, 30)
    lab_of(container)
    assert container.status("/readyz") == 200
    assert container.stop() == 0
