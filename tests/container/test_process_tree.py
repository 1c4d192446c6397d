"""No process of the image shows a secret to notebooks: the real `start.py`, s6, JupyterLab, TensorBoard and MLflow."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dltk_runtime.settings import CLIENT_VARIABLES, VARIABLES
from tests.container.machine import NAMESPACES, Machine
from tests.support.service import ROOT, until

sys.path.append(str(ROOT / "image_tests"))
from lab import password_hash

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can make the namespaces and the user of the image"),
]

# For notebooks, too: Splunk's, and one that the operator listed.
TOKENS = {
    "splunk_access_token": "splunk-value-5d1c",
    "splunk_hec_token": "hec-value-5d1c",
    "HF_TOKEN": "hf-value-5d1c",
}
SECRETS = {
    each.name: f"{each.name}-value-5d1c"
    for each in (*VARIABLES.values(), *CLIENT_VARIABLES.values())
    if each.secret and each.name not in {"JUPYTER_PASSWD", *TOKENS}
} | {
    "JUPYTER_PASSWD": password_hash(),
    "llm_config": "llm-value-5d1c",
    "AWS_SECRET_ACCESS_KEY": "aws-value-5d1c",
    "HTTPS_PROXY": "http://user:proxy-value-5d1c@proxy:3128",
    "DATABASE_URL": "postgres://user:database-value-5d1c@db/x",
}
KERNEL, WORKER = "dltk_runtime.lab.kernel", "dltk_runtime.worker"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Start all services, and one kernel."""
    if subprocess.run(["unshare", *NAMESPACES, "--", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets even root make no namespaces: `make image-test` runs the same in an image")
    subprocess.run(["sh", "tools/debian.sh", "s6"], cwd=ROOT, check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("machine")
    (folder / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "barebone_template.ipynb", folder / "notebooks")
    more = {"MODE_DEV_PROD": "DEV", "DLTK_SPARES": "1", "DLTK_OPEN_TOOLS": "yes", "DLTK_NOTEBOOK_SECRETS": "HF_TOKEN"}
    splunk = {"splunk_access_enabled": "1", "splunk_hec_enabled": "1", "splunk_access_host": "h", "splunk_hec_url": "u"}
    with Machine(folder, folder / "notebooks", **more, **splunk, **SECRETS, **TOKENS) as made:
        made.wait_for("listening on")
        until(lambda: all(running(made.sees(), name) for name in ("jupyterlab", "tensorboard", "mlflow")), 240)
        yield made


@pytest.fixture(scope="module")
def runs(machine: Machine) -> list[dict[str, str]]:
    """The runs of a fit in the container's own MLflow."""
    return list(machine.sees("--tracked", SECRETS["api_token"]))


@pytest.fixture(scope="module")
def seen(machine: Machine, runs: object) -> dict[str, dict[str, str]]:
    """What a notebook sees when all services and a kernel run."""
    while_starting = machine.sees()
    assert machine.sees("--stop-tools") == 0  # they take long to start, and have been seen
    assert machine.sees("--start-kernel") == 201
    until(lambda: all(running(machine.sees(), name) for name in (KERNEL, WORKER)), 240)
    return {f"{number}, starting": each for number, each in while_starting.items()} | machine.sees()


def running(processes: dict[str, Any], name: str) -> list[dict[str, str]]:
    return [each for each in processes.values() if name in each["command"]]


def test_a_fit_is_a_run_of_the_containers_own_mlflow(runs: list[dict[str, str]]) -> None:
    assert [each["status"] for each in runs] == ["FINISHED"]


def test_every_service_runs(seen: dict[str, dict[str, str]]) -> None:
    for name in ("s6-svscan", "dltk_runtime.cli serve", "guardian.py", "jupyterlab", "tensorboard", "mlflow"):
        assert running(seen, name), name
    assert running(seen, KERNEL)[0]["environ"], "a notebook reads the environment of another kernel"


@pytest.mark.parametrize("name", SECRETS)
def test_no_process_shows_a_secret_to_a_notebook(seen: dict[str, dict[str, str]], name: str) -> None:
    secret = SECRETS[name].removeprefix("http://user:").partition("@")[0]
    assert [each for each in seen.values() if secret in each["environ"] + each["files"]] == []


@pytest.mark.parametrize("name", {**SECRETS, **TOKENS})
def test_no_environment_has_a_secret_not_even_for_root(machine: Machine, seen: object, name: str) -> None:
    assert seen
    secret = (SECRETS | TOKENS)[name]
    assert [each["command"] for each in machine.sees_as_root().values() if secret in each["environ"]] == []


def test_workers_and_kernels_have_the_notebooks_tokens_and_no_other_process_shows_them(
    seen: dict[str, dict[str, str]],
) -> None:
    for token in TOKENS.values():
        showing = [each["command"] for each in seen.values() if token in each["files"]]
        assert {KERNEL in command or WORKER in command for command in showing} == {True}
        assert any(KERNEL in command for command in showing)


def test_a_command_that_the_engine_starts_shows_its_environment_to_nobody(machine: Machine) -> None:
    """The engine gives the health check and `docker exec` the container's variables."""
    with machine.started({"api_token": "exec-value-5d1c"}, "python3-sealed", "-I", "-c", "input('waiting')"):
        (command,) = until(lambda: running(machine.sees(), "input('waiting')"))
    assert command["environ"] == ""
    programs = (ROOT / "Dockerfile").read_text(), (ROOT / "container" / "bin" / "dltk").read_text()
    assert 'CMD ["python3-sealed", "-I", "/opt/dltk/container/healthcheck.py"]' in programs[0]
    assert programs[1].startswith("#!/opt/dltk/bin/python3-sealed -I\n")


def test_a_notebook_that_reads_everything_cannot_make_a_cookie_of_the_console(machine: Machine, seen: object) -> None:
    """It has Splunk's token, too; with that of the admin in any file the same attempt succeeds."""
    assert seen
    found = machine.sees("--forge", SECRETS["api_token"])
    assert found["accepted"] == []
    assert found["guesses"] > 100
    assert any(file.startswith("/srv/") for file in found["files"])
    assert any(file.endswith("/environ") for file in found["files"])
    assert any("/fd/" in file for file in found["files"])
    planted = machine.volume / "planted"
    planted.write_text(f"x: '{base64.b64encode(SECRETS['DLTK_ADMIN_TOKEN'].encode()).decode()}'\n")
    planted.chmod(0o644)
    try:
        assert machine.sees("--forge", SECRETS["api_token"])["accepted"] == [SECRETS["DLTK_ADMIN_TOKEN"]]
    finally:
        planted.unlink()


def test_files_on_the_volume_are_the_groups_too_and_nobody_elses(machine: Machine, seen: object) -> None:
    assert seen
    made = [path for path in machine.volume.rglob("*") if not path.is_symlink()]
    assert len(made) > 10
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o007} == {}
    assert {path: oct(mode) for path, mode in modes.items() if not mode & 0o040} == {}


def test_jupyterlab_knows_its_password_after_it_has_died(machine: Machine, seen: object) -> None:
    assert seen
    assert machine.sees("--restart-jupyter") == 200


def test_jupyterlab_slows_down_who_guesses_its_password(machine: Machine, seen: object) -> None:
    assert seen
    *wrong, refused, right = machine.sees("--guess-password")
    assert set(wrong) == {401}
    assert len(wrong) >= 4
    assert (refused, right) == (429, 200)
