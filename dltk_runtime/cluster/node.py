"""The one actor of a node: it runs the fits and applies of all fronts there, in this runtime's own pool.

Guardian, memory watch, sealed secrets, crash places and texts are those of one machine, because it
is the same pool. Nothing here imports Ray: an actor is a class whose methods Ray calls.

::

    helper of a front ── begin(key, …) ──> fit in a fresh worker, in a folder of its own
                      <── events(key) ──── phases, progress, printed text; then the outcome
                      <── read(key, …) ─── the version's files, piece by piece
                      ── forget(key) ────> the folder is removed
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time

import msgspec

from dltk_runtime.cluster.abandoned import remove_untouched, touch
from dltk_runtime.cluster.apply_messages import ApplyOutcome, Ask, Serve
from dltk_runtime.cluster.messages import Batch, Begin, Facts, Outcome, Running, Usage
from dltk_runtime.cluster.node_applies import NodeApplies
from dltk_runtime.cluster.node_fit import NodeFit
from dltk_runtime.cluster.same import releases
from dltk_runtime.cluster.security import TOKEN
from dltk_runtime.payload import Payload
from dltk_runtime.pool import memory
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.store.manifest import StoredFile

FOLDER = "fits"  # below the models' folder: of the fits that run here for another machine
MONITOR = "RAY_memory_monitor_refresh_ms"  # Ray's own variable: milliseconds, 0 for off
FORGOTTEN_SECONDS = 60.0  # without a question after which a fit's front counts as gone
CHECK_SECONDS = 5.0  # between two looks for such fits
POLL_SECONDS = 1.0  # that a question for events waits for one

_encode = msgspec.msgpack.encode


class NodeActor:
    """Runs fits on this node. Arguments and results are bytes that `cluster.messages` describes."""

    def __init__(self) -> None:
        self._settings = Settings.from_env()
        self._models = self._settings.paths.models
        self._root = self._models / FOLDER / secrets.token_hex(8)
        self._fits: dict[str, NodeFit] = {}
        self._pool: Pool | None = None
        self._applies: NodeApplies | None = None
        self._starting = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def facts(self) -> bytes:
        """Describe this node."""
        pool = await self._started()
        return _encode(
            Facts(
                cpus=self._settings.fit_slots,
                memory=memory.limit(),
                gpus=len(pool.device_names),
                same=releases(),
                token=os.environ.get("RAY_AUTH_MODE") == "token",
                shown=TOKEN in os.environ,
                monitor=os.environ.get(MONITOR) != "0",
                apply_places=pool.apply_places[0],
            )
        )

    async def usage(self) -> bytes:
        """Return what runs here now."""
        fits = (each.begin for each in self._fits.values() if not each.ended)
        running = tuple(Running(each.key, each.cpus, each.memory, each.gpu) for each in fits)
        pool = await self._started()
        return _encode(Usage(running, pool.apply_places[1], self._answering.versions))

    async def begin(self, begin: bytes, rows: bytes, escaped: bool, state: bytes = b"") -> None:
        """Begin a fit; `state` is that of a training to go on from."""
        pool = await self._started()
        asked = msgspec.msgpack.decode(begin, type=Begin)
        self._fits[asked.key] = NodeFit(
            asked, Payload(rows, escaped=escaped), pool, self._models, self._root / asked.key, state
        )

    async def events(self, key: str, after: int) -> bytes:
        """Return the events of a fit from the one with number `after` on; waits a moment for one."""
        return _encode(await self._fits[key].events(after, POLL_SECONDS) if key in self._fits else Batch(ended=True))

    async def outcome(self, key: str) -> tuple[bytes, bytes]:
        """Return how a fit ended, and its results."""
        fit = self._fits[key]
        return _encode(fit.outcome or Outcome()), fit.results

    async def read(self, key: str, path: str, offset: int, size: int) -> bytes:
        """Return a piece of a file of the version."""
        return await asyncio.to_thread(self._fits[key].read, path, offset, size)

    async def meet(self, key: str, text: str) -> bool:
        """Tell a rank of a gang where rank 0 listens; returns whether it has begun here."""
        fit = self._fits.get(key)
        return fit is not None and await asyncio.to_thread(fit.files.meet, text)

    async def kept(self, key: str) -> int:
        """Open the state that rank 0 of a gang has kept last; returns its size, 0 where there is none."""
        fit = self._fits[key]
        fit.asked = time.monotonic()
        try:
            return await asyncio.to_thread(fit.files.kept)
        except OSError:
            return 0

    async def read_kept(self, key: str, offset: int, size: int) -> bytes:
        """Return a piece of it."""
        fit = self._fits[key]
        fit.asked = time.monotonic()  # no other question comes meanwhile
        return await asyncio.to_thread(fit.files.read, offset, size)

    async def forget(self, key: str) -> None:
        """End a fit if it runs, drop an apply that waits, and remove their files."""
        if self._applies is not None:
            self._applies.forget(key)
            await asyncio.to_thread(self._applies.files.drop, key)
        if (fit := self._fits.pop(key, None)) is not None:
            await fit.close()

    # ------------------------------------------------------------ applies, as `node_applies` describes them

    async def serve(self, serve: bytes, code: bytes, _: bool) -> tuple[bytes, bytes]:
        """Have a version loaded."""
        await self._started()
        return _answer(await self._answering.serve(msgspec.msgpack.decode(serve, type=Serve), code))

    async def ask(self, ask: bytes, rows: bytes, escaped: bool) -> tuple[bytes, bytes]:
        """Apply a version that is loaded."""
        await self._started()
        payload = Payload(rows, escaped=escaped)
        return _answer(await self._answering.ask(msgspec.msgpack.decode(ask, type=Ask), payload))

    async def told(self, key: str) -> bytes:
        """Return what a call has printed since the last question."""
        return self._answering.told(key)

    async def counted(self, served: list[str]) -> bytes:
        """Return the counts of rows that no answer has carried."""
        return _encode(self._answering.counted(served))

    async def fetch(self, key: str) -> str:
        """Begin to take the files of a version, for a call; returns a name for them."""
        return await asyncio.to_thread(self._answering.files.begin, key)

    async def write(self, incoming: str, path: str, data: bytes, offset: int) -> None:
        """Take a piece of a file."""
        await asyncio.to_thread(self._answering.files.write, incoming, path, data, offset)

    async def fetched(self, incoming: str, files_id: str, files: bytes) -> None:
        """Keep the files that have come."""
        listed = msgspec.msgpack.decode(files, type=tuple[StoredFile, ...])
        await asyncio.to_thread(self._answering.files.end, incoming, files_id, listed)

    async def copies(self, origin: str) -> bytes:
        """Return which versions of a front's home are kept here."""
        await self._started()
        return _encode(await asyncio.to_thread(self._answering.files.copies, origin))

    async def drop(self, files_ids: list[str], origin: str) -> None:
        """Remove versions that a front's home has no more, and end their workers."""
        await self._started()
        await self._answering.drop(files_ids, origin)

    @property
    def _answering(self) -> NodeApplies:
        if self._applies is None:
            raise RuntimeError("a node answers applies once it has started")
        return self._applies

    async def _started(self) -> Pool:
        async with self._starting:
            if self._pool is None:
                await asyncio.to_thread(self._clean)
                pool = Pool(self._settings)
                await pool.start()
                self._applies = NodeApplies(pool, self._models)
                self._pool = pool
                self._watch = asyncio.create_task(self._forget_abandoned())
            return self._pool

    def _clean(self) -> None:
        """Keep this actor's folder, and remove what actors left that were ended."""
        self._root.mkdir(parents=True, exist_ok=True)
        touch(self._root)
        remove_untouched(self._root.parent, "[!.]*")

    async def _forget_abandoned(self) -> None:
        """End the fits of fronts that are gone: they can commit nothing."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for key in [key for key, fit in self._fits.items() if time.monotonic() - fit.asked > FORGOTTEN_SECONDS]:
                with contextlib.suppress(OSError):
                    await self.forget(key)
            self._answering.end_unused()
            await asyncio.to_thread(self._answering.files.clean, self._answering.used)
            with contextlib.suppress(OSError):  # a full disk
                await asyncio.to_thread(self._clean)


def _answer(found: tuple[ApplyOutcome, bytes]) -> tuple[bytes, bytes]:
    outcome, results = found
    return _encode(outcome), results
