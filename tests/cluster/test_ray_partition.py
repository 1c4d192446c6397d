"""A network that is cut for half a minute and heals, between a front and a node of a real Ray cluster."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.namespace import HERE, Namespace
from tests.cluster.notebooks import write
from tests.cluster.plain_ray import PlainRay
from tests.cluster.ray_cluster import NEEDS_RAY
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(900), NEEDS_RAY]

DATA = "a,b\n1,2\n3,4\n"
PATIENCE = 240  # seconds, on a machine with other work
CUT_SECONDS = 30
# A fit that goes on until a file is there, and leaves one when it has come to its end.
HELD = """
    def fit(model, df, param):
        import os, time
        here = os.environ["DLTK_HOME"].rsplit("/", 1)[-1]
        print("begun in", here, flush=True)
        while not os.path.exists("{folder}/go"):
            time.sleep(0.05)
        open("{folder}/ended-in-" + here, "w").close()
        model["rows"] = len(df)
        return {{"node": here}}
"""


@pytest.fixture
def far() -> Iterator[Namespace]:
    with contextlib.ExitStack() as stack:
        try:
            namespace = stack.enter_context(Namespace())
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield namespace


def refusals(service: Service) -> dict[str, str]:
    """Why no fit runs on each node that the front sees; empty where one may."""
    found = json.loads(service.send("/v1/cluster", None))["nodes"]
    return {str(each["name"]): str(each["refused"]) for each in found}


def far_ones(service: Service) -> set[str]:
    """Why no fit runs on the nodes called `far`: one that was declared dead, and the one that joined anew."""
    return {why for name, why in refusals(service).items() if name.startswith("far")}


def begun_in(service: Service, job: str) -> list[str]:
    """The nodes on which a fit has begun, first to last."""
    log = service.home / "jobs" / job / "log"
    text = log.read_text() if log.exists() else ""
    return [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("begun in")]


def record(service: Service, job: str) -> dict[str, Any]:
    return next(each for each in service.jobs() if each["id"] == job)


def test_a_healed_partition_commits_nothing_twice(tmp_path: Path, far: Namespace, processes: None) -> None:
    """The fit beyond the cut comes to its end there, and again on this side; one of them is a version."""
    (tmp_path / "token").write_text(secrets.token_hex(20))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    write(tmp_path / "notebooks", "held", "label=kind=plain", fit=HELD.format(folder=tmp_path))
    write(tmp_path / "notebooks", "beyond", "label=name=far")
    with PlainRay(tmp_path / "ray", token, HERE) as ray:
        ray.head()
        ray.node("near")
        ray.node("far", within=far)
        variables = ray.variables | {"DLTK_CLUSTER": ray.address, "DLTK_CLUSTER_CLOSED": "true"}
        settings = {"DLTK_GPUS": "none", "DLTK_FIT_WORKERS": "1"}
        with Service(tmp_path / "home", tmp_path / "notebooks", **settings, **variables) as service:
            until(lambda: refusals(service) == {"this machine": "", "near": "", "far": ""}, PATIENCE)
            jobs = []
            for number in range(2):
                answer = service.fit("held", DATA, f"m{number}", mode="async")
                jobs.append(next(each["id"] for each in service.jobs() if each["id"] in answer["message"]))
            until(lambda: {name for job in jobs for name in begun_in(service, job)} == {"near", "far"}, PATIENCE)
            far.cut()
            cut = time.monotonic()
            (tmp_path / "go").touch()
            until((tmp_path / "ended-in-far").exists, PATIENCE)
            until(lambda: all(record(service, job)["state"] == "succeeded" for job in jobs), PATIENCE)
            until(lambda: time.monotonic() - cut > CUT_SECONDS, PATIENCE)
            far.join()

            until(lambda: "" in far_ones(service), PATIENCE)
            assert [begun_in(service, job)[-1] for job in jobs] == ["near", "near"]
            assert sorted(record(service, job)["attempts"] for job in jobs) == [1, 2]
            assert [len(service.store_folders("held", f"m{number}")) for number in range(2)] == [1, 1]
            assert service.fit("beyond", DATA, "b")["status"] == "success"
