"""The first applies after something changed: a fit, a start, rows with their columns in another order.

Beside them the later ones of the same model, so that what the change costs can be seen, and the naive server.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import Server
from bench.world import World

ROUNDS = 5
ROWS = 50_000
CHUNKS = 20


def measure(world: World) -> list[Figure]:
    """One figure for the chunks after each change, and one for those after them."""
    chunks = 3 if world.quick else CHUNKS
    body, fit = tables.body(tables.csv(ROWS), "one"), tables.body(tables.csv(1000), "one")
    names, lines = tables.csv(ROWS).split("\n", 1)
    other = tables.body(",".join(reversed(names.split(","))) + "\n" + lines, "one")
    with world.both(tls=True) as (ours, naive):
        for server in (ours, naive):
            server.fit(fit)
        ways = {
            "after a fit": lambda: _after(ours, lambda: ours.fit(fit), body, chunks),
            "naive": lambda: _after(naive, lambda: naive.fit(fit), body, chunks),
            "later": lambda: _after(ours, lambda: ours.post("/apply", body), body, chunks),
            "columns in another order": lambda: _after(ours, lambda: ours.post("/apply", body), other, chunks),
        }
        values = in_turn(ways, world.rounds(ROUNDS))
    values["after a start"] = [_after_a_start(world, fit, body, chunks) for _ in range(world.rounds(ROUNDS))]
    what = f"{chunks} applies of {ROWS:,} rows, TLS, new connections"
    load = Bar("× the later ones", ratio(values, "after a fit", "later"), 1.1)
    of_naive = Bar("× naive", ratio(values, "after a fit", "naive"), 0.55)
    figures = [
        Figure(
            f"{what}: the first after a fit",
            "s",
            Spread.of(values["after a fit"]),
            Spread.of(values["naive"]),
            None,
            (load, of_naive),
        )
    ]
    others = ("later", "columns in another order", "after a start")
    return figures + [Figure(f"{what}: {name}", "s", Spread.of(values[name])) for name in others]


def _after(server: Server, change: Callable[[], object], body: bytes, chunks: int) -> float:
    """Return the seconds that the chunks take after the change."""
    change()
    began = time.perf_counter()
    for _ in range(chunks):
        server.post("/apply", body)
    return time.perf_counter() - began


def _after_a_start(world: World, fit: bytes, body: bytes, chunks: int) -> float:
    home = world.home()
    with world.service(at=home, ENABLE_HTTPS="true") as before:
        before.fit(fit)
    with world.service(at=home, ENABLE_HTTPS="true") as server:
        return _after(server, lambda: None, body, chunks)
