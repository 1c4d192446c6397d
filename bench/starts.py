"""Beginnings: the server's start, the first call, and the way of a saved notebook to the next answer."""

from __future__ import annotations

import http.client
import time

from bench import programs, servers, tables
from bench.figures import Bar, Figure, Spread
from bench.servers import Failed, Server
from bench.world import World

ROUNDS = 10
PATIENCE = 30.0  # seconds that each of them may take at most


def measure(world: World) -> list[Figure]:
    """Start to /readyz, first apply after it, and saved code to answer."""
    home = world.home()
    with servers.service(home, world.notebooks) as ours:
        ours.fit(tables.body(tables.csv(10), "one"))
    starts, firsts = [], []
    for _ in range(world.rounds(ROUNDS)):
        began = time.perf_counter()
        with servers.service(home, world.notebooks) as ours:
            _wait_until_ready(ours)
            starts.append(time.perf_counter() - began)
            firsts.append(ours.timed("/apply", tables.body(tables.csv(1), "one")))
    with servers.service(home, world.notebooks) as ours:
        saves = [_save_to_live(world, ours, number) for number in range(world.rounds(ROUNDS))]
    programs.write(world.notebooks)
    return [
        Figure("dltk serve to /readyz", "s", Spread.of(starts), bars=(_under("s", starts, 1.0),)),
        Figure("first apply after the start", "s", Spread.of(firsts)),
        Figure("saving a notebook to the new code's answer", "s", Spread.of(saves), bars=(_under("s", saves, 0.5),)),
    ]


def _under(text: str, values: list[float], limit: float) -> Bar:
    return Bar(text, Spread.of(values).median, limit)


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return
        time.sleep(0.005)
    raise Failed("the service does not become ready")


def _save_to_live(world: World, server: Server, number: int) -> float:
    """Seconds from saving code that answers `number` to its first answer."""
    row = tables.body(tables.csv(1), "one")
    text = f"def apply(model, df, param):\n    return pd.DataFrame({{'v': [{number}] * len(df)}})\n"
    fit = "def fit(model, df, param):\n    return {}\n"
    server.post("/apply", row)
    time.sleep(0.5)  # the author thinks; a spare is made
    began = time.perf_counter()
    programs.save(world.notebooks, "one", fit + text)
    while time.perf_counter() - began < PATIENCE:
        if servers.results(server.post("/apply", row)) == f"v\n{number}\n":
            return time.perf_counter() - began
    raise Failed("the new code does not answer")
