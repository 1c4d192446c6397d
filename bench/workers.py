"""Requests a second of one model with 2, 4 and 8 workers; its `apply` sleeps, so that cores are not what is missing."""

from __future__ import annotations

from functools import partial

from bench import tables
from bench.figures import Bar, Figure, Spread, in_turn
from bench.load import requests_a_second
from bench.programs import SLEEP_SECONDS
from bench.world import World

WORKERS = (2, 4, 8)
CLIENTS_EACH = 2  # one is served, one waits
ROUNDS = 5
SECONDS = 2.0


def measure(world: World) -> list[Figure]:
    """One figure for each number of workers; the floor is what as many sleepers could answer."""
    figures = list[Figure]()
    for workers in WORKERS:
        figures.append(_figure(world, workers, figures[0].service.median / WORKERS[0] if figures else 0))
    return figures


def _figure(world: World, workers: int, each: float) -> Figure:
    """Measure `workers`; `each` is the rate of one of the fewest, 0 for these themselves."""
    body = tables.body(tables.csv(1), "sleeper")
    clients = workers * CLIENTS_EACH
    with world.service(api_workers=str(workers), DLTK_APPLY_WORKERS=str(workers)) as ours:
        ours.fit(tables.body(tables.csv(10), "sleeper"))
        warm_up = partial(requests_a_second, ours.port, [body], clients, 2.0)
        warm_up()  # until each worker has loaded the model
        seconds = 0.5 if world.quick else SECONDS
        rates = in_turn(
            {"service": partial(requests_a_second, ours.port, [body], clients, seconds)}, world.rounds(ROUNDS)
        )
    rate = Spread.of(rates["service"])
    most = workers / SLEEP_SECONDS
    return Figure(
        f"requests a second, {clients} clients, {workers} workers of a model that sleeps {SLEEP_SECONDS * 1000:.0f} ms",
        "1/s",
        rate,
        floor=Spread.of([most]),
        bars=(Bar("of the fewest's rate for each worker", rate.median / workers / each, 0.9, at_least=True),)
        if each
        else (),
    )
