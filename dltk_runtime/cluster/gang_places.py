"""The workers of one gang: those on this machine from its pool, the others through the helper process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dltk_runtime import gang
from dltk_runtime.cluster.gang import Member, heard
from dltk_runtime.cluster.helper import Helper
from dltk_runtime.cluster.node_gang import RankFiles
from dltk_runtime.cluster.placement import Need
from dltk_runtime.cluster.remote import Order
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Listener
from dltk_runtime.worker.gang_messages import Kept, Listens


@dataclass(slots=True)
class GangPlaces:
    """Makes the workers; `order` is that of the gang, whose node each worker replaces by its own.

    `here` is the name of the front's machine.
    """

    pool: Pool
    helper: Helper
    algorithm: str
    order: Order
    here: str
    background: bool = False

    def lease(self, place: str, rank: int, listener: Listener) -> AbstractAsyncContextManager[Member]:
        """Make the worker of a rank, and end it afterwards."""
        return self._local(rank, listener) if place == self.here else self._remote(place, rank, listener)

    def _address(self, place: str) -> str:
        """Return by which address other machines reach one; empty where nobody says."""
        nodes = self.helper.nodes
        if place == self.here:
            return nodes.address
        return next((each.address for each in nodes.nodes if each.name == place), "")

    @asynccontextmanager
    async def _remote(self, place: str, rank: int, listener: Listener) -> AsyncIterator[Member]:
        worker = self.helper.worker(replace(self.order, key=f"{self.order.key}-{rank}", node=place), listener)
        try:
            yield Member(place, self._address(place), worker, gang.MEETING, worker.meet)
        finally:
            self.helper.release(worker)
            await worker.end()

    @asynccontextmanager
    async def _local(self, rank: int, listener: Listener) -> AsyncIterator[Member]:
        order, folder = self.order, Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="gang-"))
        files, keeper = RankFiles(folder), _Keeper(folder / gang.KEPT, order.keep)
        try:
            if rank == 0 and order.keep:
                with suppress(OSError):
                    await asyncio.to_thread(shutil.copyfile, order.keep, folder / gang.BEGIN)
            async with self.pool.fit_worker(
                self.algorithm,
                order.imports,
                order.work,
                heard(listener, keeper.take),
                background=self.background,
                gpu=order.need.gpu,
            ) as worker:
                if not order.need.gpu:
                    worker.device = gang.NO_GPU
                yield Member(
                    self.here,
                    self._address(self.here),
                    worker,
                    str(folder),
                    lambda text: asyncio.to_thread(files.meet, text),
                    pictures=str(folder / "pictures"),
                )
        finally:
            try:
                await keeper.close()  # what it wrote later would outlive the job
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def keys_of(key: str, need: Need) -> tuple[str, ...]:
    """Return by which key each worker of a fit is known."""
    return (key,) if need.workers == 1 else tuple(f"{key}-{rank}" for rank in range(need.workers))


def kept_for(code: bytes, keep: Path | None) -> str:
    """Return where the state of a training by this code is kept: by other code it cannot go on."""
    return f"{keep}-{hashlib.sha256(code).hexdigest()[:16]}" if keep is not None else ""


class _Keeper:
    """Copies what rank 0 keeps on this machine to `keep`; one copy at a time, of the newest."""

    def __init__(self, kept: Path, keep: str) -> None:
        self._kept = kept
        self._keep = keep
        self._due = False
        self._copying: asyncio.Task[None] | None = None

    def take(self, event: Listens | Kept) -> None:
        """Copy it, if it says that something was kept."""
        if isinstance(event, Kept) and self._keep:
            self._due = True
            if self._copying is None or self._copying.done():
                self._copying = asyncio.ensure_future(self._copy())

    async def close(self) -> None:
        """Wait for the last copy."""
        if self._copying is not None:
            await asyncio.gather(self._copying, return_exceptions=True)

    async def _copy(self) -> None:
        while self._due:
            self._due = False
            with suppress(OSError):  # an older one stays
                await asyncio.to_thread(self._replace)

    def _replace(self) -> None:
        new = Path(f"{self._keep}.new-{os.getpid()}")
        try:
            shutil.copyfile(self._kept, new)
            new.replace(self._keep)
        finally:
            new.unlink(missing_ok=True)
