"""One fit on a node: its worker, its folder, and what it has reported."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dltk_runtime.cluster.messages import Batch, Begin, Outcome, Printed
from dltk_runtime.cluster.node_gang import RankFiles
from dltk_runtime.cluster.report import DeathReport
from dltk_runtime.files import atomic
from dltk_runtime.gang import NO_GPU
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Listener
from dltk_runtime.units import MIB
from dltk_runtime.worker.gang_messages import Kept, Listens, Trained
from dltk_runtime.worker.messages import Entered, ErrorReport, Failed, Fit, Fitted, Progress

FILES, CODE, RANK = "files", "code.json", "rank"  # in a fit's folder
MAX_PRINTED_BYTES = 4 * MIB  # in one event; what is printed beyond, before the next question, is lost
MAX_EVENTS = 1000  # that wait for a question; of progress beyond, the newest is told

Told = Entered | Progress | Printed | Listens | Kept


class NodeFit:
    """Runs at once; `events` tells what it reports, `outcome` how it ended.

    Attributes:
        begin: what was asked for.
        asked: time of `time.monotonic` of the last question about it.
        results: of the fit's own apply.
        files: between the ranks of a gang, if it is one of those.
    """

    def __init__(self, begin: Begin, rows: Payload, pool: Pool, models: Path, folder: Path, state: bytes = b"") -> None:
        self.begin = begin
        self.asked = time.monotonic()
        self.outcome: Outcome | None = None
        self.results = b""
        self.files = RankFiles(folder / RANK)
        self._state = state  # of the training, to go on from
        self._rows = rows
        self._pool = pool
        self._models = models
        self._folder = folder
        self._told: list[Told] = []
        self._first = 0  # number of the first event that is kept
        self._handed = 0  # number of the first event that was not handed out
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def ended(self) -> bool:
        """Whether there is an outcome."""
        return self.outcome is not None

    async def events(self, after: int, seconds: float) -> Batch:
        """Return the events from number `after` on; waits up to `seconds` for one. Earlier ones are dropped."""
        self.asked = time.monotonic()
        self._told = self._told[max(after - self._first, 0) :]
        self._first = max(after, self._first)
        if not self._told and not self.ended:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        self._handed = self._first + len(self._told)
        return Batch(tuple(self._told), ended=self.ended)

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return a piece of a file of the version.

        Raises:
            OSError: there is no such file.
        """
        self.asked = time.monotonic()
        with open(self._files / path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    async def close(self) -> None:
        """End it if it runs, and remove its folder."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.files.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    # ------------------------------------------------------------ the fit

    @property
    def _files(self) -> Path:
        return self._folder / FILES

    async def _run(self) -> None:
        try:
            outcome = await self._ended()
            if isinstance(outcome.answer, Fitted) or outcome.saved:
                outcome = msgspec.structs.replace(outcome, files=tuple(self._stored()))
        except Exception as error:  # noqa: BLE001 - a fault of our own must reach the front as text
            outcome = Outcome(answer=Failed(ErrorReport("runtime", f"fault in the runtime on the node: {error!r}")))
        self.outcome = outcome
        self._news.set()

    async def _ended(self) -> Outcome:
        self._folder.mkdir(parents=True)
        self._files.mkdir()
        (self._folder / CODE).write_bytes(self.begin.code)
        try:
            return await self._outcome()
        except WorkerDied as died:
            return Outcome(death=DeathReport.of(died.death), saved=died.saved)

    async def _outcome(self) -> Outcome:
        """Run the fit; a rank of a gang does not wait for a place."""
        asked = self.begin
        if asked.fit.gang is not None:
            await asyncio.to_thread(self.files.prepare, self._state)
            self._state = b""
            if not self._pool.has_place(gpu=asked.gpu):
                return Outcome(full=True)
        async with self._pool.fit_worker(
            asked.fit.algorithm, asked.imports, asked.work, Listener(self._printed), gpu=asked.gpu
        ) as worker:
            return await self._call(worker)

    async def _call(self, worker: LocalWorker) -> Outcome:
        if self.begin.fit.gang is not None and not self.begin.gpu:
            worker.device = NO_GPU
        worker.listen(
            Listener(
                self._printed,
                phase=lambda phase: self._tell(Entered(phase, worker.place)),
                progress=self._reported,
                rank=self._reported,
            )
        )
        fit, deadline = self._moved(worker.device), time.monotonic() + self.begin.seconds
        answer, results = await worker.call(fit, self._rows, deadline=deadline, setting=self.begin.setting)
        self._rows, self.results = NO_ROWS, bytes(results.view())
        if not isinstance(answer, Fitted | Trained | Failed):
            raise TypeError(f"a worker answered {type(answer).__name__} to a fit")
        return Outcome(answer=answer, escaped=results.escaped)

    def _moved(self, device: str) -> Fit:
        """Return the request with this node's folder in place of the front's."""
        fit = self.begin.fit
        here = self._files

        def moved(path: str) -> str:
            return str(here / os.path.relpath(path, fit.folder)) if path else ""

        models = here.relative_to(self._models)
        return msgspec.structs.replace(
            fit,
            load_name=f"{models}/{Path(fit.load_name).name}",
            folder=str(here),
            kept_model=moved(fit.kept_model),
            seen=moved(fit.seen),
            pictures=moved(fit.pictures),
            device=device,
            code=str(self._folder / CODE),
            gang=fit.gang and msgspec.structs.replace(fit.gang, folder=str(self.files.folder)),
        )

    def _stored(self) -> Iterator[tuple[str, int]]:
        for path in atomic.regular_files(self._files):
            yield str(path.relative_to(self._files)), path.stat().st_size

    # ------------------------------------------------------------ events

    def _printed(self, data: bytes) -> None:
        match self._last:
            case Printed(before) if len(before) >= MAX_PRINTED_BYTES:
                return
            case Printed(before):
                self._told[-1] = Printed(before + data)
                self._news.set()
            case _:
                self._tell(Printed(data))

    def _reported(self, event: Progress | Listens | Kept) -> None:
        if type(self._last) is type(event) and len(self._told) >= MAX_EVENTS:
            self._told[-1] = event
        else:
            self._tell(event)

    @property
    def _last(self) -> Told | None:
        """The newest event, while nobody has it: it may still be changed."""
        return self._told[-1] if self._first + len(self._told) > self._handed else None

    def _tell(self, event: Told) -> None:
        self._told.append(event)
        self._news.set()
