"""Run one fit: lease a worker, reserve a version, commit it, decide on promotion."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import msgspec

from dltk_runtime import logs
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import FIT_DONE, DltkError
from dltk_runtime.fit.facts import facts_of
from dltk_runtime.fit.options import FitOptions
from dltk_runtime.fit.promotion import Decision, Promotion
from dltk_runtime.jobs.errors import FitCancelled, ServerStops
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.progress import PrintedProgress
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import WorkerDied, deaths_reported, expect, failed, report_of
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Listener, Worker
from dltk_runtime.store.store import ModelStore, Reservation, Version
from dltk_runtime.worker.messages import Failed, Fit, Fitted, Progress

SETTING = "DLTK_FIT_TIMEOUT"
Result = TypeVar("Result")


@dataclass(eq=False)
class Training:
    """One fit to run, and its state.

    Attributes:
        imports: heavy imports of the notebook.
        cancelled: the reason why it was cancelled, a sentence; empty if it was not.
        committing: whether it is too late to cancel it.
    """

    job: Job
    request: Request
    name: ModelName
    options: FitOptions
    imports: tuple[str, ...]
    call: Call
    cancelled: str = ""
    committing: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a fit. Warnings are sentences without a full stop."""

    version: VersionId
    decision: Decision
    rows: int
    results: Payload
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The message for the search, which the job's record keeps."""
        return f"{FIT_DONE}. {self.decision.text}" + "".join(f" WARNING: {each}." for each in self.warnings)


