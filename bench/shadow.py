"""What the shadow costs the real answer: the old container alone, and through us with our own work queued.

The naive server stands for the old container. As Splunk does, each request has a connection of its own. Before each
request through us, others have made work for us that is not done yet; before each one to the old container alone, all
of that has been worked off.
"""

from __future__ import annotations

import json
import statistics
import time

from bench import servers, tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import HEADERS, Failed, Server
from bench.world import World

ROUNDS = {20: 100, 50_000: 15}
QUEUED = 3  # requests that are to be compared when one is timed
SETTLED_SECONDS = 600.0  # that our own work may take
MOST_TIMES = 1.10
MOST_MILLISECONDS = 2.0  # beyond that, for few rows


def measure(world: World) -> list[Figure]:
    """One figure for each size."""
    with servers.naive(world.home(), world.notebooks) as old:
        address = f"http://127.0.0.1:{old.port}"
        with world.service(DLTK_SHADOW=address, DLTK_SHADOW_QUEUE="1G") as ours:
            ours.fit(tables.body(tables.csv(1000), "one"))
            return [_figure(world, rows, old, ours) for rows in ROUNDS]


def _figure(world: World, rows: int, old: Server, ours: Server) -> Figure:
    body = tables.body(tables.csv(rows), "one")

    def alone() -> float:
        _settle(ours)
        return old.timed("/apply", body)

    def through() -> float:
        for _ in range(QUEUED):
            ours.post("/apply", body)
        return ours.timed("/apply", body)

    in_turn({"alone": alone, "through": through}, 2)
    values = in_turn({"alone": alone, "through": through}, world.rounds(ROUNDS[rows]))
    what = f"apply, {rows:,} rows, through the shadow (naive: the old container alone)"
    return Figure(what, "s", Spread.of(values["through"]), Spread.of(values["alone"]), bars=(_bar(rows, values),))


def _bar(rows: int, values: dict[str, list[float]]) -> Bar:
    if rows > 20:
        return Bar("× the old alone", ratio(values, "through", "alone"), MOST_TIMES)
    over = (a - MOST_TIMES * b for a, b in zip(values["through"], values["alone"], strict=True))
    return Bar(f"ms over {MOST_TIMES} × the old alone", statistics.median(over) * 1000, MOST_MILLISECONDS)


def _settle(ours: Server) -> None:
    """Wait until nothing is left to compare.

    Raises:
        Failed: it takes too long.
    """
    deadline = time.monotonic() + SETTLED_SECONDS
    while _waiting(ours):
        if time.monotonic() > deadline:
            raise Failed("our own work in the shadow does not end")
        time.sleep(0.05)


def _waiting(ours: Server) -> int:
    connection = ours.connect()
    connection.request("GET", "/v1/shadow", headers=HEADERS)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return int(answer["waiting"])
