"""The compose file and the image of a cluster: what a front and its nodes must agree on."""

from __future__ import annotations

import shlex
import subprocess
from importlib import metadata
from typing import Any

import pytest
import yaml

from dltk_runtime.cluster import security
from dltk_runtime.cluster.node import MONITOR
from dltk_runtime.cluster.ray_nodes import RESOURCE
from dltk_runtime.settings import Settings
from tests.support.service import ROOT

FOLDER = ROOT / "deploy" / "cluster"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_of_one_image_and_gets_the_token_as_a_file(name: str) -> None:
    service = SERVICES[name]
    assert service["image"] == "dltk:cluster"
    assert "ray_token" in service["secrets"]
    environ = service["environment"]
    assert environ["RAY_AUTH_MODE"] == "token"
    assert environ["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert security.TOKEN not in environ
    assert environ[MONITOR] == "0"


def test_nobody_outside_reaches_ray() -> None:
    assert COMPOSE["networks"]["ray"] == {"internal": True}
    for name in ("ray-head", "ray-node"):
        assert SERVICES[name]["networks"] == ["ray"]
        assert "ports" not in SERVICES[name]
        assert (SERVICES[name]["read_only"], SERVICES[name]["cap_drop"]) == (True, ["ALL"])


def test_the_front_would_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "2.60.0")
    environ = SERVICES["dltk"]["environment"]
    for variable in ("DLTK_CLUSTER", "DLTK_CLUSTER_CLOSED"):
        monkeypatch.setenv(variable, environ[variable])
    settings = Settings.from_env()
    security.check(settings, environ)
    assert settings.cluster == "ray-head:6379"
    assert f"--port={settings.cluster.rpartition(':')[2]}" in SERVICES["ray-head"]["command"]


def test_two_nodes_are_for_fits_and_the_head_is_not() -> None:
    node = SERVICES["ray-node"]
    assert node["deploy"]["replicas"] == 2
    assert f'--resources={{"{RESOURCE}": 1}}' in node["command"]
    assert not [each for each in SERVICES["ray-head"]["command"] if RESOURCE in each]


@pytest.mark.process
def test_the_image_adds_ray_alone_by_its_hashes() -> None:
    """The command of the Dockerfile takes one entry out of the lock; no other package differs from the image's."""
    text = (FOLDER / "Dockerfile").read_text()
    command = text.partition("RUN awk ")[2].partition(" >")[0]
    (program, _) = shlex.split(command)
    lock = ROOT / "locks" / "hashed" / "cluster.txt"
    taken = subprocess.run(["awk", program, lock], capture_output=True, text=True, check=True).stdout.splitlines()
    assert taken[0].startswith("ray==")
    assert len(taken) > 1
    assert all(line.startswith("    --hash=sha256:") for line in taken[1:])
    image, cluster = (set((ROOT / "locks" / f"{name}.txt").read_text().split()) for name in ("cpu", "cluster"))
    assert [each for each in cluster - image if not each.startswith("ray==")] == []
