"""Every fit is a job: a search waits for it, or (`mode=async`) gets its id at once.

::

    /fit ──> checked ──> job ──┬─ sync ──> Trainer.train ──> Trained
                               └─ async ─> queue on disk ──> Trainer.train
                                           Submitted         (this server, or the next one)
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from dltk_runtime import logs
from dltk_runtime.apply.apply import imports_of
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import AlgorithmMissing, DltkError
from dltk_runtime.fit.options import FitOptions, fit_options
from dltk_runtime.fit.train import Trained, Trainer, Training
from dltk_runtime.jobs.errors import FitCancelled, JobUnknown, NotCancellable, QueueFull, ServerStops
from dltk_runtime.jobs.interface import TOUCH_SECONDS, JobRecords
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.reads import taken
from dltk_runtime.notebook.source import Source
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings

FLUSH_SECONDS = 0.5  # between two writes of the phases of running fits, and two looks for requests to cancel
REASON_ASKED = "somebody asked for its end."
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

    def __init__(self, settings: Settings, jobs: JobRecords, trainer: Trainer) -> None:
        self._settings = settings
        self._jobs = jobs
        self._trainer = trainer
        self._running: dict[str, _Running] = {}
        self._submitting = asyncio.Lock()
        self._closing = False
        self._failures = logs.RecurringFailures()
        # An asynchronous fit never takes the last turn: searches that wait for their fit need it.
        self._async_turns = asyncio.Semaphore(max(settings.fit_slots - 1, 1))

    async def fit(self, request: Request, call: Call) -> Trained | Submitted:
        """Fit and wait for the end or, asynchronously, submit the fit as a job.

        Raises:
            DltkError: with the sentence for the search.
        """
        if request.algorithm is None:
            raise AlgorithmMissing(None)
        name = ModelName(request.algorithm, request.model)
        call.facts.algorithm, call.facts.model = name.algorithm, name.model
        source = algorithm.source_of(name.algorithm, self._settings.paths)
        own, strict = taken(source, request.parameters), self._settings.refuse_unknown
        options = fit_options(request.parameters, own, refuse_unknown=strict)
        if options.asynchronous:
            return await self._submit(request, name, options, source, call)
        job = self._jobs.create(name, request.parameters, call.id)
        call.facts.job = job.id
        training = Training(job, request, name, options, imports_of(source), call)
        return await self._wait_for(self._begin(training))

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
        on_gpu = self._trainer.pool.waits_for_gpu(training.imports)  # there all fits wait for a device, in one line
        turn = self._async_turns if training.options.asynchronous and not on_gpu else contextlib.nullcontext()
        running = _Running(training, asyncio.create_task(self._trainer.train(training, turn)))
        self._running[training.job.id] = running
        running.task.add_done_callback(lambda _: self._ended(running))
        return running

    def _begin_or_leave(self, training: Training) -> None:
        """Begin an asynchronous fit; a server that stops leaves it queued, for the next one."""
        if self._closing:
            training.job.release()
        else:
            self._begin(training)

    def _ended(self, running: _Running) -> None:
        training = running.training
        self._running.pop(training.job.id, None)
        if not running.task.cancelled():
            running.task.exception()  # marks it as seen: it is in the job's record, and may have no waiter
        elif training.cancelled:
            training.job.cancel(training.cancelled)
        elif running.asynchronous:
            training.job.release()  # it stays queued, for the next server
        else:
            training.job.fail(_not_started(training).sentence)
        if running.asynchronous:
            record = training.job.record
            facts = training.call.facts
            fields = {**facts.known(), "job": record.id, "phases": facts.phases or None}
            logs.event("job", outcome=record.state, message=record.message, **fields)

    async def _submit(
        self, request: Request, name: ModelName, options: FitOptions, source: Source, call: Call
    ) -> Submitted:
        code = code_hash(source, self._settings.paths)
        submission = await asyncio.to_thread(Submission.of, request, code)
        async with self._submitting:
            if known := await asyncio.to_thread(self._jobs.unfinished, submission.fingerprint):
                call.facts.job = known.id
                return Submitted(known.id, name, known.state)
            waiting = sum(each.asynchronous and each.training.call.waiting for each in self._running.values())
            if waiting >= self._settings.max_queued:
                raise QueueFull(waiting)
            job = await asyncio.to_thread(self._jobs.create, name, request.parameters, call.id, submission)
            call.facts.job = job.id
            self._begin_or_leave(Training(job, request, name, options, imports_of(source), Call(call.id, "job")))
        return Submitted(job.id, name)

    # ------------------------------------------------------------ upkeep

    async def upkeep(self) -> None:
        """Run the periodic tasks, until cancelled."""
        await asyncio.gather(
            self._every(FLUSH_SECONDS, "flush", self._jobs.flush),
            self._every(FLUSH_SECONDS, "cancel", self._cancel_asked),
            self._every(TOUCH_SECONDS, "touch", self._touch),
            self._adopt_all(),
        )

    async def _every(self, seconds: float, task: str, work: Callable[[], None]) -> None:
        """Call `work` at once and then every `seconds`, until cancelled; log what it raises."""
        while True:
            with self._failures.logged(task):
                work()
            await asyncio.sleep(seconds)

    def _touch(self) -> None:
        """Keep records and reservations fresh, so that no other server takes them for abandoned."""
        self._jobs.touch()
        self._trainer.touch()

    def _cancel_asked(self) -> None:
        """Cancel jobs that another server or the command line marked for it on disk."""
        for job in list(self._running):
            if self._jobs.to_be_cancelled(job):
                with contextlib.suppress(JobUnknown, NotCancellable):
                    self.cancel(job)

    async def _adopt_all(self) -> None:
        while True:
            if not self._closing:  # otherwise a job just left to the next server would come back
                with self._failures.logged("adopt"):
                    await self._adopt()
            await asyncio.sleep(TOUCH_SECONDS)

    async def _adopt(self) -> None:
        """Begin the jobs that a server left queued when it ended."""
        for record in reversed(await asyncio.to_thread(self._jobs.list)):
            if record.state is State.QUEUED and record.asynchronous and record.id not in self._running:
                with self._failures.logged(f"adopt job {record.id}"):  # one bad folder must not hold up the others
                    adopted = await asyncio.to_thread(self._jobs.adopt, record.id)
                    if adopted is not None:
                        self._begin_adopted(*adopted)

    def _begin_adopted(self, job: Job, submission: Submission) -> None:
        try:
            request = Request.of(submission.rows, submission.meta)
            name = ModelName(job.record.algorithm, job.record.model)
            source = algorithm.source_of(name.algorithm, self._settings.paths)
            options = replace(fit_options(request.parameters, taken(source, request.parameters)), asynchronous=True)
        except DltkError as error:
            job.fail(error.sentence)
            return
        call = Call(job.record.request, "job")
        self._begin_or_leave(Training(job, request, name, options, imports_of(source), call))

    async def close(self, deadline: float) -> None:
        """Give running fits until `deadline`; queued ones wait for the next server.

        `deadline` is a time of `time.monotonic`.
        """
        self._closing = True
        for running in self._running.values():
            if running.training.call.waiting:
                running.task.cancel()
        tasks = [running.task for running in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=max(deadline - time.monotonic(), 0))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
