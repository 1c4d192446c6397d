"""Where there is a GPU: training and scoring of `pytorch_nn` with and without it, and that its memory comes back."""

from __future__ import annotations

import json
import subprocess
import time

from bench import tables
from bench.figures import Bar, Figure, Spread
from bench.world import World

ROWS = 100_000
EPOCHS = "5"
ROUNDS = 3
CPU = {"CUDA_VISIBLE_DEVICES": ""}
LEFT = 100.0  # MB that drivers may keep


def there() -> bool:
    """Whether this machine has one that a program can ask about."""
    try:
        return subprocess.run(["nvidia-smi"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def measure(world: World) -> list[Figure]:
    """Training and scoring; the column of the naive server holds the same on the CPU."""
    if not there():
        return []
    table = tables.csv(ROWS).splitlines()
    data = "\n".join([table[0] + ",y", *(f"{line},{number % 2}" for number, line in enumerate(table[1:]))]) + "\n"
    fit = tables.body(data, "pytorch_nn", target="y", epochs=EPOCHS, batch_size="4096")
    apply = tables.body(data, "pytorch_nn")
    before = _used()
    times = {}
    for name, variables in {"gpu": {}, "cpu": CPU}.items():
        with world.service(DLTK_APPLY_WORKERS="1", **variables) as ours:
            fits = [ours.timed("/fit", fit) for _ in range(world.rounds(ROUNDS))]
            kept = _used() - before if name == "gpu" else 0.0
            ours.post("/apply", apply)
            applies = [ours.timed("/apply", apply) for _ in range(world.rounds(ROUNDS))]
        times[name] = (Spread.of(fits), Spread.of(applies), kept)
    back = _used_in_the_end(before)
    return [
        Figure(f"GPU: fit of pytorch_nn, {ROWS:,} rows (beside it: CPU)", "s", times["gpu"][0], times["cpu"][0]),
        Figure(f"GPU: apply of pytorch_nn, {ROWS:,} rows (beside it: CPU)", "s", times["gpu"][1], times["cpu"][1]),
        Figure("GPU: memory kept after the fits", "MB", Spread.of([times["gpu"][2]]), bars=(Bar("MB", back, LEFT),)),
    ]


def _used() -> float:
    """MB of the first GPU in use."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return float(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[0]))


def _used_in_the_end(before: float) -> float:
    deadline = time.monotonic() + 5
    while (left := _used() - before) > LEFT and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
