"""Every fit is a job: a search waits for it, or (`mode=async`) is told its name at once.

::

    /fit ──> checked ──> job ──┬─ sync ──> Trainer.train ──> the answer
                               └─ async ─> queue on disk ──> Trainer.train
                                           "submitted"       (this server, or the next one)
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from dataclasses import dataclass

from dltk_runtime import logs
from dltk_runtime.apply.apply import imports_of
from dltk_runtime.call import Call, Pieces
from dltk_runtime.errors import AlgorithmMissing, DltkError
from dltk_runtime.fit.options import FitOptions, fit_options
from dltk_runtime.fit.train import Trained, Trainer, Training
from dltk_runtime.jobs.errors import FitCancelled, JobUnknown, NotCancellable, QueueFull, ServerStops
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.store import TOUCH_EVERY, Job, JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.source import Source, read_source
from dltk_runtime.paths import Paths
from dltk_runtime.protocol import Request, answer, request_of
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelName

LOOK_EVERY = 0.5  # seconds between two notes of the steps of fits, and looks for words left by other servers
ASKED = "somebody asked for its end."
LEFT = "the search that waited for it hung up before it began."
HUNG_UP = "the search that waited for it hung up, and DLTK_HANGUP is cancel."


@dataclass(frozen=True, slots=True)
class _Running:
    training: Training
    task: asyncio.Task[Trained]


class Fitting:
    """The fits of one server."""

    def __init__(self, settings: Settings, jobs: JobStore, trainer: Trainer) -> None:
        self._settings = settings
        self._jobs = jobs
        self._trainer = trainer
        self._running: dict[str, _Running] = {}
        self._submitting = asyncio.Lock()
        self._closing = False
        # An asynchronous fit never takes the last place: dashboards fit too, and wait for the answer.
        self._async_slots = asyncio.Semaphore(max(settings.fit_slots - 1, 1))

    async def fit(self, request: Request, call: Call) -> Pieces:
        """Fit, and answer with the fit's own results or, asynchronously, with the name of its job.

        Raises:
            DltkError: with the sentence for the search.
        """
        if request.algorithm is None:
            raise AlgorithmMissing(None)
        name = ModelName(request.algorithm, request.model)
        call.facts |= {"algorithm": name.algorithm, "model": name.model}
        options = fit_options(request.parameters)
        source = read_source(algorithm.find(name.algorithm, self._settings.paths))
        if options.asynchronous:
            return await self._submit(request, name, options, source, call)
        job = self._jobs.create(name, request.parameters, call.id)
        call.facts["job"] = job.id
        training = Training(job, request, name, options, imports_of(source), call)
        trained = await self._wait_for(self._begin(training))
        return answer("success", trained.text, [trained.results])

    def hung_up(self, call: Call) -> None:
        """The client of a running fit is gone: the fit goes on, unless the setting says otherwise."""
        if self._settings.hangup == "cancel" and "job" in call.facts:
            with contextlib.suppress(DltkError):
                self.cancel(call.facts["job"], HUNG_UP)

    def cancel(self, job: str, why: str = ASKED) -> None:
        """End a job, here or on whichever server runs it.

        Raises:
            JobUnknown: there is none of that id.
            NotCancellable: it has ended, or its model is being stored.
        """
        running = self._running.get(job)
        if running is None:
            self._jobs.ask_to_cancel(job)
        elif running.training.committing:
            raise NotCancellable(job, "is storing its model")
        else:
            running.training.cancelled = why
            running.task.cancel()

    async def _wait_for(self, running: _Running) -> Trained:
        try:
            return await asyncio.shield(running.task)
        except asyncio.CancelledError:
            if running.task.cancelled():
                raise _unbegun(running.training) from None
            if running.training.call.waiting and not running.task.done():
                running.training.cancelled = LEFT
                running.task.cancel()
            raise

    def _begin(self, training: Training) -> _Running:
        on_gpu = self._trainer.pool.devices.wanted_by(training.imports)  # there they all wait for a device, in one line
        turn = self._async_slots if training.options.asynchronous and not on_gpu else contextlib.nullcontext()
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
            running.task.exception()  # the job's record has it; nobody may be waiting
        elif training.cancelled:
            training.job.cancel(training.cancelled)
        elif training.options.asynchronous:
            training.job.release()  # it stays queued, for the next server
        else:
            training.job.fail(_unbegun(training).sentence)
        if training.options.asynchronous:
            record = training.job.record
            logs.event("job", job=record.id, outcome=record.state, message=record.message, **training.call.facts)

    async def _submit(
        self, request: Request, name: ModelName, options: FitOptions, source: Source, call: Call
    ) -> Pieces:
        code = code_hash(source, self._settings.paths)
        submission = await asyncio.to_thread(Submission.of, request, code)
        async with self._submitting:
            if known := await asyncio.to_thread(self._jobs.unfinished, submission.fingerprint):
                call.facts["job"] = known.id
                return answer("submitted", _submitted(known.id, name, f"was submitted before and is {known.state}"))
            waiting = sum(
                each.training.call.waiting for each in self._running.values() if each.training.options.asynchronous
            )
            if waiting >= self._settings.max_queued:
                raise QueueFull(waiting)
            job = await asyncio.to_thread(self._jobs.create, name, request.parameters, call.id, submission)
            call.facts["job"] = job.id
            self._begin_or_leave(Training(job, request, name, options, imports_of(source), Call(call.id, "job")))
        return answer("submitted", _submitted(job.id, name, "is queued"))

    async def _adopt(self) -> None:
        """Begin the jobs that a server left queued when it ended."""
        for record in reversed(await asyncio.to_thread(self._jobs.list)):
            if record.state is State.QUEUED and record.asynchronous and record.id not in self._running:
                adopted = await asyncio.to_thread(self._jobs.adopt, record.id)
                if adopted is not None:
                    self._begin_adopted(*adopted)

    def _begin_adopted(self, job: Job, submission: Submission) -> None:
        try:
            request = request_of(submission.data, submission.meta, plain=submission.plain)
            name = ModelName(job.record.algorithm, job.record.model)
            source = read_source(algorithm.find(name.algorithm, self._settings.paths))
            options = fit_options(request.parameters)
        except DltkError as error:
            job.fail(error.sentence)
            return
        call = Call(job.record.request, "job")
        self._begin_or_leave(Training(job, request, name, options, imports_of(source), call))

    async def upkeep(self) -> None:
        """Run what earlier servers left queued, keep the records of running fits fresh, heed words left on disk."""
        rounds = 0
        while True:
            self._jobs.flush()
            if rounds % round(TOUCH_EVERY / LOOK_EVERY) == 0:
                self._jobs.touch()
                self._trainer.touch()
                if not self._closing:  # what it has just left to the next server would come back
                    await self._adopt()
            for job in list(self._running):
                if self._jobs.to_be_cancelled(job):
                    with contextlib.suppress(JobUnknown, NotCancellable):
                        self.cancel(job)
            rounds += 1
            await asyncio.sleep(LOOK_EVERY)

    async def close(self, deadline: float) -> None:
        """Give running fits until `deadline` (of `time.monotonic`); what is queued waits for the next server."""
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
    """The hash of a notebook's code and of the helpers beside it."""
    digest = hashlib.sha256(source.sha256.encode())
    for folder in (paths.helpers, paths.modules):
        for file in sorted(folder.glob("*.py")):
            with contextlib.suppress(OSError):  # gone this moment
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _unbegun(training: Training) -> FitCancelled | ServerStops:
    """The error of a fit whose task was cancelled before its first step, so that nothing of it has run."""
    job = training.job.id
    return FitCancelled(job, training.cancelled) if training.cancelled else ServerStops(job)


def _submitted(job: str, name: ModelName, state: str) -> str:
    return (
        f"/fit submitted: job {job} {state}. Follow it with 'dltk jobs watch {job}'; "
        f"'| apply {name.model}' works as soon as the model has a version."
    )
