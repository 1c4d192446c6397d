"""Eight nodes fit at least 7.2 times as fast as one: ``make soak``.

Fits sleep, as all nodes share this machine's processors: what is measured is that none of them waits for
another, or for the front.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster.notebooks import write
from tests.cluster.ray_cluster import NEEDS_RAY, RayCluster
from tests.cluster.test_ray import DATA, PATIENCE, Front, ready
from tests.support.service import Service, until

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(3600),
    NEEDS_RAY,
    pytest.mark.skipif("DLTK_SOAK_CLUSTER_SLEEP" not in os.environ, reason="takes minutes: make soak"),
]
NODES = 8
SLEEP_SECONDS = float(os.environ.get("DLTK_SOAK_CLUSTER_SLEEP", "0"))
ROUNDS = 2  # fits on each node
LEAST = 7.2  # times the rate of one node
SLEEPS = """
    def fit(model, df, param):
        import time
        time.sleep({seconds})
        model["rows"] = len(df)
        return model
"""


def test_eight_nodes_fit_more_than_seven_times_as_fast_as_one(tmp_path: Path, processes: None) -> None:
    notebooks, names = tmp_path / "notebooks", [f"n{number}" for number in range(NODES)]
    sleeps = SLEEPS.format(seconds=SLEEP_SECONDS)
    write(notebooks, "one", "label=name=n0", fit=sleeps)
    write(notebooks, "all", "label=kind=plain", fit=sleeps)
    with RayCluster(tmp_path / "nodes") as cluster:
        for name in names:
            cluster.add(name, "plain", DLTK_FIT_WORKERS="1", DLTK_SPARES="1")
        variables = cluster.variables | {"DLTK_MAX_WAITING": "100", "DLTK_FIT_TIMEOUT": "3600"}
        with Service(tmp_path / "home", notebooks, **variables) as service:
            front = Front(cluster, service, tmp_path)
            until(lambda: ready(front) >= set(names), PATIENCE)
            one = rate(front, "one", ROUNDS)
            every = rate(front, "all", ROUNDS * NODES)
    figure = f"{NODES} nodes: {every / one:.2f} times the rate of one, fits that sleep {SLEEP_SECONDS:.0f} s"
    sys.stdout.write(f"{figure}\n")
    assert every >= LEAST * one


def rate(front: Front, algorithm: str, fits: int) -> float:
    """Fits a second, of as many at the same time as there are."""
    began = time.monotonic()
    with ThreadPoolExecutor(fits) as pool:
        found = list(pool.map(lambda number: front.service.fit(algorithm, DATA, f"r{number}"), range(fits)))
    assert {each["status"] for each in found} == {"success"}, found
    return fits / (time.monotonic() - began)
