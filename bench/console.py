"""The console: pages with 200 models that have drifted and 1,000 jobs, and what ten browsers that watch cost an apply.

The pages are asked in turn. The browsers' streams carry the jobs' table, in which a fit runs, so that it changes all
the time; applies are timed in blocks, with the streams open and without.
"""

from __future__ import annotations

import contextlib
import http.client
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import TOKEN, Failed, Server
from bench.world import World
from dltk_runtime.apply.drift import Judgement, Level, Past
from dltk_runtime.apply.drift_files import MAX_PAST, DriftFiles
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature

MODELS, VERSIONS, JOBS, FIELDS = 200, 5, 1000, 40
PAGES = ("/ui", "/ui/jobs", "/ui/models", "/ui/drift", "/ui/history", "/ui/models/many/m7", "/ui/models/many/m7/drift")
ROUNDS, BLOCKS, BLOCK, ROWS = 100, 20, 30, 1000
BROWSERS = 10
MOST_MILLISECONDS = 150.0  # that 95 % of the answers with a page take
MOST_TIMES = 1.05


def measure(world: World) -> list[Figure]:
    """A figure for each page, and one for applies while browsers watch."""
    home = world.home()
    running = fill(Paths(home, world.notebooks), world)
    with world.service(home, DLTK_KEEP_JOBS=str(2 * JOBS)) as server:
        server.fit(tables.body(tables.csv(ROWS), "one"))
        cookie = _signed_in(server)
        return [*_pages(world, server, cookie), _watched(world, server, cookie, running)]


def fill(paths: Paths, world: World) -> Job:
    """Write models, versions and jobs into a home; return a job that runs."""
    store, jobs = ModelStore.open(paths, VERSIONS), JobStore(paths, 2 * JOBS, 1000)
    baseline = Baseline(counts=[0, *[100] * 20, 0, 0], edges=[float(number) for number in range(21)])
    facts = Facts(rows=2000, features=[Feature(f"field_{number}", "number", baseline) for number in range(FIELDS)])
    names = [ModelName("many", f"m{number}") for number in range(world.rounds(MODELS))]
    drift = DriftFiles(paths.drift, store)
    for name in names:
        for _ in range(VERSIONS):
            with store.reserve(name) as reserved:
                Path(reserved.location.folder, f"{name.file}.json").write_text("{}")
                version = reserved.commit(facts, b'{"format": 1, "sources": []}', b"{}")
        store.promote(version)
        judge(drift, version.id, [each.name for each in facts.features])
    for number in range(world.rounds(JOBS)):
        _begun(jobs, names[number % len(names)]).succeed(rows=2000, version=1, promoted=True, message="done")
    running = _begun(jobs, names[0])
    running.progress(3, 10, {"loss": 0.5})
    return running


def judge(drift: DriftFiles, version: VersionId, fields: list[str]) -> None:
    """Write what servers keep of a version whose rows were judged often, and have drifted."""
    counts = [0, *[100 - 5 * number for number in range(20)], 0, 0]
    levels, begun = [Level(field, 0.3, 0.0) for field in fields], datetime(2026, 1, 1, tzinfo=UTC)
    drift.write([(version, Judgement(version.number, sum(counts), levels, dict.fromkeys(fields, counts)))])
    indexes = [dict.fromkeys(fields, number / 100) for number in range(MAX_PAST)]
    times = (begun + timedelta(hours=number) for number in range(MAX_PAST))
    past = (Past(version.number, time, sum(counts), each) for time, each in zip(times, indexes, strict=True))
    drift.write_past([(version, each) for each in past])


def _begun(jobs: JobStore, name: ModelName) -> Job:
    job = jobs.create(name, {"algo": name.algorithm})
    job.start()
    job.phase("fit")
    return job


def _pages(world: World, server: Server, cookie: str) -> Iterator[Figure]:
    def way(page: str) -> Callable[[], float]:
        return lambda: _timed(server, cookie, page)

    ways = {page: way(page) for page in PAGES}
    in_turn(ways, 2)
    for page, values in in_turn(ways, world.rounds(ROUNDS)).items():
        slow = statistics.quantiles(values, n=20, method="inclusive")[-1] * 1000
        bar = Bar("ms, 95 % of the answers", slow, MOST_MILLISECONDS)
        yield Figure(
            f"console, {page}, {world.rounds(MODELS)} models, {world.rounds(JOBS):,} jobs",
            "s",
            Spread.of(values),
            bars=(bar,),
        )


def _watched(world: World, server: Server, cookie: str, running: Job) -> Figure:
    body = tables.body(tables.csv(ROWS), "one")

    def block() -> float:
        running.touch()  # else the fit is taken for lost
        return statistics.median(server.timed("/apply", body) for _ in range(world.rounds(BLOCK)))

    def watched() -> float:
        with _browsers(server, cookie):
            return block()

    values = in_turn({"watched": watched, "alone": block}, world.rounds(BLOCKS))
    bar = Bar("× without them", ratio(values, "watched", "alone"), MOST_TIMES)
    what = f"apply, {ROWS:,} rows, while {BROWSERS} browsers watch (naive: while none does)"
    return Figure(what, "s", Spread.of(values["watched"]), Spread.of(values["alone"]), bars=(bar,))


@contextlib.contextmanager
def _browsers(server: Server, cookie: str) -> Iterator[None]:
    """Ten streams of the jobs' table, each read as a browser does."""
    clients = [server.connect() for _ in range(BROWSERS)]
    threads = []
    for client in clients:
        answer = _asked(client, cookie, "/ui/jobs-live")
        answer.readline()
        threads.append(threading.Thread(target=_read, args=(answer,)))
        threads[-1].start()
    try:
        yield
    finally:
        for client in clients:
            if client.sock is not None:
                client.sock.shutdown(2)
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()


def _read(answer: http.client.HTTPResponse) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while answer.readline():
            pass


def _signed_in(server: Server) -> str:
    client = server.connect()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    client.request("POST", "/ui/sign-in", urlencode({"token": TOKEN}), kind)
    answer = client.getresponse()
    answer.read()
    client.close()
    if answer.status != 303:
        raise Failed(f"the console signs nobody in: HTTP {answer.status}")
    return answer.headers["Set-Cookie"].partition(";")[0]


def _timed(server: Server, cookie: str, page: str) -> float:
    began = time.perf_counter()
    client = server.connect()
    answer = _asked(client, cookie, page)
    answer.read()
    client.close()
    return time.perf_counter() - began


def _asked(client: http.client.HTTPConnection, cookie: str, path: str) -> http.client.HTTPResponse:
    client.request("GET", path, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
    answer = client.getresponse()
    if answer.status != 200:
        raise Failed(f"{path} answers with HTTP {answer.status}: {answer.read()[:300]!r}")
    return answer
