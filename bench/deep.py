"""One row through a Keras and a PyTorch model, beside their own apply in a process that has them loaded."""

from __future__ import annotations

import json

from bench import direct, tables
from bench.figures import Bar, Figure, Spread, in_turn
from bench.programs import DEEP
from bench.servers import Server
from bench.world import World

ROUNDS = 60


def measure(world: World) -> list[Figure]:
    """One figure for each of the two."""
    figures = []
    with world.both() as (ours, naive):
        for library, algorithm in DEEP.items():
            figures.append(_figure(world, library, algorithm, ours, naive))
    return figures


def _figure(world: World, library: str, algorithm: str, ours: Server, naive: Server) -> Figure:
    table = tables.csv(200).splitlines()
    labelled = "\n".join([table[0] + ",y", *(f"{line},{number % 2}" for number, line in enumerate(table[1:]))]) + "\n"
    fit = json.loads(tables.body(labelled, algorithm, target="y", epochs="2"))
    # The service puts the notebook's parameters there; with the naive server its author would write them down.
    fit["meta"]["parameters"] = {"epochs": 2, "batch_size": 64, "structure": "2-1", "hidden_layers": "32", "learning_rate": 0.01}  # fmt: skip  # noqa: E501
    for server in (ours, naive):
        server.fit(json.dumps(fit).encode())
    row = "\n".join(table[:2]) + "\n"
    body, meta, literal = tables.body(row, algorithm), tables.meta(row, algorithm), json.dumps(row).encode()
    with direct.direct(naive.home, world.notebooks) as own:
        own.load(algorithm, f"{algorithm}_m")
        for warm_up in range(3):
            own.function(literal, meta), ours.post("/apply", body), warm_up
        naive.post("/apply", body)
        to_ours, to_naive = ours.connect(), naive.connect()
        values = in_turn(
            {
                "service": lambda: ours.timed("/apply", body, to_ours),
                "naive": lambda: naive.timed("/apply", body, to_naive),
                "own": lambda: own.function(literal, meta),
            },
            world.rounds(ROUNDS),
        )
    over = Spread.of([a - b for a, b in zip(values["service"], values["own"], strict=True)]).median * 1000
    spreads = [Spread.of(values[name]) for name in ("service", "naive", "own")]
    bars = (Bar("ms over its own apply", over, 3.0),)
    return Figure(f"apply, 1 row, {library} model (floor: its own apply)", "s", *spreads, bars=bars)
