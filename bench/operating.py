"""What it costs to be watched: the record of a fit, and ``/metrics`` of a container with many models and jobs."""

from __future__ import annotations

import http.client
import shutil
import time
from pathlib import Path

from bench import servers, tables
from bench.figures import Bar, Figure, Spread
from bench.servers import HEADERS, Failed
from bench.world import World
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths

ROUNDS = 200
SCRAPES = 50
JOBS = 1000  # records that are there already: as many as are kept, so that each new one makes an old one go
MODELS, VERSIONS = 200, 5
STEPS = (  # what a fit tells on its way
    *("send", "decode", "code", "summary", "init", "summary", "fit", "save", "apply", "encode", "summary"),
    *("commit", "promote"),
)


def measure(world: World) -> list[Figure]:
    """The record of one fit from its creation to its end, and one scrape."""
    home = world.home()
    paths = Paths(home, world.notebooks)
    jobs = JobStore(paths, JOBS, log_bytes=2**20)
    for _ in range(JOBS):
        _record(jobs)
    records = [_record(jobs) for _ in range(world.rounds(ROUNDS))]
    with servers.service(home, world.notebooks) as ours:
        ours.fit(tables.body(tables.csv(10), "one"))
        _multiply(paths.versions / "one" / "m")
        connection = ours.connect()
        scrapes = [_scrape(connection) for _ in range(world.rounds(SCRAPES))]
    return [
        Figure("record of a job", "s", Spread.of(records), bars=(_at_most(records, 2.0),)),
        Figure(f"/metrics, {MODELS} models, {JOBS:,} jobs", "s", Spread.of(scrapes), bars=(_at_most(scrapes, 20.0),)),
    ]


def _at_most(seconds: list[float], milliseconds: float) -> Bar:
    return Bar("ms", Spread.of(seconds).median * 1000, milliseconds)


def _record(jobs: JobStore) -> float:
    """Seconds that the record of one fit takes altogether."""
    began = time.perf_counter()
    job = jobs.create(ModelName("one", "m"), {"algo": "one", "epochs": "3"}, "request")
    job.start()
    for step in STEPS:
        job.enter(step)
    job.succeed(rows=10, version=1, promoted=True, message="/fit done successfully.")
    return time.perf_counter() - began


def _multiply(model: Path) -> None:
    """Make many models and versions of one model with one version."""
    for number in range(2, VERSIONS + 1):
        shutil.copytree(model / "1", model / str(number))
    for number in range(1, MODELS):
        shutil.copytree(model, model.with_name(f"m{number}"))


def _scrape(connection: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    connection.request("GET", "/metrics", headers=HEADERS)
    text = connection.getresponse().read()
    seconds = time.perf_counter() - began
    if b"\ndltk_volume_models 200.0\n" not in text:
        raise Failed(f"the service answered /metrics with {text[:200]!r}")
    return seconds
