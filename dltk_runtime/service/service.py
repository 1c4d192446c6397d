"""The operations of a server. They know no protocol and run no notebook code."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from dltk_runtime.access.actor import Actor
from dltk_runtime.access.holder import INSIDE, Holder, Right
from dltk_runtime.apply.apply import Applied, Applying
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.apply.preload import Preload
from dltk_runtime.apply.read_ahead import Headers, Upload
from dltk_runtime.call import Call, Request
from dltk_runtime.cluster.view import ClusterView
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.queue import Fitting, Submitted
from dltk_runtime.fit.training import Trained
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.names import STATUS, ModelName
from dltk_runtime.pool.pool import Pool
from dltk_runtime.service import status
from dltk_runtime.service.call_files import CallFiles
from dltk_runtime.service.calls import RecentCalls
from dltk_runtime.service.checks import Checks
from dltk_runtime.service.events import EventReporter, said
from dltk_runtime.service.health import Health
from dltk_runtime.service.register import Registered, Registering
from dltk_runtime.service.stage import Staged, Staging
from dltk_runtime.service.status import Status, StatusReport
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore, Version, What

if TYPE_CHECKING:
    from dltk_runtime.cluster.places import FitPlaces
    from dltk_runtime.tracking.tracking import Tracking

NOTES_WRITE_SECONDS = 5.0  # between two writes of drift judgements, and of calls
APPLY_ROUTE = "/apply"


@dataclass(frozen=True, slots=True)
class Description:
    """The model used last, as ``/summary`` shows it: `str(model)` and the notebook's summary."""

    model: str
    model_summary: Any


