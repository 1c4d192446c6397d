"""A volume with many jobs and models: listings, submissions and scrapes, also while another replica writes."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import servers, tables
from bench.figures import Bar, Figure, Spread
from bench.servers import HEADERS, Failed, Server
from bench.world import World
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths

JOBS, MODELS = 20_000, 2_000
ROUNDS = 30
WRITES_PER_SECOND = 50  # of another replica
LIMIT_SECONDS = 0.3
FIRST_LIMIT_SECONDS = 5.0
LIVE_LIMIT_SECONDS = 0.05
NAME = ModelName("one", "m")


def measure(world: World) -> list[Figure]:
    """The first listing after a start, with ``/livez`` meanwhile; then each call, without and with another writer."""
    home = world.home()
    paths = Paths(home, world.notebooks)
    jobs, models = (number // (100 if world.quick else 1) for number in (JOBS, MODELS))
    keep = {"DLTK_KEEP_JOBS": "1000000", "DLTK_MAX_QUEUED": "1000000", "DLTK_FIT_WORKERS": "1"}
    _fill(world, paths, jobs, models)
    what = f"{jobs:,} jobs, {models:,} models"
    with servers.service(home, world.notebooks, **keep) as ours:
        with _probing(ours) as probes:
            first = _get(ours.connect(), "/v1/jobs")
        figures = [
            _figure(f"first /v1/jobs, {what}", [first], FIRST_LIMIT_SECONDS),
            _figure("/livez meanwhile", [max(probes)], LIVE_LIMIT_SECONDS),
        ]
        for condition in ("", ", 50 records a second written by another replica"):
            with _writing(paths) if condition else contextlib.nullcontext():
                for call, seconds in _calls(ours, world.rounds(ROUNDS)).items():
                    figures.append(_figure(f"{call}, {what}{condition}", seconds, LIMIT_SECONDS))
    return figures


def _figure(what: str, seconds: list[float], limit: float) -> Figure:
    return Figure(what, "s", Spread.of(seconds), bars=(Bar("longest, s", max(seconds), limit),))


def _calls(ours: Server, rounds: int) -> dict[str, list[float]]:
    connection = ours.connect()
    calls: dict[str, Callable[[int], float]] = {
        "/v1/jobs": lambda _: _get(connection, "/v1/jobs"),
        "/metrics": lambda _: _get(connection, "/metrics"),
        "submission": lambda number: _submit(connection, number),
    }
    return {
        name: [call(time.monotonic_ns() % 10**9 + number) for number in range(rounds)] for name, call in calls.items()
    }


def _get(connection: http.client.HTTPConnection, path: str) -> float:
    began = time.perf_counter()
    connection.request("GET", path, headers=HEADERS)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != http.client.OK:
        raise Failed(f"the service answered {path} with {text[:200]!r}")
    return time.perf_counter() - began


def _submit(connection: http.client.HTTPConnection, number: int) -> float:
    meta = {"options": {"params": {"algo": "one", "mode": "async"}, "model_name": "m"}, "feature_variables": ["x"]}
    body = json.dumps({"data": f"x\n{number}\n", "meta": meta}).encode()
    began = time.perf_counter()
    connection.request("POST", "/fit", body, HEADERS)
    answer = connection.getresponse().read()
    if b'"submitted"' not in answer:
        raise Failed(f"the service answered a submission with {answer[:200]!r}")
    return time.perf_counter() - began


def _fill(world: World, paths: Paths, jobs: int, models: int) -> None:
    with servers.service(paths.home, world.notebooks) as ours:
        ours.fit(tables.body(tables.csv(10), "one"))
    model: Path = paths.versions / "one" / "m"
    for number in range(1, models):
        shutil.copytree(model, model.with_name(f"m{number}"))
    records = JobStore(paths, 10**6, log_bytes=1000)
    for _ in range(jobs):
        _record(records)


def _record(records: JobStore) -> None:
    job = records.create(NAME, {"algo": "one"}, "request")
    job.start()
    job.succeed(rows=10, version=1, promoted=True, message="/fit done successfully.")


@contextlib.contextmanager
def _writing(paths: Paths) -> Iterator[None]:
    """Write records as another replica does."""
    over = threading.Event()
    records = JobStore(paths, 10**6, log_bytes=1000)

    def write() -> None:
        while not over.wait(1 / WRITES_PER_SECOND):
            _record(records)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _probing(ours: Server) -> Iterator[list[float]]:
    """Ask for ``/livez`` again and again; the seconds of each answer."""
    over, found = threading.Event(), list[float]()

    def ask() -> None:
        connection = ours.connect()
        while not over.is_set() or not found:
            found.append(_get(connection, "/livez"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