@dataclass(eq=False, kw_only=True)
class Trainer:
    """Runs fits. Each is a job; each that completes is a version.

    Attributes:
        timeout: seconds that a fit may take.
        refuse_unknown: whether a parameter that the notebook does not declare is an error.
        on_decision: called with each committed version, the decision about it, and its job's id.
    """

    store: ModelStore
    pool: Pool
    promotion: Promotion
    last: LastUsed
    timeout: float
    on_decision: Callable[[Version, Decision, str], None]
    refuse_unknown: bool = False
    reservations: set[Reservation] = field(default_factory=set)

    async def train(self, training: Training, turn: AbstractAsyncContextManager[None]) -> Trained:
        """Fit, commit, promote, once it is the job's `turn`.

        Raises:
            FitCancelled, ServerStops: it was ended.
            DltkError: it failed; the job's record has the traceback.
        """
        with self._recorded(training):
            async with turn:
                version, fitted, results = await self._fit(training)
                return await self._settle(version, fitted, results, training)

    def touch(self) -> None:
        """Keep the reserved versions fresh, so that no replica removes them."""
        for reservation in list(self.reservations):
            with contextlib.suppress(OSError):  # a full disk must not end the fit
                reservation.touch()

    async def _fit(self, training: Training) -> tuple[Version, Fitted, Payload]:
        """Run the fit in a fresh worker and commit what it saved; the worker is gone afterwards."""
        job, call, began = training.job, training.call, time.monotonic()
        name, imports = training.name, training.imports
        work = f"job {job.id} (fit of '{name.algorithm}' into '{name.model}')"
        with deaths_reported():
            listener = Listener(_output(training))
            async with self.pool.fit_worker(name.algorithm, imports, work, listener) as worker:
                call.runs()
                call.spent({"queue": time.monotonic() - began})
                job.start()
                worker.listen(replace(listener, phase=job.enter, progress=_reporter(job)))
                with self._reserved(name) as reservation:
                    try:
                        fitted, results = await self._run(worker, training, reservation)
                    finally:
                        call.spent(worker.phases)
                    call.facts.rows = fitted.rows
                    version = await self._commit(training, reservation, fitted)
        return version, fitted, results

    async def _run(self, worker: Worker, training: Training, reservation: Reservation) -> tuple[Fitted, Payload]:
        message = Fit(
            algorithm=training.name.algorithm,
            load_name=reservation.location.load_name,
            folder=reservation.location.folder,
            kept_model=reservation.location.kept_model,
            meta=training.request.meta_json,
            device=worker.device,
            holdout=training.options.holdout,
            version_column=reservation.number if training.options.with_version else 0,
            refuse_unknown=self.refuse_unknown,
        )
        deadline = time.monotonic() + self.timeout
        try:
            reply, results = await worker.call(message, training.request.rows, deadline=deadline, setting=SETTING)
        except WorkerDied as error:
            if error.saved is None:
                raise
            return msgspec.structs.replace(error.saved, apply_error=report_of(error.death)), NO_ROWS
        if isinstance(reply, Failed):
            raise failed(reply.error)
        return expect(reply, Fitted), results

    async def _commit(self, training: Training, reservation: Reservation, fitted: Fitted) -> Version:
        training.job.enter("commit")
        training.committing = True
        request = training.request
        facts = facts_of(fitted, parameters=request.parameters, targets=request.targets, job=training.job.id)
        return await to_its_end(asyncio.to_thread(reservation.commit, facts, fitted.code, fitted.description))

    async def _settle(self, version: Version, fitted: Fitted, results: Payload, training: Training) -> Trained:
        """Decide about the version, remove old ones, end the job.

        Raises:
            AlgorithmFailed: the fit's own apply failed; the version is kept.
        """
        training.job.enter("promote")
        failed_apply = fitted.apply_error is not None
        settled = self.promotion.settle(version, training.options, training.request, apply_failed=failed_apply)
        decision = await to_its_end(settled)
        facts = training.call.facts
        facts.version, facts.promoted = version.number, decision.current
        self.on_decision(version, decision, training.job.id)
        self.last.fitted(version.id, fitted.description)
        await self._tidy(version.name)
        if fitted.apply_error is not None:
            raise failed(fitted.apply_error, f"The model was fitted and saved nevertheless. {decision.text}")
        warnings = (*training.options.warnings, *fitted.notices)
        trained = Trained(version.id, decision, fitted.rows, results, warnings)
        training.job.succeed(
            rows=fitted.rows,
            version=version.number,
            promoted=decision.current,
            message=trained.text,
            comparison=decision.comparison,
        )
        return trained

    async def _tidy(self, name: ModelName) -> None:
        """End workers of versions that are no longer current, and remove the oldest versions."""
        self.pool.retire(name, keep=self.store.serving_or_0(name).number)
        await asyncio.to_thread(self.store.prune, name, self.pool.versions_in_use(name))

    @contextlib.contextmanager
    def _recorded(self, training: Training) -> Iterator[None]:
        """Record how the fit ends, whatever ends it."""
        job, facts = training.job, training.call.facts
        try:
            yield
        except DltkError as error:
            job.fail(
                error.sentence,
                traceback=getattr(error, "traceback", ""),
                coordinates=getattr(error, "coordinates", ""),
                rows=facts.rows,
                version=facts.version,
                promoted=facts.promoted or False,
            )
            raise
        except asyncio.CancelledError:
            if training.cancelled:
                job.cancel(training.cancelled)
                raise FitCancelled(job.id, training.cancelled) from None
            if training.call.waiting and training.options.asynchronous:
                raise  # it stays queued, for the next server
            stopped = ServerStops(job.id)
            job.fail(stopped.sentence)
            raise stopped from None
        except Exception as error:
            job.fail(f"Fault in the runtime: {error!r}", traceback=traceback.format_exc())
            raise

    @contextlib.contextmanager
    def _reserved(self, name: ModelName) -> Iterator[Reservation]:
        with self.store.reserve(name) as reservation:
            self.reservations.add(reservation)
            try:
                yield reservation
            finally:
                self.reservations.discard(reservation)


async def to_its_end(work: Awaitable[Result]) -> Result:
    """Await work that must be completed even if the waiting task is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _output(training: Training) -> Callable[[bytes], None]:
    """Return a callback that sends printed text to both logs and the progress reader."""
    job = training.job
    printed = logs.PrintedLines(job=job.id, algorithm=training.name.algorithm, model=training.name.model)
    progress = PrintedProgress()

    def output(text: bytes) -> None:
        job.write(text)
        printed.write(text)
        for found in progress.feed(text):
            job.progress(found.step, found.total, found.metrics, printed=True)

    return output


def _reporter(job: Job) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        job.progress(progress.step, progress.total, progress.metrics)

    return report
