"""A volume with many jobs and models: listings, submissions, scrapes, and applies that look their algorithm up.

Each is measured first after a start of the server, with ``/livez`` meanwhile, and then again and again, also while
another replica writes records.
"""

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
Call = Callable[[http.client.HTTPConnection, int], float]  # returns seconds


def measure(world: World) -> list[Figure]:
    """The first of each call after a start, with ``/livez`` meanwhile; then each, without and with another writer."""
    home = world.home()
    paths = Paths(home, world.notebooks)
    jobs, models = (number // (100 if world.quick else 1) for number in (JOBS, MODELS))
    keep = {"DLTK_KEEP_JOBS": "1000000", "DLTK_MAX_QUEUED": "1000000", "DLTK_FIT_WORKERS": "1"}
    _fill(world, paths, jobs, models)
    what = f"{jobs:,} jobs, {models:,} models"
    figures = []
    for call in _calls():
        with servers.service(home, world.notebooks, **keep) as ours, _probing(ours) as probes:
            first = _calls()[call](ours.connect(), 0)
        figures += [
            _figure(f"first {call}, {what}", [first], FIRST_LIMIT_SECONDS),
            _figure(f"/livez during the first {call}", [max(probes)], LIVE_LIMIT_SECONDS),
        ]
    with servers.service(home, world.notebooks, **keep) as ours:
        for call in _calls().values():
            call(ours.connect(), 0)  # the first after the start, which is measured above
        for writes in (0, WRITES_PER_SECOND):
            _wait_for_fits(paths)  # of the submissions, which would be measured too
            with _writing(paths, writes) as written:
                taken = {name: _rounds(ours, call, world.rounds(ROUNDS)) for name, call in _calls().items()}
            also = f", {written():.0f} records a second written by another replica" if writes else ""
            figures += [_figure(f"{name}, {what}{also}", found, LIMIT_SECONDS) for name, found in taken.items()]
    return figures


def _wait_for_fits(paths: Paths) -> None:
    """Wait until each submitted fit has ended."""
    records = JobStore(paths, 10**6, log_bytes=1000)
    while records.unfinished():
        time.sleep(1)


def _rounds(ours: Server, call: Call, rounds: int) -> list[float]:
    connection = ours.connect()
    return [call(connection, time.monotonic_ns() % 10**9 + number) for number in range(rounds)]


def _figure(what: str, seconds: list[float], limit: float) -> Figure:
    return Figure(what, "s", Spread.of(seconds), bars=(Bar("longest, s", max(seconds), limit),))


def _calls() -> dict[str, Call]:
    """What is measured: a call on a connection, with a number that no other call has."""
    return {
        "/v1/jobs": lambda connection, _: _get(connection, "/v1/jobs"),
        "/v1/models": lambda connection, _: _get(connection, "/v1/models"),
        "/metrics": lambda connection, _: _get(connection, "/metrics"),
        "submission": _submit,
        "apply without algo": lambda connection, _: _apply(connection),
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


def _apply(connection: http.client.HTTPConnection) -> float:
    """Apply a model by its name alone, whose algorithm the server looks up."""
    body = json.loads(tables.body(tables.csv(10), "one"))
    del body["meta"]["options"]["params"]["algo"]
    began = time.perf_counter()
    connection.request("POST", "/apply", json.dumps(body).encode(), HEADERS)
    answer = connection.getresponse().read()
    if b'"success"' not in answer:
        raise Failed(f"the service answered an apply with {answer[:200]!r}")
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
def _writing(paths: Paths, per_second: int) -> Iterator[Callable[[], float]]:
    """Write records as another replica does; provide the number that was really written in a second."""
    over, began, done = threading.Event(), time.monotonic(), [0]
    records = JobStore(paths, 10**6, log_bytes=1000)

    def write() -> None:
        while not over.wait(max(0.0, began + done[0] / per_second - time.monotonic())):
            _record(records)
            done[0] += 1

    thread = threading.Thread(target=write) if per_second else threading.Thread(target=over.wait)
    thread.start()
    ended = began
    try:
        yield lambda: done[0] / (ended - began)
    finally:
        over.set()
        thread.join()
        ended = time.monotonic()


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
