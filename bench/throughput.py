"""Requests a second: 1 to 16 clients, one row each, on one model and on four, one worker per model."""

from __future__ import annotations

from functools import partial

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.load import requests_a_second
from bench.servers import Server
from bench.world import World

CLIENTS = (1, 2, 4, 8, 16)
MODELS = (1, 4)
ROUNDS = 5
SECONDS = 1.0


def measure(world: World) -> list[Figure]:
    """One figure for each number of clients and of models."""
    with world.both() as (ours, naive):
        for number in range(max(MODELS)):
            for server in (ours, naive):
                server.fit(tables.body(tables.csv(10), "one", f"m{number}"))
                server.post("/apply", tables.body(tables.csv(1), "one", f"m{number}"))
        return [_figure(world, models, clients, ours, naive) for models in MODELS for clients in CLIENTS]


def _figure(world: World, models: int, clients: int, ours: Server, naive: Server) -> Figure:
    bodies = [tables.body(tables.csv(1), "one", f"m{number}") for number in range(models)]
    seconds = 0.3 if world.quick else SECONDS
    ways = {
        "service": partial(requests_a_second, ours.port, bodies, clients, seconds),
        "naive": partial(requests_a_second, naive.port, bodies, clients, seconds),
    }
    values = in_turn(ways, world.rounds(ROUNDS))
    bars = (Bar("× naive", ratio(values, "service", "naive"), 1.5, at_least=True),)
    return Figure(
        f"requests a second, {clients} client{'s' * (clients > 1)}, {models} model{'s' * (models > 1)}",
        "1/s",
        Spread.of(values["service"]),
        Spread.of(values["naive"]),
        bars=bars if (clients, models) == (8, 1) else (),
    )
