"""What a server does for Splunk's requests. Nothing here knows HTTP, and nothing here runs notebook code."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any

from dltk_runtime import __version__, protocol
from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.drift import Drift, Level
from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.apply.preload import Preload
from dltk_runtime.apply.read_ahead import ReadingAhead, Rows
from dltk_runtime.call import Call, Pieces
from dltk_runtime.fit.promotion import Decision, Promotion
from dltk_runtime.fit.queue import Fitting
from dltk_runtime.fit.train import Trainer
from dltk_runtime.jobs.job import tell_nobody
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import STATUS, Key
from dltk_runtime.pool.pool import Pool
from dltk_runtime.service import status
from dltk_runtime.service.job_events import tell
from dltk_runtime.service.stage import Staging
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.events import Events
from dltk_runtime.store.store import ModelStore, Version

KEEP_DRIFT_EVERY = 5.0  # seconds: of a model that is applied all the time, no more is written


class Service:
    """The models, jobs and workers of one server. `start` it, use it from one event loop, `close` it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._paths = settings.paths
        self.store = ModelStore(self._paths, settings.keep_versions)
        self.pool = Pool(settings)
        self.events = Events.of(settings)
        on_state = functools.partial(tell, self.events) if self.events else tell_nobody
        self.jobs = jobs = JobStore(self._paths, settings.keep_jobs, settings.log_bytes, on_state)
        self.drift = Drift(self._drifts)
        self._drift_files = DriftFiles(self._paths.drift, self.store)
        self._last = LastUsed(self.store, self.pool)
        self._reading = ReadingAhead(self.pool)
        self._applying = Applying(settings, self.store, jobs, self.pool, self._last, self.drift)
        promotion = Promotion(self.store, self._applying)
        trainer = Trainer(self.store, self.pool, promotion, self._last, settings.fit_timeout, self._decided)
        self.fitting = Fitting(settings, jobs, trainer)
        self._staging = Staging(settings, self.pool)
        self._preload = Preload(settings.preload, self.store, self._applying)
        self._stop_at: float | None = None  # of `time.monotonic`, once the server was told to stop
        self._upkeep: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Make the folders, remove what a kill left behind, and begin to keep workers."""
        for folder in (self._paths.models, self._paths.graphics, self._paths.jobs, self._paths.staged):
            folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self.store.sweep)
        self.drift.recall(await asyncio.to_thread(self._drift_files.read))
        if self.events:
            await asyncio.to_thread(self.events.start)
        await self.pool.start()
        tasks = (self.fitting.upkeep(), self._preload.run(), self._keep_drift())
        self._upkeep = [asyncio.create_task(task) for task in tasks]

    @property
    def ready(self) -> bool:
        """Whether all models are loaded that must be before a search comes."""
        return self._preload.done

    def tell(self, kind: str, **facts: Any) -> None:
        """Give an event on its way to Splunk, where there is a collector; nobody waits for it."""
        if self.events:
            self.events.put(kind, **facts)

    def promoted(self, version: Version, how: str, *, current: bool = True, **facts: Any) -> None:
        """Tell Splunk that a version is current now, or was refused that."""
        name = version.name
        facts = {"algorithm": name.algorithm, "model": name.model, "version": version.number, "how": how, **facts}
        self.tell("promotion", current=current, **facts)

    def _decided(self, version: Version, decision: Decision, job: str) -> None:
        self.promoted(version, "fit", current=decision.current, job=job, message=decision.text)

    def _drifts(self, key: Key, level: Level, rows: int) -> None:
        facts = {"algorithm": key.algorithm, "model": key.model, "version": key.version, "rows": rows}
        self.tell("drift", feature=level.feature, index=round(level.index, 4), unseen=round(level.unseen, 4), **facts)

    async def _keep_drift(self) -> None:
        while True:
            await asyncio.sleep(KEEP_DRIFT_EVERY)
            await self._write_drift()

    async def _write_drift(self) -> None:
        if judged := self.drift.unwritten():
            await asyncio.to_thread(self._drift_files.write, judged)

    @property
    def stopping(self) -> bool:
        """Whether the server was told to stop."""
        return self._stop_at is not None

    async def drain(self) -> None:
        """Give running fits their grace, then end them with an error that their searches still get."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self.settings.grace
            await self.fitting.close(self._stop_at)

    async def close(self) -> None:
        """End every fit and every worker, those that have not used up their grace included."""
        await self.fitting.close(self._stop_at or 0)
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        await self.pool.close()
        await self._write_drift()
        if self.events:
            await asyncio.to_thread(self.events.close)

    async def fit(self, request: protocol.Request, call: Call) -> Pieces:
        """Fit a model, or stage its data when `mode=stage` says so.

        Raises:
            DltkError: with the sentence for the search.
        """
        if status.asked(request):
            return await self._tell_status(call)
        if request.staging:
            return await self._staging.stage(request, call)
        return await self.fitting.fit(request, call)

    def rows(self) -> Rows:
        """What takes the rows of an apply as they arrive."""
        return Rows(self._reading)

    def hung_up(self, call: Call) -> None:
        """The client of a call that a worker runs is gone."""
        if call.route == "/fit":
            self.fitting.hung_up(call)

    async def apply(self, request: protocol.Request, call: Call) -> Pieces:
        """Apply a model.

        Raises:
            DltkError: with the sentence for the search.
        """
        if status.asked(request):
            return await self._tell_status(call)
        return await self._applying.apply(request, call)

    async def _tell_status(self, call: Call) -> Pieces:
        """The rows about the container itself; also for a fit, which is how a search makes the model stub."""
        call.waiting = False
        call.facts["algorithm"] = STATUS
        return protocol.answer(
            "success", f"{call.route} done successfully", [await asyncio.to_thread(status.results, self)]
        )

    async def summary(self) -> bytes:
        """The body of ``/summary``."""
        description = await self._last.description()
        return protocol.summary(
            {
                "app": "dltk-runtime",
                "version": __version__,
                "model": description.get("model", "no model exists"),
                "token": "valid",
                "model_summary": description.get("model_summary"),
            }
        )
