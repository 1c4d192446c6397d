"""The applies on a node: versions that stay loaded in its pool, for the fronts of the cluster.

::

    helper of a front ── serve(…) ────> unknown: the files come by `begin`, `write` and `end`, once
                      ── serve(…) ────> a worker of the pool has it loaded, and stays
                      ── ask(…) ──────> that worker, or another one that loads it first
                      ── told(key) ───> what a call that takes long has printed
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dltk_runtime.cluster.apply_messages import ApplyOutcome, Ask, Serve
from dltk_runtime.cluster.kept_files import KeptFiles
from dltk_runtime.cluster.node_fit import MAX_PRINTED_BYTES
from dltk_runtime.cluster.report import DeathReport
from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import WorkerDied, retry_unsent
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.resident import Resident
from dltk_runtime.pool.worker import Listener
from dltk_runtime.store.manifest import StoredFile
from dltk_runtime.worker.messages import (
    Applied,
    AppliedTogether,
    Apply,
    ApplyTogether,
    Counts,
    ErrorReport,
    Failed,
    Load,
    Loaded,
)

UNUSED_SECONDS = 1800.0  # without an apply after which a version's workers end: fits may need the memory

Answer = tuple[ApplyOutcome, bytes]


@dataclass(eq=False)
class _Served:
    """What stays loaded: `loads` are the ways to load it, of which the first that works is taken."""

    id: VersionId
    files_id: str
    files: tuple[StoredFile, ...]
    loads: Sequence[Load]
    imports: tuple[str, ...]
    work: str
    used: float = field(default_factory=time.monotonic)
    counts: list[Counts] = field(default_factory=list)


@dataclass(eq=False)
class _Call:
    """One `serve` or `ask`: whether a worker has it, and what it has printed."""

    task: asyncio.Task[Answer] | None = None
    begun: bool = False
    printed: bytearray = field(default_factory=bytearray)

    def write(self, text: bytes) -> None:
        self.printed += text[: max(MAX_PRINTED_BYTES - len(self.printed), 0)]

    def take_printed(self) -> bytes:
        text = bytes(self.printed)
        self.printed.clear()
        return text


class NodeApplies:
    """Answers the applies of all fronts, by workers of `pool`; `models` is this node's models' folder."""

    def __init__(self, pool: Pool, models: Path) -> None:
        self.files = KeptFiles(models)
        self._models = models
        self._pool = pool
        self._served: dict[str, _Served] = {}
        self._calls: dict[str, _Call] = {}

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that workers have loaded, by their files."""
        loaded = (each for each in self._served.values() if self._pool.versions_in_use(each.id.name))
        return tuple(dict.fromkeys(each.files_id for each in loaded))

    @property
    def used(self) -> set[str]:
        """The versions that were applied lately, by their files."""
        return {each.files_id for each in self._served.values()}

    async def serve(self, asked: Serve, code: bytes) -> Answer:
        """Have a version loaded; with `code`, by that, and by its own code if that does not load."""
        if not await asyncio.to_thread(self.files.has, asked.files_id, asked.files):
            return ApplyOutcome(unknown=True), b""
        if asked.copy is not None and asked.origin:
            await asyncio.to_thread(self.files.mark, asked.copy, asked.origin)
        if asked.served not in self._served:
            live = str(await asyncio.to_thread(self.files.code, asked.files_id, code)) if code else ""
            name = ModelName(asked.load.algorithm, f"v{asked.served}")
            loads = self._moved(asked, live)
            found = _Served(VersionId(name, 1), asked.files_id, asked.files, loads, asked.imports, asked.work)
            self._served.setdefault(asked.served, found)  # another request may have been quicker
        return await self._run(asked, None, NO_ROWS)

    async def ask(self, asked: Ask, rows: Payload) -> Answer:
        """Apply what is loaded to rows."""
        if asked.served not in self._served:
            return ApplyOutcome(unknown=True), b""
        return await self._run(asked, asked.what, rows)

    def told(self, key: str) -> bytes:
        """Return what a call has printed since the last question."""
        call = self._calls.get(key)
        return call.take_printed() if call is not None else b""

    def counted(self, served: Sequence[str]) -> list[tuple[str, Counts]]:
        """Return the counts of rows that no answer has carried yet, with what they belong to."""
        found = [(each, counts) for each in served if each in self._served for counts in self._served[each].counts]
        for each, _ in found:
            self._served[each].counts.clear()
        return found

    def forget(self, key: str) -> None:
        """Drop a call that waits for a worker; one that runs goes on."""
        call = self._calls.get(key)
        if call is not None and call.task is not None and not call.begun:
            call.task.cancel()

    async def drop(self, files_ids: Collection[str], origin: str) -> None:
        """Remove versions that a home has no more, unless another home has them, too; their workers end."""
        for files_id in files_ids:
            if await asyncio.to_thread(self.files.unmark, files_id, origin):
                for served in [key for key, each in self._served.items() if each.files_id == files_id]:
                    self._pool.retire(self._served.pop(served).id.name, ())

    def end_unused(self) -> None:
        """End the workers of versions that nobody has applied for long."""
        now = time.monotonic()
        for served in [key for key, each in self._served.items() if now - each.used > UNUSED_SECONDS]:
            self._pool.retire(self._served.pop(served).id.name, ())

    # ------------------------------------------------------------ one call

    async def _run(self, asked: Serve | Ask, what: Apply | ApplyTogether | None, rows: Payload) -> Answer:
        served, call = self._served[asked.served], _Call()
        served.used = time.monotonic()
        deadline = served.used + asked.seconds
        self._calls[asked.key] = call
        call.task = asyncio.create_task(
            retry_unsent(lambda: self._answered(call, served, what, rows, asked, deadline)), name=asked.key
        )
        try:
            outcome, results = await call.task
        except WorkerDied as died:
            outcome, results = ApplyOutcome(death=DeathReport.of(died.death)), b""
        except Busy as error:
            outcome, results = ApplyOutcome(busy=error.sentence), b""
        except Exception as error:  # noqa: BLE001 - a fault of our own must reach the front as text
            fault = ErrorReport("runtime", f"fault in the runtime on the node: {error!r}")
            outcome, results = ApplyOutcome(answer=Failed(fault)), b""
        finally:
            del self._calls[asked.key]
        counts = tuple(served.counts)
        served.counts.clear()
        return msgspec.structs.replace(outcome, printed=call.take_printed(), counts=counts), results

    async def _answered(
        self,
        call: _Call,
        served: _Served,
        what: Apply | ApplyTogether | None,
        rows: Payload,
        asked: Serve | Ask,
        deadline: float,
    ) -> Answer:
        async def imports() -> tuple[str, ...]:
            return served.imports

        async with self._pool.lease(served.id, imports, call.write, deadline, client=asked.client) as resident:
            call.begun = True
            if resident.loaded is None:
                loaded = await self._loaded(resident, served, deadline, asked.setting)
                if isinstance(loaded, Failed):
                    if await asyncio.to_thread(self.files.is_damaged, served.files_id, served.files):
                        self._served.pop(asked.served, None)  # they are fetched anew
                        return ApplyOutcome(unknown=True), b""
                    return ApplyOutcome(answer=loaded), b""
                resident.loaded = loaded
                resident.worker.listen(Listener(call.write, counts=functools.partial(self._count, asked.served)))
            if what is None:
                return ApplyOutcome(answer=resident.loaded), b""
            answer, results = await resident.worker.call(what, rows, deadline=deadline, setting=asked.setting)
        if not isinstance(answer, Applied | AppliedTogether | Failed):
            raise TypeError(f"a worker answered {type(answer).__name__} to an apply")
        return ApplyOutcome(answer=answer, escaped=results.escaped), bytes(results.view())

    def _count(self, served: str, counts: Counts) -> None:
        if served in self._served:
            self._served[served].counts.append(counts)

    async def _loaded(self, resident: Resident, served: _Served, deadline: float, setting: str) -> Loaded | Failed:
        """Load the version, with the kept code if the front's does not load; then the first error is the notice."""
        worker, first = resident.worker, None
        worker.work = served.work
        for load in served.loads:
            message = msgspec.structs.replace(load, device=worker.device)
            answer, _ = await worker.call(message, deadline=deadline, setting=setting)
            if isinstance(answer, Loaded):
                return msgspec.structs.replace(answer, notice=str(first.error) if first else "")
            if not isinstance(answer, Failed):
                raise TypeError(f"a worker answered {type(answer).__name__} to a load")
            first = first or answer
        if first is None:
            raise RuntimeError("there is no way to load it")
        return first

    def _moved(self, asked: Serve, live: str) -> list[Load]:
        """Return the ways to load a version, with this node's folder in place of the front's."""
        load, here = asked.load, self.files.folder(asked.files_id)

        def moved(path: str) -> str:
            return str(here / Path(path).relative_to(asked.folder)) if path else ""

        kept = msgspec.structs.replace(
            load,
            load_name=f"{here.relative_to(self._models)}/{Path(load.load_name).name}",
            code=moved(load.code),
            kept_model=moved(load.kept_model),
            pinned=True,
        )
        return [msgspec.structs.replace(kept, code=live, row_wise=False), kept] if live else [kept]
