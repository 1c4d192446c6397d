"""Which worker sees which GPU.

::

    a fit that imports a library of `GPU_TRAINING` ──> a device of its own, in the order of asking
    any other fit, and every apply              ──> the device that the fewest workers see, beside others

A worker is told its device with its first request, before any notebook code runs: spares cannot know it earlier. That
is in time, although their libraries are imported by then, as these look for devices at their first use.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from dltk_runtime.notebook.frameworks import GPU_TRAINING
from dltk_runtime.pool import gpus, shortage
from dltk_runtime.pool.gpus import Card
from dltk_runtime.pool.process import Worker
from dltk_runtime.worker.messages import ErrorReport

LOOK_EVERY = 10.0  # seconds between two looks at the devices' memory


@dataclass(frozen=True, slots=True)
class Usage:
    """A device, and the card that it is."""

    device: str
    card: Card


class Places:
    """What can be used by one at a time: as many as `names`, which are taken in the order of asking."""

    def __init__(self, names: Sequence[str]) -> None:
        self._free = deque(names)
        self._turns = asyncio.Semaphore(len(names))

    @property
    def all_taken(self) -> bool:
        """Whether the next one has to wait."""
        return self._turns.locked()

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[str]:
        """One of them, once it is free."""
        async with self._turns:
            name = self._free.popleft()
            try:
                yield name
            finally:
                self._free.append(name)


class Devices:
    """The GPUs of one server: `find` them, then lend them. `wanted` names them; None takes all there are."""

    def __init__(self, wanted: tuple[str, ...] | None) -> None:
        self._wanted = wanted
        self._cards: list[Card] = []
        self.names: tuple[str, ...] = ()
        self.places = Places(())

    async def find(self) -> None:
        """Look which devices there are."""
        self.names = await gpus.find(self._wanted)
        self.places = Places(self.names)

    async def watch(self) -> None:
        """Keep `usage` fresh, for as long as there are devices to look at."""
        while self.names:
            self._cards = await gpus.cards()
            await asyncio.sleep(LOOK_EVERY)

    def wanted_by(self, imports: Collection[str]) -> bool:
        """Whether a fit with these heavy imports waits for a device of its own."""
        return bool(self.names) and not GPU_TRAINING.isdisjoint(imports)

    def shared(self, workers: Iterable[Worker]) -> str:
        """The device that the fewest of `workers` see; nothing when there is none."""
        seen = Counter(worker.device for worker in workers)
        return min(self.names, key=lambda name: seen[name], default="")

    def usage(self) -> list[Usage]:
        """How full the memory of each device was at the last look; nothing of those that the tool does not know."""
        return list(_matched(self.names, self._cards))

    async def explained(self, error: ErrorReport, worker: Worker, workers: Sequence[Worker]) -> ErrorReport:
        """The error of one of `workers`, with a note when its device had too little memory."""
        if not worker.device or not shortage.is_one(error):
            return error
        cards, holders = await asyncio.gather(gpus.cards(), gpus.holders())
        card = next((each.card for each in _matched([worker.device], cards)), None)
        return msgspec.structs.replace(error, note=shortage.told(error, worker, workers, card, holders))


def _matched(names: Iterable[str], cards: Sequence[Card]) -> Iterable[Usage]:
    return (Usage(name, card) for name in names for card in cards if card.is_called(name))
