"""Every fit is a job: a search waits for it, or (`mode=async`) gets its id at once.

::

    /fit ──> checked ──> job ──┬─ sync ──> Trainer.train ──> Trained
                               └─ async ─> queue on disk ──> Dispatcher ──> Trainer.train
                                           Submitted         (this server, or another one)
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec

from dltk_runtime import logs
from dltk_runtime.access.holder import Right
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import AlgorithmMissing, DltkError
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.dispatch import REASON_ASKED, Dispatcher
from dltk_runtime.fit.options import fit_options
from dltk_runtime.fit.room import FitRoom
from dltk_runtime.fit.train import Trainer
from dltk_runtime.fit.training import Trained, Training
from dltk_runtime.jobs.errors import FitCancelled, JobUnknown, NotCancellable, ServerStops
from dltk_runtime.jobs.interface import TOUCH_SECONDS, JobRecords
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.reads import taken
from dltk_runtime.notebook.source import Source, imports_of
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

FLUSH_SECONDS = 0.5  # between two writes of the phases of running fits, and two looks for requests to cancel
PRUNE_SECONDS = 10.0  # between two removals of old jobs
TAKEN = "taken up by another server"
REASON_LEFT = "the search that waited for it hung up before it began."
REASON_HUNG_UP = "the search that waited for it hung up, and DLTK_HANGUP is cancel."


@dataclass(frozen=True, slots=True)
class Submitted:
    """The result of an asynchronous fit.

    `known_state` is the state of an equal job submitted before, else empty.
    """

    job: str
    name: ModelName
    known_state: str = ""


@dataclass(frozen=True, slots=True)
class _Running:
    training: Training
    task: asyncio.Task[Trained]

    @property
    def asynchronous(self) -> bool:
        return self.training.options.asynchronous


class Fitting:
    """The fits of one server."""

    def __init__(self, settings: Settings, jobs: JobRecords, trainer: Trainer, bounds: TokenBounds) -> None:
        self._settings = settings
        self._jobs = jobs
        self._trainer = trainer
        self._running: dict[str, _Running] = {}
        self._room = FitRoom(settings, jobs, trainer, bounds, self._running)
        self._submitting = asyncio.Lock()
        self._failures = logs.RecurringFailures()
        self._queue = Dispatcher(
            settings=settings,
            jobs=jobs,
            store=trainer.store,
            has_room=self._room.has,
            may_begin=self._room.may_begin,
            is_here=self._running.__contains__,
            begin=self._begin,
            finish=lambda training, number: self._run(training, trainer.finish(training, number)),
        )

    @property
    def running(self) -> int:
        """Number of fits that run, or wait for a worker."""
        return len(self._running)

    async def fit(self, request: Request, call: Call) -> Trained | Submitted:
        """Fit and wait for the end or, asynchronously, submit the fit as a job.

        Raises:
            DltkError: with the sentence for the search.
        """
        if request.algorithm is None:
            raise AlgorithmMissing(None)
        name = ModelName(request.algorithm, request.model)
        call.facts.algorithm, call.facts.model = name.algorithm, name.model
        call.holder.check(Right.FIT, name)
        source = await asyncio.to_thread(algorithm.source_of, name.algorithm, self._settings.paths)
        own, share = taken(source, request.parameters), self._settings.holdout if request.targets else 0.0
        options = fit_options(request.parameters, share, own, refuse_unknown=self._settings.refuse_unknown)
        call.actor = msgspec.structs.replace(call.actor, sid=request.sid)
        owner = "" if call.background else call.actor.owner  # of the shadow's own, bounds held before it was forwarded
        options = await self._room.warned(options, name, owner)
        if options.asynchronous:
            return await self._submit(request, name, source, call)
        imports = imports_of(source)
        async with self._room.taken(owner, imports):
            job = self._jobs.create(name, request.parameters, call.id, call.actor)
        call.facts.job = job.id
        return await self._wait_for(self._begin(Training(job, request, name, options, imports, call)))

    def hung_up(self, call: Call) -> None:
        """Continue or cancel a running fit whose client is gone, as `DLTK_HANGUP` says."""
        if self._settings.hangup == "cancel" and call.facts.job is not None:
            with contextlib.suppress(DltkError):
                self.cancel(call.facts.job, REASON_HUNG_UP)

    def cancel(self, job: str, reason: str = REASON_ASKED) -> None:
        """End a job, on this server or another one.

        Raises:
            JobUnknown: there is no job of that id.
            NotCancellable: it has ended, or its model is being stored.
        """
        running = self._running.get(job)
        if running is None:
            self._jobs.ask_to_cancel(job)
            with contextlib.suppress(OSError):  # the mark is on disk
                self._queue.cancel(job)
        elif running.training.committing:
            raise NotCancellable(job, "is storing its model")
        else:
            running.training.cancelled = reason
            running.task.cancel()

    async def _wait_for(self, running: _Running) -> Trained:
        try:
            return await asyncio.shield(running.task)
        except asyncio.CancelledError:
            if running.task.cancelled():
                raise _not_started(running.training) from None
            if running.training.call.waiting and not running.task.done():
                running.training.cancelled = REASON_LEFT
                running.task.cancel()
            raise

    def _begin(self, training: Training) -> _Running:
        return self._run(training, self._trainer.train(training))

    def _run(self, training: Training, work: Coroutine[Any, Any, Trained]) -> _Running:
        running = _Running(training, asyncio.create_task(work))
        self._running[training.job.id] = running
        running.task.add_done_callback(lambda _: self._ended(running))
        return running

    def _ended(self, running: _Running) -> None:
        training = running.training
        self._running.pop(training.job.id, None)
        self._queue.wake()
        if not running.task.cancelled():
            running.task.exception()  # marks it as seen: it is in the job's record, and may have no waiter
        elif training.cancelled:
            training.job.cancel(training.cancelled)
        elif running.asynchronous:
            training.job.release()  # it stays in the queue
        else:
            training.job.fail(_not_started(training).sentence)
        if running.asynchronous:
            record = training.job.record
            facts = training.call.facts
            fields = {**facts.known(), "job": record.id, "phases": facts.phases or None}
            outcome = TAKEN if training.job.taken else record.state
            logs.event("job", outcome=outcome, message=record.message, **fields)

    async def _submit(self, request: Request, name: ModelName, source: Source, call: Call) -> Submitted:
        if self._trainer.places is not None:
            await self._trainer.places.check(name.algorithm, request.parameters)
        code = await asyncio.to_thread(code_hash, source, self._settings.paths)
        submission = await asyncio.to_thread(Submission.of, request, code)
        async with self._submitting:
            unfinished = [each for each in await asyncio.to_thread(self._jobs.unfinished) if each.asynchronous]
            if known := next((each for each in unfinished if each.fingerprint == submission.fingerprint), None):
                call.facts.job = known.id
                return Submitted(known.id, name, known.state)
            await self._room.check_queue(call.actor.owner, unfinished, name.algorithm, imports_of(source))
            given = request.parameters
            job = await asyncio.to_thread(self._jobs.submit, name, given, submission, call.id, call.actor)
            call.facts.job = job.id
        self._queue.wake()
        return Submitted(job.id, name)

    # ------------------------------------------------------------ upkeep

    async def upkeep(self) -> None:
        """Run the periodic tasks, until cancelled."""
        await asyncio.gather(
            self._every(FLUSH_SECONDS, "flush", self._jobs.flush),
            self._every(FLUSH_SECONDS, "cancel", self._cancel_asked),
            self._every(TOUCH_SECONDS, "touch", self._touch),
            self._queue.run(),
            self._prune_often(),
        )

    async def _every(self, seconds: float, task: str, work: Callable[[], None]) -> None:
        """Call `work` at once and then every `seconds`, until cancelled; log what it raises."""
        while True:
            with self._failures.logged(task):
                work()
            await asyncio.sleep(seconds)

    def _touch(self) -> None:
        """Keep records and reservations fresh, so that no other server takes them for abandoned.

        A fit that another server has taken nevertheless ends here.
        """
        self._jobs.touch()
        self._trainer.touch()
        for running in self._running.values():
            if running.training.job.taken:
                running.task.cancel()

    def _cancel_asked(self) -> None:
        """Cancel jobs that another server or the command line marked for it on disk."""
        for job in list(self._running):
            if self._jobs.to_be_cancelled(job):
                with contextlib.suppress(JobUnknown, NotCancellable):
                    self.cancel(job)

    async def _prune_often(self) -> None:
        while True:
            with self._failures.logged("prune"):
                await asyncio.to_thread(self._jobs.prune)
            await asyncio.sleep(PRUNE_SECONDS)

    def leave_queue(self) -> None:
        """Take no more asynchronous fits: another server, or the next one, does."""
        self._queue.closing = True

    async def close(self, deadline: float) -> None:
        """Give running fits until `deadline`; asynchronous ones then go back into the queue.

        `deadline` is a time of `time.monotonic`.
        """
        self.leave_queue()
        for running in self._running.values():
            if running.training.call.waiting:
                running.task.cancel()
        tasks = [running.task for running in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=max(deadline - time.monotonic(), 0))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def end_now(self) -> None:
        """End all running fits, as `close` does at its deadline."""
        for running in list(self._running.values()):
            running.task.cancel()


def code_hash(source: Source, paths: Paths) -> str:
    """Return the hash of a notebook's code and of the helpers beside it."""
    digest = hashlib.sha256(source.sha256.encode())
    for folder in (paths.helpers, paths.modules):
        for file in sorted(folder.glob("*.py")):
            with contextlib.suppress(OSError):  # removed meanwhile
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _not_started(training: Training) -> FitCancelled | ServerStops:
    """Return the error of a fit whose task was cancelled before it began to run."""
    job = training.job.id
    return FitCancelled(job, training.cancelled) if training.cancelled else ServerStops(job)
