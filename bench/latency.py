"""How long one apply takes, from one row to a million, with one result column and with ten.

Beside it the naive server, and the floor: the same work called directly in one process plus a bare transfer of the
bytes. One client, one connection that stays (http.client).
"""

from __future__ import annotations

import json

from bench import direct, tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio
from bench.servers import Server
from bench.world import World

ROUNDS = {1: 300, 100: 300, 10_000: 25, 100_000: 7, 1_000_000: 3}
COLUMNS = {"one": 1, "ten": 10}  # result columns of an algorithm


def measure(world: World) -> list[Figure]:
    """One figure for each size and number of result columns."""
    figures = []
    with world.both() as (ours, naive):
        for algorithm in COLUMNS:
            for server in (ours, naive):
                server.fit(tables.body(tables.csv(1000), algorithm))
        for algorithm in COLUMNS:
            with direct.direct(naive.home, world.notebooks) as floor:
                floor.load(algorithm, f"{algorithm}_m")
                figures += [_figure(world, algorithm, rows, ours, naive, floor) for rows in ROUNDS]
    return figures


def _figure(world: World, algorithm: str, rows: int, ours: Server, naive: Server, floor: direct.Direct) -> Figure:
    data = tables.csv(rows)
    body, meta, literal = tables.body(data, algorithm), tables.meta(data, algorithm), json.dumps(data).encode()
    back = len(ours.post("/apply", body))
    naive.post("/apply", body)
    floor.work(literal, meta)
    to_ours, to_naive = ours.connect(), naive.connect()
    values = in_turn(
        {
            "service": lambda: ours.timed("/apply", body, to_ours),
            "naive": lambda: naive.timed("/apply", body, to_naive),
            "work": lambda: floor.work(literal, meta),
            "function": lambda: floor.function(literal, meta) if rows <= 100 else 0.0,
            "transfer": lambda: direct.transfer(body, back),
        },
        world.rounds(ROUNDS[rows]),
    )
    for connection in (to_ours, to_naive):
        connection.close()
    values["floor"] = [work + bytes_ for work, bytes_ in zip(values["work"], values["transfer"], strict=True)]
    return Figure(
        f"apply, {rows:,} row{'s' if rows > 1 else ''}, {COLUMNS[algorithm]} result column{'s' * (algorithm == 'ten')}",
        "s",
        Spread.of(values["service"]),
        Spread.of(values["naive"]),
        Spread.of(values["floor"]),
        _bars(algorithm, rows, values),
    )


def _bars(algorithm: str, rows: int, values: dict[str, list[float]]) -> tuple[Bar, ...]:
    of_naive = ratio(values, "service", "naive")
    if rows == 1_000_000 and algorithm == "one":
        return Bar("× naive", of_naive, 0.3), Bar("× floor", ratio(values, "service", "floor"), 1.3)
    if rows == 1_000_000:
        return (Bar("× naive", of_naive, 0.12),)
    if rows <= 100 and algorithm == "one":
        over = Spread.of([a - b for a, b in zip(values["service"], values["function"], strict=True)]).median
        return Bar("× naive", of_naive, 0.9 if rows == 1 else 1.0), Bar("ms over the function", over * 1000, 2.0)
    return ()
