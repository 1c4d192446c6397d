"""``python -m bench [--quick] [KIND …]``: measure, and write the table and the plot into ``bench/results/``.

Other programs on the machine spoil the figures: `--wait` waits until there are none. `--quick` only tries it out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    busy,
    calls,
    console,
    deep,
    doors,
    first,
    footprint,
    gpu,
    latency,
    operating,
    plot,
    report,
    row_wise,
    scale,
    shadow,
    splunk_million,
    starts,
    throughput,
    tracking,
    workers,
)
from bench.figures import Figure
from bench.servers import Failed
from bench.world import World

KINDS: dict[str, Callable[[World], list[Figure]]] = {
    "latency": latency.measure,
    "splunk": splunk_million.measure,
    "first": first.measure,
    "calls": calls.measure,
    "throughput": throughput.measure,
    "row_wise": row_wise.measure,
    "workers": workers.measure,
    "fit": busy.during_a_fit,
    "large": busy.during_a_large_body,
    "deep": deep.measure,
    "doors": doors.measure,
    "starts": starts.measure,
    "memory": footprint.measure,
    "operator": operating.measure,
    "scale": scale.measure,
    "gpu": gpu.measure,
    "shadow": shadow.measure,
    "console": console.measure,
    "tracking": tracking.measure,
}
RESULTS = Path(__file__).parent / "results"
QUIET = 0.5  # load (processes that want to run, over a minute) under which a machine counts as idle


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"what to measure: {', '.join(KINDS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few rounds, only to see that it works")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait so long for an idle machine")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the table and the plot")
    given = parser.parse_args()
    if unknown := set(given.kinds) - set(KINDS):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    _wait_for_quiet(given.wait)
    before = os.getloadavg()[0]
    stem = given.out / f"{datetime.now(UTC):%Y-%m-%d-%H%M}"
    figures: list[Figure] = []
    for kind in given.kinds or list(KINDS):
        figures += _measured(kind, quick=given.quick)
        _write(
            figures, (before, os.getloadavg()[0]), stem
        )  # after each, so that a run that is stopped has told something
    print(stem.with_suffix(".md").read_text())


def _measured(kind: str, *, quick: bool) -> list[Figure]:
    """The figures of one kind; none when it fails, which it says: the others are still worth a table."""
    world = World(quick)
    began = time.perf_counter()
    try:
        return KINDS[kind](world)
    except (Failed, OSError):
        traceback.print_exc()
        return []
    finally:
        shutil.rmtree(world.folder, ignore_errors=True)
        print(f"{kind}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def _write(figures: list[Figure], loads: tuple[float, float], stem: Path) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".md").write_text(report.table(figures, loads))
    plot.save(figures, stem.with_suffix(".png"))


def _wait_for_quiet(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while os.getloadavg()[0] > QUIET and time.monotonic() < deadline:
        time.sleep(1)


if __name__ == "__main__":
    main()
