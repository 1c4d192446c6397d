"""Memory: of the front process, of a worker, and what a million rows add at most, shared pages counted once.

A memory file counts also while no process maps it: by the growth of the machine's shared memory.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection
from pathlib import Path

from bench import tables
from bench.figures import Bar, Figure, Spread
from bench.servers import Server
from bench.world import World

ROWS = 1_000_000
ROUNDS = 3
EVERY = 0.004  # seconds between two looks
MB = 1e6


def measure(world: World) -> list[Figure]:
    """At rest, and at most while a million rows are applied."""
    body = tables.body(tables.csv(ROWS), "one")
    with world.both() as (ours, naive):
        for server in (ours, naive):
            server.fit(tables.body(tables.csv(10), "one"))
            server.post("/apply", tables.body(tables.csv(1), "one"))
        at_rest = {pid: _of(pid) for pid in ours.processes()}
        front = at_rest.pop(ours.process.pid)
        bare = _of(naive.process.pid)
        grown = [_growth(ours, body) for _ in range(world.rounds(ROUNDS))]
        grown_naive = [_growth(naive, body) for _ in range(world.rounds(ROUNDS))]
    growth = Spread.of(grown)
    bar = Bar("× body", growth.median / (len(body) / MB), 5.0)
    resting = Bar("MB", front, 80)
    return [
        Figure("memory of the front process", "MB", Spread.of([front]), Spread.of([bare]), bars=(resting,)),
        Figure("memory of a worker (PSS)", "MB", Spread.of(list(at_rest.values()))),
        Figure(
            f"growth for {ROWS:,} rows ({len(body) / MB:.0f} MB)", "MB", growth, Spread.of(grown_naive), bars=(bar,)
        ),
    ]


def _growth(server: Server, body: bytes) -> float:
    """MB that the server's processes use at most during an apply, above what they used before."""
    pids = list(server.processes())
    before = _used(pids)
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            peak[0] = max(peak[0], _used(pids))
            time.sleep(EVERY)

    watching = threading.Thread(target=watch)
    watching.start()
    server.post("/apply", body)
    done.set()
    watching.join()
    return peak[0] - before


def _used(pids: Collection[int]) -> float:
    """MB that are the processes' own, with a share of what they share, and the machine's shared memory."""
    return sum(_of(pid, without_shared_memory=True) for pid in pids) + _kilobytes("/proc/meminfo", "Shmem:") / 1000


def _of(pid: int, *, without_shared_memory: bool = False) -> float:
    """MB of a process: its proportional set size."""
    path = f"/proc/{pid}/smaps_rollup"
    size = _kilobytes(path, "Pss:") - (_kilobytes(path, "Pss_Shmem:") if without_shared_memory else 0)
    return size / 1000


def _kilobytes(path: str, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0