@dataclass(eq=False, kw_only=True)
class Service:
    """The models, jobs and workers of one server: `start` it, use it from one loop, `close` it.

    Made by `build`.
    """

    settings: Settings
    store: ModelStore
    jobs: JobRecords
    pool: Pool
    places: FitPlaces | None
    drift: Drift
    bounds: TokenBounds
    fitting: Fitting
    reporter: EventReporter
    applying: Applying
    staging: Staging
    preload: Preload
    last: LastUsed
    drift_files: DriftFiles
    tracking: Tracking | None = None
    checks: Checks = field(default_factory=Checks)

    def __post_init__(self) -> None:
        self._headers = Headers()
        self.calls = RecentCalls()
        self._call_files = CallFiles(self.settings.paths.calls, self.store, values=self.settings.keep_values)
        self._registering = Registering(self.store, self.settings.paths)
        self.health = Health(self.store, self.jobs, self.drift, self.calls, self.settings.paths)
        self._status = StatusReport(self.store, self.jobs, self.drift, self.pool, self.health)
        self._stop_at: float | None = None  # of `time.monotonic`, once the server was asked to stop
        self._upkeep: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Make the folders, remove leftovers of a kill, start the pool and the periodic tasks."""
        paths = self.settings.paths
        for folder in (paths.models, paths.graphics, paths.jobs, paths.staged):
            folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # for logs of notebooks: what is no folder there is no reason to stop
            paths.curves.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self.store.attach)
        await asyncio.to_thread(self.store.sweep)
        self.drift.recall(await asyncio.to_thread(self.drift_files.read))
        await self.reporter.start()
        if self.tracking is not None:
            await asyncio.to_thread(self.tracking.start, self.store, self.jobs)
        await self.pool.start()
        if self.places is not None:
            self.places.start()
        tasks = [self.fitting.upkeep(), self.preload.run(), self._write_notes_often(), self.last.share()]
        if self.tracking is not None:
            tasks.append(self.tracking.look_often())
        self._upkeep = [asyncio.create_task(task) for task in tasks]

    @property
    def ready(self) -> bool:
        """Whether all models of `DLTK_PRELOAD` are loaded, and nobody asked the server to stop."""
        return self.preload.done and not self.stopping

    def present(self) -> bool:
        """Return whether the volume with the models is there; reads the disk."""
        return self.store.present()

    @property
    def stopping(self) -> bool:
        """Whether the server was asked to stop."""
        return self._stop_at is not None

    @property
    def grace_left(self) -> float:
        """Seconds that running requests and fits still have, once the server was asked to stop."""
        return max((self._stop_at or 0) - time.monotonic(), 0)

    def stop(self) -> None:
        """Note that the server was asked to stop; it still takes requests, but no queued fits."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self.settings.grace
            self.fitting.leave_queue()

    async def drain(self) -> None:
        """Give running fits the rest of their grace, then end them with an error for their searches."""
        self.stop()
        await self.fitting.close(self._stop_at or 0)

    def hurry(self) -> None:
        """End running fits at once, also those that `drain` or `close` waits for."""
        self._stop_at = 0
        self.fitting.end_now()

    async def close(self) -> None:
        """End every fit, after its grace, and every worker."""
        self.jobs.close()
        await self.fitting.close(self._stop_at or 0)
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        if self.places is not None:
            await self.places.close()
        await self.pool.close()
        self.jobs.close()
        await self._write_notes(ending=True)
        if self.tracking is not None:
            await asyncio.to_thread(self.tracking.close)
        await self.reporter.close()

    async def _write_notes_often(self) -> None:
        self.calls.recall(await asyncio.to_thread(self._call_files.read))  # a start need not wait for them
        while True:
            await asyncio.sleep(NOTES_WRITE_SECONDS)
            await self._write_notes()

    async def _write_notes(self, *, ending: bool = False) -> None:
        """Write what pages show after a restart too: judgements of drift, and calls."""
        if judged := self.drift.unwritten():
            await asyncio.to_thread(self.drift_files.write, judged)
        if past := self.drift.unwritten_past():
            await asyncio.to_thread(self.drift_files.write_past, past)
        if calls := self.calls.unwritten():
            await asyncio.to_thread(self._call_files.write, calls, ending=ending)

    # ------------------------------------------------------------ requests

    def upload(self, route: str) -> Upload:
        """Make an upload for the rows of one request; those of an apply may be read ahead."""
        return Upload(self.pool, self._headers if route == APPLY_ROUTE else None)

    async def fit(
        self, request: Request, call: Call, _: Upload | None = None
    ) -> Trained | Submitted | Staged | Registered | Status:
        """Fit a model; stage its data or register it when `mode` says so.

        Raises:
            DltkError: with the sentence for the search.
        """
        call.holder.check(Right.FIT)
        if status.asked(request):  # a search makes the stub of `dltk_status` by a fit
            return await self._report_status(call)
        await asyncio.to_thread(self.store.check_presence)
        if request.staging:
            if not call.holder.sees_all:
                call.holder.check(Right.FIT, ModelName(request.algorithm or "stage", request.model))
            return await self.staging.stage(request, call)
        if request.registering:
            call.runs()
            return await asyncio.to_thread(self._registering.register, request, call)
        return await self.fitting.fit(request, call)

    async def apply(self, request: Request, call: Call, upload: Upload | None = None) -> Applied | Status:
        """Apply a model; `upload` is how the rows came, if they were large.

        Raises:
            DltkError: with the sentence for the search.
        """
        call.holder.check(Right.APPLY)
        if status.asked(request):
            return await self._report_status(call)
        return await self.applying.apply(request, call, upload)

    def hung_up(self, call: Call) -> None:
        """Note that the client of a call that a worker runs is gone."""
        if call.route != APPLY_ROUTE:
            self.fitting.hung_up(call)

    async def description(self, holder: Holder = INSIDE) -> Description:
        """Describe the model used last, on whichever replica, if it is one of the holder's."""
        found = await self.last.description(holder.covers)
        return Description(found.get("model", "no model exists"), found.get("model_summary"))

    async def _report_status(self, call: Call) -> Status:
        call.runs()
        call.facts.algorithm = STATUS
        return await asyncio.to_thread(self._status.collect, stopping=self.stopping, shown=call.holder.covers)

    def machines(self) -> ClusterView:
        """Describe the machines on which fits run."""
        if self.places is not None:
            return self.places.view()
        from dltk_runtime.cluster.shown import own_view

        own, running = own_view(self.settings, self.pool), self.fitting.running
        waiting = max(running - own.places, 0)
        return ClusterView("", [replace(own, fits=running - waiting, places_taken=running - waiting)], waiting)

    # ------------------------------------------------------------ events

    def promoted(self, version: Version, how: str, actor: Actor) -> None:
        """Report that a person made a version current, by ``promote`` or ``rollback``."""
        self.reporter.promoted(version, how, actor=actor)
        if self.tracking is not None:
            self.tracking.current_changed(version.name)

    def delete(self, name: ModelName, actor: Actor) -> None:
        """Remove a model with all its versions, and report it; its history stays.

        Raises:
            StoreError: as `ModelStore.delete`.
        """
        self.store.delete(name)
        self.store.record(name, What.DELETED, actor)
        self.reporter.deleted(name, actor)

    def failed(self, call: Call, message: str) -> None:
        """Report a request that failed."""
        self.reporter.send(
            "error", route=call.route, request=call.id, message=message, **said(call.actor), **call.facts.known()
        )
