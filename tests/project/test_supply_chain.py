"""What is installed is what was locked: every file by its hash, in every place that installs."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import ROOT

LOCKS = sorted((ROOT / "locks").glob("*.txt"))
HASHED = ROOT / "locks" / "hashed"
ENTRY = re.compile(r"([a-z0-9-]+==[0-9][0-9a-z.]*)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_entry_of_a_lock_has_hashes(lock: Path) -> None:
    text = (HASHED / lock.name).read_text(encoding="utf-8")
    assert sorted(name for name, _ in ENTRY.findall(text)) == sorted(lock.read_text(encoding="utf-8").split())
    assert re.fullmatch(r"(# [a-z]+\n)*", ENTRY.sub("", text))


@pytest.mark.parametrize("variant", ["cpu", "compat"])
def test_torch_may_be_the_cpu_build_or_that_of_pypi(variant: str) -> None:
    """pip takes a file whose hash the index tells before one in a folder: with both hashes never the CPU build."""
    (more,) = re.findall(r"^torch==\S+ (sha256:\w+) \S+\.whl$", (HASHED / "more.txt").read_text(), re.MULTILINE)
    ours, pypis = (
        dict(ENTRY.findall((HASHED / f"{name}.txt").read_text()))["torch==2.13.0"]
        for name in (variant, f"{variant}-pypi")
    )
    assert re.findall(r"sha256:\w+", ours) == [more]
    assert pypis.count("--hash") > 5
    assert more not in pypis


def test_nothing_is_installed_without_hashes() -> None:
    for file in ("tools/setup.sh", "container/build.sh", "deploy/cluster/Dockerfile"):
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if "pip install" in line and not line.lstrip().startswith("#"):
                # The project's own wheel, and the editable checkout, are made here.
                assert {"--require-hashes", "--no-deps", "--dry-run"} & set(line.split()), line
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "s6=${S6_VERSION}" in dockerfile
    assert "g++=${GXX_VERSION}" in dockerfile


@pytest.mark.process
@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "0 of 1 checked packages have known weaknesses"),
        ([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}], 1, "a 1: CVE-1"),
        ([{"name": "a", "skip_reason": "not found"}], 2, "nothing was checked: no advisory database is reachable"),
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "x"}], 2, "not checked, as the"),
        (None, 2, "nothing was checked"),
    ],
)
def test_the_audit_never_takes_silence_for_health(
    tmp_path: Path, dependencies: list[object] | None, code: int, said: str
) -> None:
    answer = "no JSON" if dependencies is None else json.dumps({"dependencies": dependencies})
    stand_in = tmp_path / "pip-audit"
    stand_in.write_text(f"#!{sys.executable}\nprint({answer!r})\n")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, ROOT / "tools" / "audit.py", stand_in, "locks/hashed/pip.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


@pytest.mark.process
def test_the_base_image_is_in_the_list_of_content(tmp_path: Path) -> None:
    listed = tmp_path / "x.spdx.json"
    listed.write_text(json.dumps({"packages": []}))
    name, digest = "docker.io/library/python", "sha256:" + "0" * 64
    labels = {"org.opencontainers.image.base.name": name, "org.opencontainers.image.base.digest": digest}
    command = [sys.executable, ROOT / "tools" / "base_in_sbom.py", listed]
    subprocess.run(command, input=json.dumps(labels), text=True, check=True)
    (package,) = json.loads(listed.read_text())["packages"]
    assert (package["name"], package["versionInfo"]) == (name, digest)
    dry = ["make", "--dry-run", "image", f"BASE_IMAGE={name}@{digest}", "ENGINE=podman"]
    printed = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--build-arg BASE_IMAGE={name}@{digest} --build-arg BASE_DIGEST={digest}" in printed
