"""One fit from its place in the queue to its end: a fresh worker, a reserved version, its commit, its fate."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from dltk_runtime import logs
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.call import Call
from dltk_runtime.errors import DltkError
from dltk_runtime.fit.facts import facts_of
from dltk_runtime.fit.options import FitOptions
from dltk_runtime.fit.promotion import Decision, Promotion
from dltk_runtime.jobs.errors import FitCancelled, ServerStops
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.progress import PrintedProgress
from dltk_runtime.pool.outcome import WorkerDied, deaths_reported, expect, failed, report_of
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.process import Worker
from dltk_runtime.protocol import Request
from dltk_runtime.store.store import ModelName, ModelStore, Reservation, Version
from dltk_runtime.worker.messages import Failed, Fit, Fitted, Progress

SETTING = "DLTK_FIT_TIMEOUT"
Result = TypeVar("Result")


@dataclass(eq=False)
class Training:
    """One fit to do, and how far it is."""

    job: Job
    request: Request
    name: ModelName
    options: FitOptions
    imports: tuple[str, ...]
    call: Call
    cancelled: str = ""  # why somebody ended it
    committing: bool = False  # too late to be cancelled


@dataclass(frozen=True, slots=True)
class Trained:
    """What a fit answers: the message, and the results as a JSON string literal."""

    text: str
    results: bytes | memoryview


@dataclass(eq=False)
class Trainer:
    """Runs fits. Each is a job; each that comes to its end is a version."""

    store: ModelStore
    pool: Pool
    promotion: Promotion
    last: LastUsed
    timeout: float  # seconds
    on_decision: Callable[[Version, Decision, str], None]  # is told of each committed version, and the job it is of
    reservations: set[Reservation] = field(default_factory=set)

    async def train(self, training: Training, turn: AbstractAsyncContextManager[None]) -> Trained:
        """Fit, commit, promote, once it is the job's `turn`.

        Raises:
            FitCancelled, ServerStops: somebody ended it.
            DltkError: it failed; the job's record has the traceback.
        """
        with self._recorded(training):
            async with turn:
                return await self._train(training)

    async def _train(self, training: Training) -> Trained:
        version, fitted, results = await self._fit(training)
        text = await self._settle(version, fitted, training)
        return Trained(text, results)

    def touch(self) -> None:
        """Say that the reserved versions are still being made, so that no replica sweeps them away."""
        for reservation in list(self.reservations):
            with contextlib.suppress(OSError):  # a full disk must not end the fit
                reservation.touch()

    async def _fit(self, training: Training) -> tuple[Version, Fitted, bytes | memoryview]:
        """Run the fit in a fresh worker and commit what it saved; the worker is gone afterwards."""
        job, call, began = training.job, training.call, time.monotonic()
        with deaths_reported():
            async with self.pool.fit_worker(training.name.algorithm, training.imports, _sink(training)) as worker:
                call.waiting = False
                call.spent({"queue": time.monotonic() - began})
                job.start()
                worker.on_step, worker.on_progress = job.enter, _reporter(job)
                with self._reserved(training.name) as reservation:
                    try:
                        fitted, results = await self._run(worker, training, reservation)
                    finally:
                        call.spent(worker.phases)
                    call.facts["rows"] = fitted.rows
                    version = await self._commit(training, reservation, fitted)
        return version, fitted, results

    async def _run(
        self, worker: Worker, training: Training, reservation: Reservation
    ) -> tuple[Fitted, bytes | memoryview]:
        worker.work = f"job {training.job.id} (fit of '{training.name.algorithm}' into '{training.name.model}')"
        message = Fit(
            algorithm=training.name.algorithm,
            load_name=reservation.load_name,
            folder=str(reservation.folder),
            kept_model=str(reservation.kept_model),
            meta=training.request.meta_json,
            device=worker.device,
            holdout=training.options.holdout,
            version_column=reservation.number if training.options.with_version else 0,
            plain=training.request.plain,
        )
        deadline = time.monotonic() + self.timeout
        try:
            reply, results = await worker.call(message, training.request.data, deadline=deadline, setting=SETTING)
        except WorkerDied as error:
            if worker.saved is None:
                raise
            return msgspec.structs.replace(worker.saved, apply_error=report_of(error.death)), b""
        if isinstance(reply, Failed):
            raise failed(await self.pool.explained(reply.error, worker))
        fitted = expect(reply, Fitted)
        if fitted.apply_error is not None:
            explained = await self.pool.explained(fitted.apply_error, worker)
            fitted = msgspec.structs.replace(fitted, apply_error=explained)
        return fitted, results

    async def _commit(self, training: Training, reservation: Reservation, fitted: Fitted) -> Version:
        training.job.enter("commit")
        training.committing = True
        request = training.request
        facts = facts_of(fitted, parameters=request.parameters, targets=request.targets, job=training.job.id)
        return await to_its_end(asyncio.to_thread(reservation.commit, facts, fitted.code, fitted.description))

    async def _settle(self, version: Version, fitted: Fitted, training: Training) -> str:
        """Decide about the version, remove old ones, end the job; the text of the answer.

        Raises:
            AlgorithmFailed: the fit's own apply failed; the version is kept.
        """
        training.job.enter("promote")
        failed_apply = fitted.apply_error is not None
        settled = self.promotion.settle(version, training.options, training.request, apply_failed=failed_apply)
        decision = await to_its_end(settled)
        training.call.facts |= {"version": version.number, "promoted": decision.current}
        self.on_decision(version, decision, training.job.id)
        self.last.fitted(version.id, fitted.description)
        await self._tidy(version.name)
        if fitted.apply_error is not None:
            raise failed(fitted.apply_error, f"The model was fitted and saved nevertheless. {decision.text}")
        text = f"/fit done successfully. {decision.text}" + "".join(f" WARNING: {each}." for each in fitted.notices)
        training.job.succeed(rows=fitted.rows, version=version.number, promoted=decision.current, message=text)
        return text

    async def _tidy(self, name: ModelName) -> None:
        """End workers of versions that are no longer current, and remove the oldest versions."""
        self.pool.retire(name.algorithm, name.model, keep=self.store.serving(name).number)
        in_use = self.pool.versions_in_use(name.algorithm, name.model)
        await asyncio.to_thread(self.store.prune, name, in_use)

    @contextlib.contextmanager
    def _recorded(self, training: Training) -> Iterator[None]:
        """Keep the job's record true to the end, whatever ends it."""
        job, facts = training.job, training.call.facts
        try:
            yield
        except DltkError as error:
            job.fail(
                error.sentence,
                traceback=getattr(error, "traceback", ""),
                coordinates=getattr(error, "coordinates", ""),
                rows=facts.get("rows"),
                version=facts.get("version"),
                promoted=facts.get("promoted", False),
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
    """Await something that must not be left half done, also when the waiting task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _sink(training: Training) -> Callable[[bytes], None]:
    """Where printed text goes: the job's log, the server's log, and whoever reads progress out of it."""
    job = training.job
    printed = logs.PrintedLines(job=job.id, algorithm=training.name.algorithm, model=training.name.model)
    progress = PrintedProgress()

    def sink(text: bytes) -> None:
        job.write(text)
        printed.write(text)
        for found in progress.feed(text):
            job.progress(found.step, found.total, found.metrics, printed=True)

    return sink


def _reporter(job: Job) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        job.progress(progress.step, progress.total, progress.metrics)

    return report
