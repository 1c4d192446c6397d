"""The shadow of one server: what is forwarded, what is compared, what of it is kept and shown."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime import logs
from dltk_runtime.access.holder import Holder
from dltk_runtime.server.body import receive_whole
from dltk_runtime.server.shadow.allowed import FIT, Allowed
from dltk_runtime.server.shadow.comparing import TableComparer
from dltk_runtime.server.shadow.forwarding import Forwarding
from dltk_runtime.server.shadow.kept import KeptRequest, KeptRoom
from dltk_runtime.server.shadow.own import OwnWork
from dltk_runtime.server.shadow.pace import Pace, short_of_cores
from dltk_runtime.server.shadow.repeats import Repeats
from dltk_runtime.server.shadow.upstream import Upstream
from dltk_runtime.service.service import Service
from dltk_runtime.shadow import ComparedRequest, Records, ShadowReport, judge, report
from dltk_runtime.shadow.verdict import noise_of

MAX_MODELS = 1000  # that metrics tell apart


class Shadowing:
    """Forwards to the old container, and compares: `start` it, use it from one loop, `close` it."""

    def __init__(self, service: Service, upstream: Upstream, is_short: Callable[[], bool] = short_of_cores) -> None:
        settings, pool = service.settings, service.pool
        self._upstream = upstream
        self._room = KeptRoom(settings.shadow_queue)
        self._pace = Pace(pool.pause_background, pool.continue_background, is_short)
        self._comparing = TableComparer(pool)
        self._repeats = Repeats(upstream, self._pace, settings.shadow_queue) if settings.shadow_repeat else None
        self._own = OwnWork(service, self._pace, self._repeats, self._comparing, self._take)
        self._allowed = Allowed(service)
        self._most_bytes = settings.max_body
        self._forwarding = Forwarding(upstream, settings.shadow_token, self._room, self._pace, self._begun, self._done)
        self._records = Records(settings.paths.shadow, settings.shadow_disk)
        self._new: asyncio.Queue[ComparedRequest] = asyncio.Queue()
        self._unwritten = 0
        self._repeated: dict[tuple[str, str], list[ComparedRequest]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._failures = logs.RecurringFailures()
        self.verdicts: Counter[tuple[str, ...]] = Counter()  # algorithm, model, verdict

    @classmethod
    def of(cls, service: Service) -> Self | None:
        """Make the shadow that the settings ask for; None if they do not.

        Raises:
            SettingInvalid: the file of certificates cannot be read.
        """
        return cls(service, Upstream.of(service.settings)) if service.settings.shadow else None

    async def start(self) -> None:
        """Read what was compared before, and begin to work off the queue."""
        with self._failures.logged("read comparisons"):
            for record in await asyncio.to_thread(self._records.all):
                self._know(record)
        self._tasks = [asyncio.create_task(each) for each in (self._own.run(), self._pace.run(), self._write_all())]

    def stop(self) -> None:
        """Begin no more work of our own; requests are forwarded until the end."""
        if self._tasks:
            self._tasks[0].cancel()

    async def close(self) -> None:
        """End our own work; what waits is not compared."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._new.empty():
            await self._write(self._new.get_nowait())
        await self._comparing.rest()

    # ------------------------------------------------------------ requests

    async def post(self, request: Request, holder: Holder) -> Response:
        """Answer a fit or an apply.

        Raises:
            RequestError: it is none that the token may make; it was not forwarded.
        """
        if not self._allowed.must_read(holder, request.url.path):
            return await self._forwarding.post(request)
        body = await receive_whole(request, self._most_bytes)
        await self._allowed.check(body, holder, request.url.path)
        return await self._forwarding.post(request, body)

    async def get(self, request: Request) -> Response:
        """Answer ``GET /summary`` and ``GET /``."""
        return await self._forwarding.get(request)

    async def picture(self, request: Request) -> Response:
        """Answer ``GET /graphics/<file>``."""
        return await self._forwarding.picture(request)

    def _begun(self, kept: KeptRequest) -> None:
        if kept.route == FIT:
            self._allowed.begun(kept.actor.owner)

    def _done(self, kept: KeptRequest) -> None:
        if kept.route == FIT:
            self._allowed.ended(kept.actor.owner)
        self._own.offer(kept)

    # ------------------------------------------------------------ figures

    @property
    def waiting(self) -> int:
        """Number of requests that are not compared yet, or of which the figures are not on disk."""
        return self._own.waiting + self._unwritten

    @property
    def waiting_bytes(self) -> int:
        """Memory that requests and answers take until they are compared."""
        return self._room.used

    @property
    def skipped(self) -> dict[str, int]:
        """How many requests were not compared, by reason."""
        return dict(self._own.skipped)

    @property
    def forwarded(self) -> dict[str, int]:
        """How many requests were forwarded, by what became of them."""
        return dict(self._forwarding.counts)

    @property
    def stops(self) -> int:
        """How often our own work was stopped for a forwarded request."""
        return self._pace.stops

    def report(self, since: datetime | None = None) -> ShadowReport:
        """Report all comparisons; reads the disk."""
        found = self._records.all()
        skipped = {reason: count for reason, count in self.skipped.items() if count}
        return report(found, since, address=self._upstream.shown, waiting=self.waiting, skipped=skipped)

    def _take(self, record: ComparedRequest) -> None:
        self._know(record)
        self._unwritten += 1
        self._new.put_nowait(record)
        if not record.repeat and len(self.verdicts) < MAX_MODELS:
            verdict = judge(record, noise_of(self._repeated.get((record.algorithm, record.model), ())))
            self.verdicts[record.algorithm, record.model, verdict] += 1
            logs.event("compared", verdict=verdict, algorithm=record.algorithm, model=record.model, route=record.route)

    def _know(self, record: ComparedRequest) -> None:
        if record.repeat:
            self._repeated.setdefault((record.algorithm, record.model), []).append(record)
            if self._repeats is not None:
                self._repeats.know(record)

    async def _write_all(self) -> None:
        while True:
            await self._write(await self._new.get())

    async def _write(self, record: ComparedRequest) -> None:
        with self._failures.logged("write comparisons"):
            await asyncio.to_thread(self._records.add, record)
        self._unwritten -= 1
