"""Asynchronous fits: out of the queue that all servers share, and from servers that ended.

::

    queued ──── this server has room ────────────────> adopted ──> it runs here
    running ─── its server ended ──> adopted ──┬─ its version is committed ──> promoted, ended here
                                               ├─ started as often as allowed ──> lost
                                               └─ else its number is withdrawn ──> queued again
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from dltk_runtime import logs
from dltk_runtime.access.actor import Actor
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import DltkError, NameInvalid
from dltk_runtime.fit.bounds import others
from dltk_runtime.fit.options import fit_options
from dltk_runtime.fit.recorded import recorded
from dltk_runtime.fit.training import Training, leave
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.reads import taken
from dltk_runtime.notebook.source import imports_of
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore

LOOK_SECONDS = 2.0  # between two looks at the queue, unless something happens here
REASON_ASKED = "somebody asked for its end."


@dataclass(eq=False, kw_only=True)
class Dispatcher:
    """Takes asynchronous fits for one server.

    Attributes:
        has_room: whether a fit of this algorithm, with these heavy imports, could begin now.
        may_begin: whether the bounds of its token let a fit with these imports begin now.
        is_here: whether the job of that id runs on this server.
        begin: runs a fit.
        finish: ends a fit whose version of that number is committed.
    """

    settings: Settings
    jobs: JobRecords
    store: ModelStore
    has_room: Callable[[str, tuple[str, ...]], Awaitable[bool]]
    may_begin: Callable[[JobRecord, tuple[str, ...]], Awaitable[bool]]
    is_here: Callable[[str], bool]
    begin: Callable[[Training], object]
    finish: Callable[[Training, int], object]
    closing: bool = False
    _failures: logs.RecurringFailures = field(default_factory=logs.RecurringFailures)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Have it look at the queue now: something was submitted, or there is room."""
        self._woken.set()

    async def run(self) -> None:
        """Look at the queue until cancelled."""
        while True:
            self._woken.clear()
            with self._failures.logged("queue"):
                await self.look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Take what this server has room for, and what servers that ended have left."""
        known: dict[str, tuple[str, ...]] = {}
        for record in await asyncio.to_thread(self.jobs.unfinished):
            if self.closing:
                return
            if record.asynchronous and not self.is_here(record.id):
                with self._failures.logged(f"job {record.id}"):  # one bad folder must not hold up the others
                    await self._consider(record, known)

    def cancel(self, job: str) -> None:
        """End a job now, if it is in the queue.

        Raises:
            OSError: the volume does not answer.
        """
        record = self.jobs.get(job)
        if record.state is State.QUEUED and record.asynchronous and (adopted := self.jobs.adopt(job)) is not None:
            if adopted.record.state is State.QUEUED:
                adopted.cancel(REASON_ASKED)
            else:
                adopted.release()

    async def _consider(self, record: JobRecord, known: dict[str, tuple[str, ...]]) -> None:
        if record.state is State.QUEUED and not self.jobs.to_be_cancelled(record.id):
            name = record.algorithm
            if name not in known:
                known[name] = await asyncio.to_thread(self._imports, name)
            if not await self.has_room(name, known[name]) or not await self.may_begin(record, known[name]):
                return
        job = await asyncio.to_thread(self.jobs.adopt, record.id)
        if job is None:
            return
        try:
            await self._adopted(job)
        except NameInvalid as error:
            job.fail(error.sentence)
        except Exception:
            job.release()  # tried again at the next look
            raise

    async def _adopted(self, job: Job) -> None:
        if self.closing:
            job.release()
        elif job.record.state is State.QUEUED:
            await self._begin(job)
        else:
            await self._recover(job)

    def _imports(self, name: str) -> tuple[str, ...]:
        """Return the heavy imports of an algorithm; none when its notebook cannot be read."""
        try:
            return imports_of(algorithm.source_of(name, self.settings.paths))
        except DltkError:
            return ()

    async def _begin(self, job: Job) -> None:
        if self.jobs.to_be_cancelled(job.id):
            job.cancel(REASON_ASKED)
            return
        submission = await asyncio.to_thread(self.jobs.submission, job.id)
        if submission is None:
            job.fail("The rows of this job cannot be read: submit it again.")
            return
        try:
            training = await asyncio.to_thread(self._training, job, submission)
        except DltkError as error:
            job.fail(**recorded(error, self.settings.error_texts))
            return
        if self.closing:
            job.release()
        else:
            self.begin(training)

    async def _recover(self, job: Job) -> None:
        """Put a fit whose server ended back into the queue, or end it."""
        record, number = job.record, job.record.reserved
        name = ModelName(record.algorithm, record.model)
        withdrawn = number is None or await asyncio.to_thread(self.store.withdraw, name, number)
        logs.event("taken up", job=record.id, start=record.attempts, version=None if withdrawn else number)
        if number is not None and not withdrawn:
            submission = await asyncio.to_thread(self.jobs.submission, job.id)
            self.finish(await asyncio.to_thread(self._finishing, job, submission), number)
        elif self.jobs.to_be_cancelled(job.id):
            job.cancel(REASON_ASKED)
        else:
            leave(job, self.settings.fit_retries, "ended")
            self.wake()

    def _training(self, job: Job, submission: Submission) -> Training:
        """Return the fit of a job.

        Raises:
            DltkError: the submission or its notebook cannot be used.
        """
        request = Request.of(submission.rows, submission.meta)
        name = ModelName(job.record.algorithm, job.record.model)
        source = algorithm.source_of(name.algorithm, self.settings.paths)
        options = fit_options(request.parameters, self._share(request), taken(source, request.parameters))
        warning = others(self.store, name, job.record.owner, self.settings.others_models)
        options = replace(options, asynchronous=True, warnings=(*options.warnings, *filter(None, [warning])))
        return Training(job, request, name, options, imports_of(source), _call(job))

    def _finishing(self, job: Job, submission: Submission | None) -> Training:
        """Return the fit of a job whose version is committed: its code is not needed any more."""
        request = Request.of(submission.rows, submission.meta) if submission else Request.of(NO_ROWS, {})
        name = ModelName(job.record.algorithm, job.record.model)
        given = request.parameters if submission else job.record.parameters
        own: frozenset[str] = frozenset()
        with contextlib.suppress(DltkError):  # the notebook may be gone meanwhile
            own = taken(algorithm.source_of(name.algorithm, self.settings.paths), given)
        options = fit_options(given, self._share(request), own)
        return Training(job, request, name, replace(options, asynchronous=True), (), _call(job))

    def _share(self, request: Request) -> float:
        """Return the share of rows that a fit keeps where its search names none."""
        return self.settings.holdout if request.targets else 0.0


def _call(job: Job) -> Call:
    record = job.record
    return Call(record.request, "job", actor=Actor(owner=record.owner, person=record.person, sid=record.sid))
