"""Requests a second of a Keras model, 8 clients with 20 rows each: joined as a row-wise notebook allows, or not."""

from __future__ import annotations

from functools import partial

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.load import requests_a_second
from bench.programs import ALONE, DEEP
from bench.world import World

CLIENTS, ROWS = 8, 20
ROUNDS = 5
SECONDS = 2.0


def measure(world: World) -> list[Figure]:
    """One figure: the rate with `row_wise = True` beside the rate without it (in the place of naive)."""
    table = tables.csv(200).splitlines()
    labelled = "\n".join([table[0] + ",y", *(f"{line},{number % 2}" for number, line in enumerate(table[1:]))]) + "\n"
    rows = "\n".join(table[: ROWS + 1]) + "\n"
    ways = {}
    with world.service() as ours:
        for way, algorithm in (("service", DEEP["keras"]), ("naive", ALONE)):
            ours.fit(tables.body(labelled, algorithm, way, target="y", epochs="2"))
            body = tables.body(rows, algorithm, way)
            for _ in range(3):
                ours.post("/apply", body)
            seconds = 0.5 if world.quick else SECONDS
            ways[way] = partial(requests_a_second, ours.port, [body], CLIENTS, seconds)
        values = in_turn(ways, world.rounds(ROUNDS))
    return [
        Figure(
            f"requests a second, {CLIENTS} clients, {ROWS} rows, Keras, row-wise (naive: one by one)",
            "1/s",
            Spread.of(values["service"]),
            Spread.of(values["naive"]),
            bars=(Bar("× one by one", ratio(values, "service", "naive"), 3.0, at_least=True),),
        )
    ]
