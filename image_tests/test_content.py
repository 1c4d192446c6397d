"""What the images hold: the same at every build of a commit, no secret, and nothing that `make sbom` does not list."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from conftest import Start
from engine import ROOT, Engine
from lab import password_hash
from rebuild import build_again

from container import TOKEN

KEYS = "find / -xdev -type f -exec grep -lIE '^-----BEGIN [A-Z ]*PRIVATE KEY-----' {} +; true"
PUBLIC_KEYS = ("tornado/test/test.key",)  # of a library's own tests, as everybody downloads it


@pytest.fixture(params=["runtime", "cpu"])
def image(request: pytest.FixtureRequest) -> str:
    """The tag of each image."""
    return str(request.getfixturevalue(f"{request.param}_image"))


def test_a_second_build_holds_the_same_files_and_not_the_secret_that_it_was_given(
    podman: Engine, runtime_image: str, tmp_path: Path
) -> None:
    build_again(podman, runtime_image, tmp_path)


def test_no_key_is_in_the_image_and_no_secret_in_its_history(podman: Engine, image: str) -> None:
    assert [path for path in podman.inside(image, KEYS) if not path.endswith(PUBLIC_KEYS)] == []
    history = podman.podman("history", "--no-trunc", image).stdout
    assert [word for word in ("token=", "password", "BEGIN", "http://", "https://") if word in history] == []


def test_every_file_is_the_one_that_its_package_brought(podman: Engine, image: str) -> None:
    assert podman.replaced_files(image) == []


def test_no_secret_is_in_the_logs_or_on_the_volume(start: Start, volume: str, image: str) -> None:
    secrets = {"JUPYTER_PASSWD": password_hash(), "splunk_hec_token": "a-collectors-token"}
    container = start(image, volume=volume, env={"MODE_DEV_PROD": "DEV", **secrets}, memory="6g")
    container.ready()
    container.fit("barebone_template", "x\n1\n2\n")
    for secret in (TOKEN, *secrets.values()):
        assert secret not in container.logs()
        assert container.run("sh", "-c", f"grep -rlF '{secret}' /srv; true") == ""


def test_the_bill_of_materials_names_every_package(podman: Engine, runtime_image: str) -> None:
    """Of Python's and of Debian's."""
    command = ["make", "sbom", "IMAGE=runtime", "ENGINE=podman"]
    subprocess.run(command, cwd=ROOT, env=podman.environ, check=True, capture_output=True, timeout=600)
    written = ROOT / "dltk-runtime.spdx.json"
    packages = json.loads(written.read_text())["packages"]
    written.unlink()
    listed = {(each["name"].replace("_", "-"), each.get("versionInfo")) for each in packages}
    script = "pip list --format freeze | sed 's/==/ /'; dpkg-query --show --showformat '${Package} ${Version}\\n'"
    there = [tuple(line.lower().replace("_", "-").split()) for line in podman.inside(runtime_image, script)]
    assert len(there) > 100
    assert [each for each in there if each not in listed] == []
