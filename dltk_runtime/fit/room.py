"""Whether there is room for another fit: on this server, in the queue, and within the bounds of its token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Protocol

import msgspec

from dltk_runtime.fit.bounds import TokenBounds, others
from dltk_runtime.fit.options import FitOptions
from dltk_runtime.fit.train import Trainer
from dltk_runtime.fit.training import Training
from dltk_runtime.jobs.errors import QueueFull
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.names import ModelName
from dltk_runtime.settings import Settings


class RunningFit(Protocol):
    """A fit that runs on this server."""

    @property
    def training(self) -> Training: ...

    @property
    def asynchronous(self) -> bool: ...


class FitRoom:
    """The room for fits of one server; `running` are those that it runs, by job."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobRecords,
        trainer: Trainer,
        bounds: TokenBounds,
        running: Mapping[str, RunningFit],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._trainer = trainer
        self._bounds = bounds
        self._running = running
        self._counting = asyncio.Lock()

    async def has(self, algorithm: str, imports: tuple[str, ...]) -> bool:
        """Return whether an asynchronous fit of an algorithm, with its heavy imports, could begin now."""
        if self._trainer.places is not None:
            return await self._trainer.places.has_room(algorithm, imports)
        if not self._trainer.pool.has_room(imports):
            return False
        # They never take the last place for fits without a GPU: searches that wait for their fit need it.
        return self._trainer.pool.waits_for_gpu(imports) or self._free_places() > 0

    async def may_begin(self, record: JobRecord, imports: tuple[str, ...]) -> bool:
        """Return whether the bounds of its token let an asynchronous fit begin now."""
        if not self._bounds.apply_to(record.owner):
            return True
        on_gpu = self._trainer.pool.waits_for_gpu(imports)
        unfinished = [
            msgspec.structs.replace(each, state=State.RUNNING) if each.id in self._running else each
            for each in await asyncio.to_thread(self._jobs.unfinished)
        ]
        return await asyncio.to_thread(self._bounds.may_begin, record, unfinished, on_gpu=on_gpu)

    async def warned(self, options: FitOptions, name: ModelName, owner: str) -> FitOptions:
        """Return the options, with a warning if the model was fitted with another token.

        Raises:
            OtherOwner: it was, and a setting refuses that.
        """
        if not owner:
            return options
        store, setting = self._trainer.store, self._settings.others_models
        warning = await asyncio.to_thread(others, store, name, owner, setting)
        return replace(options, warnings=(*options.warnings, warning)) if warning else options

    @contextlib.asynccontextmanager
    async def taken(self, owner: str, imports: tuple[str, ...]) -> AsyncIterator[None]:
        """Make sure that a search's fit is within the bounds of its token; its job is created inside.

        Raises:
            BoundReached: it is not.
        """
        if not self._bounds.apply_to(owner):
            yield
            return
        on_gpu = self._trainer.pool.waits_for_gpu(imports)
        async with self._counting:  # so that no other fit is counted out between the look and the job
            unfinished = await asyncio.to_thread(self._jobs.unfinished)
            await asyncio.to_thread(self._bounds.check, owner, unfinished, queued=False, on_gpu=on_gpu)
            yield

    async def check_queue(
        self, owner: str, unfinished: list[JobRecord], algorithm: str, imports: tuple[str, ...]
    ) -> None:
        """Refuse a submission when enough wait already, on all servers.

        Raises:
            QueueFull: those that begin here at once not counted.
            BoundReached: enough of its own token wait, or another bound of it is reached.
        """
        waiting = sum(each.state is State.QUEUED and each.id not in self._running for each in unfinished)
        room = self._places_now() if await self.has(algorithm, imports) else 0
        if waiting - room >= self._settings.max_queued:
            raise QueueFull(waiting)
        if self._bounds.apply_to(owner):
            on_gpu = self._trainer.pool.waits_for_gpu(imports)
            await asyncio.to_thread(self._bounds.check, owner, unfinished, queued=True, on_gpu=on_gpu)

    def _places_now(self) -> int:
        return max(self._free_places(), 0) if self._trainer.places is None else 1

    def _free_places(self) -> int:
        """Return how many more asynchronous fits without a GPU may run here."""
        waits_for_gpu = self._trainer.pool.waits_for_gpu
        running = (each.training.imports for each in self._running.values() if each.asynchronous)
        return max(self._settings.fit_slots - 1, 1) - sum(not waits_for_gpu(imports) for imports in running)
