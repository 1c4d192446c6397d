"""What a cluster costs: ``.venv-cluster/bin/python -m tests.cluster.figures``, or ``make cluster-figures``.

Fits and applies here and on another node of a real Ray cluster on this machine, the processor time of the helper
process, and the time that a front takes to decide, with made-up machines. Prints Markdown.
"""

from __future__ import annotations

import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import psutil

from dltk_runtime.cluster.messages import FROM_HELPER, Nodes, Running, Seen
from dltk_runtime.cluster.placement import Need, Node, Waiting, decide
from tests.cluster.notebooks import write
from tests.cluster.plain_ray import PlainRay
from tests.support.service import Service, until

FITS = 15  # of each kind
APPLIES = 200  # small ones, here and on a node
WATCHED_SECONDS = 20.0
MACHINES = (10, 100, 1000)
PLACES = 8  # of each machine
LINE = 100  # fits that wait
PATIENCE = 300
SMALL = "a,b\n1,2\n3,4\n"


def main() -> None:
    """Measure, and print."""
    sys.stdout.write("| what | figure |\n|---|---|\n")
    for machines in MACHINES:
        row(f"{LINE} fits wait, {machines:,} machines are full: decide", deciding(machines, PLACES))
        row(f"{LINE} fits wait, {machines:,} machines have a place each: decide", deciding(machines, PLACES - 1))
        row(f"{machines:,} machines: one look of the helper read by the front", reading(machines))
    with tempfile.TemporaryDirectory() as folder:
        over_ray(Path(folder))


def row(what: str, figure: str) -> None:
    """Print a line of the table."""
    sys.stdout.write(f"| {what} | {figure} |\n")
    sys.stdout.flush()


def milliseconds(run: Callable[[], object], times: int) -> str:
    """Return the median of several runs, with the quartiles."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        took.append((time.perf_counter() - began) * 1000)
    low, middle, high = (f"{each:,.0f}" if each >= 1000 else f"{each:.3g}" for each in statistics.quantiles(took, n=4))
    return f"{middle} ms ({low} to {high})"


def deciding(machines: int, running: int) -> str:
    """Return how long a decision takes."""
    nodes = [Node(f"n{each}", PLACES, 2**36, running=(Need(),) * running) for each in range(machines)]
    line = [Waiting(str(each), Need()) for each in range(LINE)]
    return milliseconds(lambda: decide(line, nodes), FITS)


def reading(machines: int) -> str:
    """Return how long a report of all machines takes to write and read."""
    fits = tuple(Running("k" * 32, 1, 0, False) for _ in range(PLACES))
    nodes = Nodes(tuple(Seen(f"n{each}", ("kind=a",), "10.0.0.1", PLACES, 2**36, 0, fits) for each in range(machines)))
    return milliseconds(lambda: FROM_HELPER.decode(msgspec.msgpack.encode(nodes)), FITS)


def over_ray(folder: Path) -> None:
    """Measure fits here and on a node, and what the helper process takes meanwhile and at rest."""
    (folder / "token").write_text(secrets.token_hex(20))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    notebooks = folder / "notebooks"
    write(notebooks, "here", "")
    write(notebooks, "there", "label=name=a")
    write(notebooks, "apart", "", "label=name=a")
    wide = "a,b\n" + "1.5,2.5\n" * 1_000_000
    with PlainRay(folder / "ray", token) as ray:
        ray.head()
        ray.node("a")
        variables = ray.variables | {"DLTK_CLUSTER": ray.address, "DLTK_CLUSTER_CLOSED": "true", "DLTK_GPUS": "none"}
        with Service(folder / "home", notebooks, DLTK_SPARES="0", **variables) as service:
            until(lambda: seen(service, "a"), PATIENCE)
            for name in ("here", "there"):
                service.fit(name, SMALL)
                row(f"fit of 2 rows, {name}", milliseconds(partial(service.fit, name, SMALL), FITS))
                row(f"fit of 1,000,000 rows (8 MB), {name}", milliseconds(partial(service.fit, name, wide), 5))
            service.fit("apart", SMALL)
            for what, name in (("here", "here"), ("there", "apart")):
                row(f"apply of 2 rows, {what}", milliseconds(partial(applied, service, name, SMALL), APPLIES))
                row(f"apply of 1,000,000 rows (8 MB), {what}", milliseconds(partial(applied, service, name, wide), 9))
            assert service.process is not None
            row("the helper process at rest, one node", at_rest(service.process.pid))


def applied(service: Service, name: str, rows: str) -> None:
    """Apply; an answer that is none would be quick."""
    if (answer := service.apply(name, rows))["status"] != "success":
        raise RuntimeError(str(answer))


def seen(service: Service, name: str) -> bool:
    """Return whether fits may run on a node."""
    nodes = json.loads(service.send("/v1/cluster", None))["nodes"]
    return any(each["name"] == name and not each["refused"] for each in nodes)


def at_rest(server: int) -> str:
    """Return the memory and processor time of the helper."""
    for process in psutil.Process(server).children():
        if "dltk_runtime.cluster.driver" in " ".join(process.cmdline()):
            before = sum(process.cpu_times()[:2])
            time.sleep(WATCHED_SECONDS)
            share = (sum(process.cpu_times()[:2]) - before) / WATCHED_SECONDS
            return f"{share:.1%} of a core, {process.memory_info().rss / 2**20:.0f} MiB"
    raise RuntimeError("the front has no helper process")


if __name__ == "__main__":
    main()
