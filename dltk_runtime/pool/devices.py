"""Which worker sees which GPU.

::

    a fit that imports a library of `GPU_TRAINING` ──> a device of its own, in the order of asking
    any other fit, and every apply              ──> the device that the fewest workers see, beside others

A worker gets its device with its first request, before any notebook code runs: a spare has none
before. That is early enough, although the libraries are imported by then: they look for devices at
their first use.
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
from dltk_runtime.pool.gpus import GpuCard
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.worker.messages import ErrorReport

MEMORY_CHECK_SECONDS = 10.0  # between two looks at the devices' memory


@dataclass(frozen=True, slots=True)
class DeviceUsage:
    """A device, and the card that it is."""

    device: str
    card: GpuCard


class Places:
    """Devices that one fit at a time uses, in the order of the requests."""

    def __init__(self, names: Sequence[str]) -> None:
        self._free = deque(names)
        self._turns = asyncio.Semaphore(len(names))

    @property
    def all_taken(self) -> bool:
        """Return whether the next request has to wait."""
        return self._turns.locked()

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[str]:
        """Hold one of them, once it is free."""
        async with self._turns:
            name = self._free.popleft()
            try:
                yield name
            finally:
                self._free.append(name)


class Devices:
    """The GPUs of one server: `find` them, then lend them.

    `wanted` names them; None means all GPUs of the machine.
    """

    def __init__(self, wanted: tuple[str, ...] | None) -> None:
        self._wanted = wanted
        self._cards: list[GpuCard] = []
        self.names: tuple[str, ...] = ()
        self.places = Places(())

    async def find(self) -> None:
        """Find the devices of this machine."""
        self.names = await gpus.find(self._wanted)
        self.places = Places(self.names)

    async def watch(self) -> None:
        """Keep `usage` up to date; ends at once without devices."""
        while self.names:
            self._cards = await gpus.cards()
            await asyncio.sleep(MEMORY_CHECK_SECONDS)

    def wanted_by(self, imports: Collection[str]) -> bool:
        """Return whether a fit with these heavy imports waits for a device of its own."""
        return bool(self.names) and not GPU_TRAINING.isdisjoint(imports)

    def shared(self, workers: Iterable[LocalWorker]) -> str:
        """Return the device that the fewest of `workers` see; empty without devices."""
        seen = Counter(worker.device for worker in workers)
        return min(self.names, key=lambda name: seen[name], default="")

    def usage(self) -> list[DeviceUsage]:
        """Return the memory of each device at the last look, of those that nvidia-smi knows."""
        return list(_matched(self.names, self._cards))

    async def explained(self, error: ErrorReport, worker: LocalWorker, workers: Sequence[LocalWorker]) -> ErrorReport:
        """Return the error of `worker`, with a note if its device had too little memory."""
        if not worker.device or not shortage.is_shortage(error):
            return error
        cards, holders = await asyncio.gather(gpus.cards(), gpus.holders())
        card = next((each.card for each in _matched([worker.device], cards)), None)
        return msgspec.structs.replace(error, note=shortage.explanation(error, worker, workers, card, holders))


def _matched(names: Iterable[str], cards: Sequence[GpuCard]) -> Iterable[DeviceUsage]:
    return (DeviceUsage(name, card) for name in names for card in cards if card.is_called(name))
