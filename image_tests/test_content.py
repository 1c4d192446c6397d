"""The images' content: reproducible per commit, without secrets, listed by `make sbom`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import Start
from engine import ROOT, Engine
from lab import password_hash
from packaging.utils import canonicalize_name
from rebuild import build_again

from container import TOKEN

KEYS = "find / -xdev -type f -exec grep -lIE '^-----BEGIN [A-Z ]*PRIVATE KEY-----' {} +; true"
PYTHON_PACKAGES = "/opt/dltk/bin/pip list --format freeze --exclude pip"
DEBIAN_PACKAGES = "dpkg-query --show --showformat '${Package}==${Version}\\n'"
PUBLIC_KEYS = ("tornado/test/test.key",)  # published with a library's tests


@pytest.fixture(params=["runtime", "cpu"])
def image(request: pytest.FixtureRequest) -> str:
    """Return the tag of each image."""
    return str(request.getfixturevalue(f"{request.param}_image"))


def test_a_second_build_holds_the_same_files_and_not_the_secret_that_it_was_given(
    podman: Engine, runtime_image: str, tmp_path: Path
) -> None:
    build_again(podman, runtime_image, tmp_path)


def test_a_change_of_the_code_is_in_the_next_build(podman: Engine, runtime_image: str, tmp_path: Path) -> None:
    """Everything else may come from the builder's cache."""
    changed = tmp_path / "checkout"
    left_out = shutil.ignore_patterns(".*", "tests", "image_tests", "bench", "docs", "*.tar")
    shutil.copytree(ROOT, changed, ignore=left_out)
    shutil.copy(ROOT / ".dockerignore", changed)
    with (changed / "dltk_runtime" / "__init__.py").open("a") as file:
        file.write("CHANGED = True\n")
    tag = podman.build(runtime_image.rpartition(":")[2], "changed", context=changed)
    script = "/opt/dltk/bin/python3 -c 'import dltk_runtime; print(dltk_runtime.CHANGED)'"
    assert podman.inside(tag, script) == ["True"]


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


SEEN = """
import glob, os
for folder in glob.glob("/proc/[0-9]*"):
    if int(folder[6:]) != os.getpid():
        for path in [f"{folder}/environ", *glob.glob(f"{folder}/fd/*")]:
            try:
                if path.endswith("environ") or "memfd:" in os.readlink(path):
                    print(open(path, "rb").read().decode(errors="replace"))
            except OSError:
                pass
"""


def test_notebooks_find_no_secret_in_any_process(start: Start, volume: str, image: str) -> None:
    """Notebooks have the user of this command, which itself runs where they cannot read it."""
    secrets = {"JUPYTER_PASSWD": password_hash(), "DLTK_ADMIN_TOKEN": "an-admins-token", "llm_config": "a-models-key"}
    secrets["HTTPS_PROXY"] = "http://user:a-proxys-password@proxy:3128"
    container = start(image, volume=volume, env={"MODE_DEV_PROD": "DEV", **secrets}, memory="6g")
    container.ready()
    container.fit("barebone_template", "x\n1\n2\n")
    assert container.healthcheck() == 0
    seen = container.run("python3-sealed", "-I", "-c", SEEN)
    assert "DLTK_HOME=/srv" in seen  # of workers
    assert [secret for secret in (TOKEN, *secrets.values()) if secret in seen] == []
    assert container.run("sh", "-c", "cat /proc/1/environ 2>/dev/null; true") == ""


def test_files_on_the_volume_are_for_the_group_and_nobody_else(start: Start, volume: str) -> None:
    container = start(volume=volume)
    container.ready()
    container.fit("barebone_template", "x\n1\n2\n")
    assert container.run("sh", "-c", "find /srv -mindepth 1 -perm /007 ! -type l; true") == ""
    assert container.run("sh", "-c", "find /srv -mindepth 1 ! -perm -040 ! -type l; true") == ""


def test_the_bill_of_materials_names_every_package(podman: Engine, image: str) -> None:
    """It lists packages of Python, as in the lock, and of Debian."""
    variant = image.rpartition(":")[2]
    python, debian = named(podman.inside(image, PYTHON_PACKAGES)), named(podman.inside(image, DEBIAN_PACKAGES))
    assert len(debian) > 60
    assert sorted((python | debian) - bill_of_materials(podman, variant)) == []
    locked = named((ROOT / "locks" / "cpu.txt").read_text().splitlines())
    # A build for the CPU has a suffix behind its version.
    unlocked = {name for name, version in python if (name, version.partition("+")[0]) not in locked}
    assert unlocked == {"dltk-runtime"}
    assert len({"torch", "tensorflow-cpu"} & {name for name, _ in python}) == {"runtime": 0, "cpu": 2}[variant]


def bill_of_materials(podman: Engine, variant: str) -> set[tuple[str, str]]:
    """Return the names and versions that ``make sbom`` writes."""
    command = ["make", "sbom", f"IMAGE={variant}", "ENGINE=podman"]
    subprocess.run(command, cwd=ROOT, env=podman.environ, check=True, capture_output=True, timeout=1800)
    written = ROOT / f"dltk-{variant}.spdx.json"
    packages = json.loads(written.read_text())["packages"]
    written.unlink()
    return {(canonicalize_name(each["name"]), each.get("versionInfo", "")) for each in packages}


def named(lines: Iterable[str]) -> set[tuple[str, str]]:
    """Return names and versions of lines such as ``torch==2.13.0``; ignore other lines."""
    pairs = (line.split("==") for line in lines if "==" in line)
    return {(canonicalize_name(name), version) for name, version in pairs}
