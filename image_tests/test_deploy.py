"""The files of `deploy/` are valid, and the chart's output runs as a pod."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from conftest import Start
from engine import ROOT, Engine

from container import TOKEN, until
from tests.deploy.chart import render

TOOLS = ROOT / ".venv-tools" / "bin"


def check(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_clean() -> None:
    check(str(TOOLS / "hadolint"), "Dockerfile")


def test_the_shell_scripts_are_clean() -> None:
    folders = [ROOT / "container", ROOT / "tools"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    scripts = [str(path) for path in files if re.match(rb"#!/bin/(ba)?sh\b", path.read_bytes())]
    assert len(scripts) > 3
    check(str(TOOLS / "shellcheck"), *scripts)


def test_the_yaml_files_are_clean() -> None:
    check(
        str(TOOLS / "yamllint"),
        "deploy/compose.yaml",
        "deploy/cluster/compose.yaml",
        "deploy/helm/Chart.yaml",
        "deploy/helm/values.yaml",
    )


def test_the_compose_file_asks_for_the_same_limits_as_the_tests() -> None:
    service = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["dltk"]
    assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert service["environment"]["api_token_file"].startswith("/run/secrets/")


def test_the_chart_runs_as_a_pod(podman: Engine, runtime_image: str, start: Start, tmp_path: Path) -> None:
    """`podman kube play` supports fewer kinds, so the pod publishes the service's port."""
    image = {"repository": "localhost/dltk", "tag": "runtime", "pullPolicy": "Never"}
    chart = render({"secret": {"apiToken": TOKEN}, "image": image}, tmp_path)
    documents = [chart.one(kind) for kind in ("Deployment", "PersistentVolumeClaim", "Secret")]
    container = chart.get("Deployment spec.template.spec.containers.dltk")
    container["ports"][0] |= {"hostPort": 15999, "hostIP": "127.0.0.1"}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        container.pop(probe)  # podman runs probes through systemd
    played = tmp_path / "play.yaml"
    played.write_text(yaml.safe_dump_all(documents))
    podman.podman("kube", "play", str(played))
    try:
        name = podman.podman("ps", "--all", "--format", "{{.Names}}").stdout
        (name,) = [each for each in name.split() if each.endswith("-dltk")]
        until(lambda: 'event": "ready' in logs(podman, name), 60)
        assert podman.podman("exec", name, "id", "-u").stdout.strip() == "1001"
        podman.podman("exec", name, "python3", "/opt/dltk/container/healthcheck.py")
        # The program of `helm test`, in the container itself, as no Service's name leads to it here.
        (program,) = chart.get("Pod spec.containers.call.command")[2:]
        podman.podman("exec", "--env", "DLTK_URL=https://127.0.0.1:5000", name, "python3", "-c", program)
        podman.podman("exec", name, *container["lifecycle"]["preStop"]["exec"]["command"])
    finally:
        podman.podman("kube", "down", str(played), check=False)


def logs(podman: Engine, name: str) -> str:
    done = podman.podman("logs", name, check=False)
    return done.stdout + done.stderr
