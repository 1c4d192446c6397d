"""The page of the machines in a real browser: what waits and why, and a node that is lost while one looks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.cluster.view import ClusterView
from tests.cluster.notebooks import write
from tests.cluster.standin_cluster import StandInCluster
from tests.cluster.test_standin import DATA, HELD, PATIENCE
from tests.console.browser import ADMIN
from tests.console.test_browser import FOLDER, PICTURES, PYTHON, assert_nothing_wrong, chromium, keep
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]
__all__ = ["chromium"]

FITS = (("forecast", "line_4"), ("embedding", "line_4"), ("embedding", "line_7"), ("forecast", "line_7"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandInCluster]:
    with StandInCluster(tmp_path / "nodes") as cluster:
        cluster.node("gpu-1", {"kind": "a100"}, DLTK_GPUS="0", DLTK_FIT_WORKERS="4")
        cluster.node("gpu-2", {"kind": "a100"}, DLTK_GPUS="0", DLTK_FIT_WORKERS="4")
        cluster.node("plain-1", {"rack": "2"}, DLTK_FIT_WORKERS="2")
        yield cluster


def test_the_machines_and_one_that_is_lost(chromium: None, cluster: StandInCluster, tmp_path: Path) -> None:
    for name, resources in (("forecast", "label=rack=2"), ("embedding", "gpu, memory=1G"), ("nightly", "label=rack=9")):
        write(tmp_path / "notebooks", name, resources, fit=HELD.format(folder=tmp_path))
    with Service(
        tmp_path / "home", tmp_path / "notebooks", **cluster.variables, DLTK_ADMIN_TOKEN=ADMIN, DLTK_FIT_WORKERS="2"
    ) as service:
        until(lambda: len(machines(service).nodes) == 4, PATIENCE)
        for algorithm, model in (*FITS, ("embedding", "line_9")):
            assert service.fit(algorithm, DATA, model, mode="async")["status"] == "submitted"
        until(lambda: sum(each.fits for each in machines(service).nodes) == len(FITS), PATIENCE)
        command = [PYTHON, FOLDER / "browse_cluster.py", service.url, ADMIN, tmp_path]
        with subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            first = run.stdout.readline()
            cluster.end("gpu-2")
            rest, errors = run.communicate(timeout=600)
        assert (first, rest != "") == ("watching\n", True), errors
        found = json.loads(rest)
        (tmp_path / "go").touch()
    assert_nothing_wrong(found)
    assert found["gone"] == ["gpu-2"]
    assert [each.split("\n")[0] for each in found["rows"]] == ["this machine", "gpu-1", "plain-1"]
    assert found["bars"] == 1
    if wanted := os.environ.get(PICTURES):
        keep(tmp_path / "cluster-light.png", Path(wanted) / "machines.png", 1000)


def machines(service: Service) -> ClusterView:
    return msgspec.json.decode(service.send("/v1/cluster", None), type=ClusterView)
