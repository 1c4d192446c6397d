"""A store client in a process of its own: plays the races that it reads, and prints each call.

python -m tests.store.objects.client HOME ADDRESS
"""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import NotStored
from dltk_runtime.paths import Paths
from dltk_runtime.store.errors import StoreUnreachable
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.objects.opened import opened
from dltk_runtime.store.store import ModelName
from tests.store.objects.checker import Call
from tests.store.objects.player import Player


def told(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def connected(paths: Paths) -> ObjectStore:
    """Open the store, however many answers are lost."""
    while True:
        with suppress(NotStored, StoreUnreachable):
            return opened(paths)


def main(home: Path, address: str) -> None:
    place = connected(Paths(home, home, objects=address))
    told("ready")
    for line in sys.stdin:
        asked = json.loads(line)

        def tell(mark: int, call: Call | None) -> None:
            fields = dataclasses.asdict(call) if call is not None else None
            told(json.dumps({"mark": mark, "call": fields}))

        chance = random.Random(asked["seed"])
        Player(place, ModelName("umap", asked["model"]), chance, time.monotonic, tell).play(asked["steps"])
        told("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
