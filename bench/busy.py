"""Small applies while something large goes on: a fit on the other core, a body of 500 MB that arrives."""

from __future__ import annotations

import statistics
import threading
import time

from bench import tables
from bench.figures import Bar, Figure, Spread
from bench.servers import Failed, Server
from bench.world import World

ROWS = 100
APPLIES = 1000
LARGE = 5_000_000  # rows: 470 MB of CSV, 500 MB of JSON
FIT_STARTS = 60.0  # seconds that a fit may need until it is in the notebook's code


def during_a_fit(world: World) -> list[Figure]:
    """Applies alone, and while a single-threaded fit of another algorithm runs."""
    with world.both() as (ours, naive):
        for server in (ours, naive):
            server.fit(tables.body(tables.csv(10), "one"))
        apply = tables.body(tables.csv(ROWS), "one")
        count = world.rounds(APPLIES)
        alone, beside, again = _applies(ours, apply, count), _beside_a_fit(world, ours, apply, count), []
        again = _applies(ours, apply, count)
        held_up = _beside_a_fit(world, naive, apply, 1)
    quiet = alone + again
    bars = (
        Bar("× median without a fit", statistics.median(beside) / statistics.median(quiet), 1.5),
        Bar("× p99 without a fit", _p99(beside) / _p99(quiet), 3.0),
    )
    return [
        Figure(f"apply, {ROWS} rows, no fit", "s", Spread.of(quiet)),
        Figure(f"apply, {ROWS} rows, while a fit runs (naive: until the fit ends)", "s", Spread.of(beside),
               Spread.of(held_up), bars=bars),
        Figure("the same, p99", "s", Spread.of([_p99(beside)]), floor=Spread.of([_p99(quiet)])),
    ]  # fmt: skip


def during_a_large_body(world: World) -> list[Figure]:
    """Applies of one model while another one gets 500 MB in one request."""
    with world.service() as ours:
        for model in ("small", "large"):
            ours.fit(tables.body(tables.csv(10), "one", model))
        small, large = tables.body(tables.csv(ROWS), "one", "small"), tables.body(tables.csv(LARGE), "one", "large")
        quiet = _applies(ours, small, world.rounds(APPLIES))
        sending = threading.Thread(target=ours.post, args=("/apply", large))
        sending.start()
        beside = []
        connection = ours.connect()
        while sending.is_alive():
            beside.append(ours.timed("/apply", small, connection))
        sending.join()
    return [
        Figure(f"apply, {ROWS} rows, nothing else", "s", Spread.of(quiet)),
        Figure(f"apply, {ROWS} rows, while {len(large) / 1e6:.0f} MB are sent and applied", "s", Spread.of(beside)),
        Figure("the same, p99", "s", Spread.of([_p99(beside)]), floor=Spread.of([_p99(quiet)])),
        Figure("the same, longest", "s", Spread.of([max(beside)]), floor=Spread.of([max(quiet)])),
    ]


def _applies(server: Server, body: bytes, count: int) -> list[float]:
    connection = server.connect()
    server.post("/apply", body, connection)
    values = [server.timed("/apply", body, connection) for _ in range(count)]
    connection.close()
    return values


def _beside_a_fit(world: World, server: Server, body: bytes, count: int) -> list[float]:
    """`count` applies while a fit runs that lasts longer than they do."""
    begun = server.home / "app" / "model" / "data" / "fitting"
    begun.unlink(missing_ok=True)
    seconds = "3" if world.quick else "10"
    fit = tables.body(tables.csv(10), "long", seconds=seconds)
    fitting = threading.Thread(target=server.post, args=("/fit", fit))
    fitting.start()
    deadline = time.monotonic() + FIT_STARTS
    while not begun.exists():
        if time.monotonic() > deadline:
            raise Failed("the fit does not start")
        time.sleep(0.05)
    values = _applies(server, body, count) if count > 1 else [server.timed("/apply", body)]
    if count > 1 and not fitting.is_alive():
        raise Failed("the fit ended before the applies did")
    fitting.join()
    return values


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]
