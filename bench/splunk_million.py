"""What Splunk sends for a million rows: twenty applies of 50,000 in sequence, over TLS, each on a new connection."""

from __future__ import annotations

import time

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import Server
from bench.world import World

ROUNDS = 5
CHUNK = 50_000  # rows
CHUNKS = 20


def measure(world: World) -> list[Figure]:
    """One figure: all twenty."""
    body = tables.body(tables.csv(CHUNK), "one")
    chunks = 3 if world.quick else CHUNKS
    with world.both(tls=True) as (ours, naive):
        for server in (ours, naive):
            server.fit(tables.body(tables.csv(10), "one"))
            server.post("/apply", body)
        ways = {"service": lambda: _all(ours, body, chunks), "naive": lambda: _all(naive, body, chunks)}
        values = in_turn(ways, world.rounds(ROUNDS))
    bar = Bar("× naive", ratio(values, "service", "naive"), 0.6)
    what = f"{chunks} applies of {CHUNK:,} rows in sequence, TLS, a new connection each"
    return [Figure(what, "s", Spread.of(values["service"]), Spread.of(values["naive"]), bars=(bar,))]


def _all(server: Server, body: bytes, chunks: int) -> float:
    began = time.perf_counter()
    for _ in range(chunks):
        server.post("/apply", body)
    return time.perf_counter() - began
