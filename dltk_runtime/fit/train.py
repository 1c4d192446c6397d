"""Run one fit: lease a worker, reserve a version, commit it, decide on promotion."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dltk_runtime.apply.choice import AskedFields
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.errors import FULL_TEXTS, NOT_APPLIED, NotStored, StoreError
from dltk_runtime.fit.cards import MakeCard, no_card
from dltk_runtime.fit.ends import ended, to_its_end
from dltk_runtime.fit.facts import facts_of
from dltk_runtime.fit.promotion import Decision, Promoter
from dltk_runtime.fit.recorded import kept_notices, record_fit, recorded, stored_anyway
from dltk_runtime.fit.training import Committed, Trained, Training, begins, printed_to, reporter
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import WorkerDied, deaths_reported, expect, failed, report_of
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Listener, Worker
from dltk_runtime.store import figures
from dltk_runtime.store.asking import ask
from dltk_runtime.store.fields import change, last_fitted
from dltk_runtime.store.store import Facts, ModelStore, Reservation, Version
from dltk_runtime.tracking.interface import NoTracking, RunTracking
from dltk_runtime.worker.messages import Failed, Fit, Fitted

if TYPE_CHECKING:
    from dltk_runtime.cluster.places import FitPlaces

SETTING = "DLTK_FIT_TIMEOUT"


@dataclass(eq=False, kw_only=True)
class Trainer:
    """Runs fits. Each is a job; each that completes is a version.

    Attributes:
        timeout: seconds that a fit may take.
        texts: which texts of exceptions records keep (`DLTK_ERROR_TEXTS`).
        retries: how often an asynchronous fit is started again after the end of its server.
        refuse_unknown: whether a parameter that the notebook does not declare is an error.
        places: where fits run if not only here; None for a server without a cluster.
        on_decision: called with each committed version, the decision about it, and its job.
        on_gpu: called in a thread with the seconds that a fit held a GPU.
        tracking: makes a run for each fit.
        card: makes the model card of a version from its facts and its code.
        curves: folder for what fits report, as TensorBoard reads it; None for none.
    """

    store: ModelStore
    pool: Pool
    promotion: Promoter
    last: LastUsed
    timeout: float
    texts: str
    retries: int
    on_decision: Callable[[Version, Decision, JobRecord], None]
    on_gpu: Callable[[JobRecord, float], None]
    refuse_unknown: bool = False
    places: FitPlaces | None = None
    tracking: RunTracking = field(default_factory=NoTracking)
    card: MakeCard = no_card
    curves: Path | None = None
    reservations: set[Reservation] = field(default_factory=set)

    async def train(self, training: Training) -> Trained:
        """Fit, commit, promote.

        Raises:
            FitCancelled, ServerStops, JobTaken: it was ended.
            DltkError: it failed; the job's record has the traceback.
        """
        with ended(training, self.texts, self.retries):
            return await self._settle(await self._fit(training), training)

    async def finish(self, training: Training, number: int) -> Trained:
        """Promote the version that a fit committed before its server ended, and end its job.

        Raises:
            ServerStops, JobTaken: it was ended.
            DltkError: the fit's own apply failed, or the version cannot be read.
        """
        with ended(training, self.texts, self.retries):
            training.call.runs()
            training.committing = True
            training.job.committed(number)
            committed = await asyncio.to_thread(self._read, training, number)
            training.call.facts.rows = committed.rows
            return await self._settle(committed, training)

    def _read(self, training: Training, number: int) -> Committed:
        version = self.store.get(training.name, number)
        manifest = version.manifest()
        failure = None
        if (error := training.job.record.error) is not None:
            kind = "" if self.texts == FULL_TEXTS else error.sentence  # which is no more than that
            failure = AlgorithmFailed(NOT_APPLIED, error.sentence, error.traceback, error.coordinates, kind)
        return Committed(version, manifest.rows, version.description(), manifest.notices, failure)

    def touch(self) -> None:
        """Keep the reserved versions fresh, so that no replica removes them."""
        for reservation in list(self.reservations):
            with contextlib.suppress(OSError):  # a full disk must not end the fit
                reservation.touch()

    async def _fit(self, training: Training) -> Committed:
        """Run the fit in a fresh worker and commit what it saved; the worker is gone afterwards."""
        job, call, began = training.job, training.call, time.monotonic()
        name = training.name
        work = f"job {job.id} (fit of '{name.algorithm}' into '{name.model}')"
        with deaths_reported():
            listener = Listener(printed_to(training))
            async with self._worker(training, work, listener) as worker:
                call.runs()
                call.spent({"queue": time.monotonic() - began})
                job.start()
                worker.listen(replace(listener, phase=job.enter, progress=reporter(job)))
                with self._gpu_measured(training), self._reserved(name) as reservation:
                    await asyncio.to_thread(_record, job, reservation)
                    try:
                        fitted, results = await self._run(worker, training, reservation)
                    finally:
                        call.spent(worker.phases)
                    call.facts.rows = fitted.rows
                    return await self._commit(training, reservation, fitted, results)

    def _worker(self, training: Training, work: str, listener: Listener) -> AbstractAsyncContextManager[Worker]:
        algorithm, imports, background = training.name.algorithm, training.imports, training.call.background
        if self.places is None:
            return self.pool.fit_worker(algorithm, imports, work, listener, background=background)
        # A server without a cluster imports nothing of it.
        from dltk_runtime.cluster.placement import FitName
        from dltk_runtime.cluster.places import FitAsked

        parameters, patient = training.request.parameters, training.options.asynchronous
        keep = training.job.state_of_training if patient else None  # a search's fit is not begun again
        name = FitName(algorithm, training.name.model, training.job.id)
        asked = FitAsked(algorithm, parameters, imports, work, name, patient, background, keep)
        return self.places.fit_worker(asked, listener)

    async def _run(self, worker: Worker, training: Training, reservation: Reservation) -> tuple[Fitted, Payload]:
        variables = await self.tracking.begin(begins(training, reservation.number))
        message = Fit(
            algorithm=training.name.algorithm,
            load_name=reservation.location.load_name,
            folder=reservation.location.folder,
            kept_model=reservation.location.kept_model,
            meta=training.request.meta_json,
            device=worker.device,
            holdout=training.options.holdout,
            seen=reservation.location.seen,
            pictures=reservation.location.pictures,
            version_column=reservation.number if training.options.with_version else 0,
            refuse_unknown=self.refuse_unknown,
            curves=self._curves_of(training.name, reservation.number),
            variables=variables,
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

    def _curves_of(self, name: ModelName, number: int) -> str:
        return str(self.curves / name.folder / name.model / str(number)) if self.curves is not None else ""

    async def _commit(
        self, training: Training, reservation: Reservation, fitted: Fitted, results: Payload
    ) -> Committed:
        job, request = training.job, training.request
        job.enter("commit")
        training.committing = True
        failure = failed(fitted.apply_error) if fitted.apply_error is not None else None
        if failure is not None:  # whoever ends this job must know it
            job.failing(**recorded(failure, self.texts))
        kept = msgspec.structs.replace(fitted, notices=kept_notices(fitted.notices, self.texts))
        asked = AskedFields.of(request)
        facts = facts_of(
            kept,
            parameters=request.parameters,
            targets=request.targets,
            job=job.id,
            owner=job.record.owner,
            share=training.options.holdout,
            fields=asked.fields if asked else (),
            args=asked.args if asked else (),
        )
        if request.named:  # else Splunk keeps nothing of the fit by which a search could ask for the model
            training.before = await asyncio.to_thread(last_fitted, self.store, training.name.model)
        commit = asyncio.to_thread(self._store_version, training.name, reservation, facts, fitted)
        version = await to_its_end(commit, then=lambda: job.committed(reservation.number))
        return Committed(version, fitted.rows, fitted.description, fitted.notices, failure, results)

    def _store_version(self, name: ModelName, reservation: Reservation, facts: Facts, fitted: Fitted) -> Version:
        card = self.card(VersionId(name, reservation.number), facts, fitted.code)
        return reservation.commit(facts, fitted.code, fitted.description, card)

    async def _settle(self, committed: Committed, training: Training) -> Trained:
        """Decide about the version, remove old ones, end the job.

        Raises:
            AlgorithmFailed: the fit's own apply failed; the version is kept.
            JobTaken: another server does this.
        """
        job, version = training.job, committed.version
        job.enter("promote")
        job.check()
        async with stored_anyway(self.store, version, facts := training.call.facts):
            decision = await to_its_end(self._decide(committed, training))
            facts.promoted = decision.current
            self.on_decision(version, decision, job.record)
            await asyncio.to_thread(record_fit, self.store, version, job.record, current=decision.current)
        self.last.fitted(version.id, committed.description)
        with contextlib.suppress(StoreError):  # the version is decided about: what is left goes with the next fit
            await self._tidy(version.name)
        if (failure := committed.failure) is not None:
            sentence = f"{failure}. The model was fitted and saved nevertheless. {decision.text}"
            raise AlgorithmFailed(failure.opening, sentence, failure.traceback, failure.coordinates, failure.kind)
        changed = await ask(self.store, change, training.before, version, current=decision.current)
        warnings = (*training.options.warnings, *committed.notices, *filter(None, [changed]))
        measured = figures.sentence(await ask(self.store, version.manifest))
        trained = Trained(version.id, decision, committed.rows, committed.results, warnings, measured)
        job.succeed(
            rows=committed.rows,
            version=version.number,
            promoted=decision.current,
            message=trained.recorded(self.texts),
            comparison=decision.comparison,
        )
        return trained

    async def _decide(self, committed: Committed, training: Training) -> Decision:
        """Promote the version or not, unless a server that ended has done so."""
        version = committed.version
        if await asyncio.to_thread(self.store.was_promoted, version):
            current = (await ask(self.store, self.store.serving_or_0, version.name)).number
            what = "is now current" if current == version.number else f"was current before version {current}"
            return Decision(True, f"Version {version.number} of model '{version.name.model}' {what}.")
        failed_apply = committed.failure is not None
        return await self.promotion.settle(version, training.options, training.request, apply_failed=failed_apply)

    async def _tidy(self, name: ModelName) -> None:
        """End workers of versions that are no longer current, and remove the oldest versions."""
        serving, in_use = await ask(self.store, self.store.serving_or_0, name), self.pool.versions_in_use(name)
        used = {number for number in in_use if await ask(self.store, self.store.answers, name, number)}
        self.pool.retire(name, keep={serving.number} | used)
        await asyncio.to_thread(self.store.prune, name, self.pool.versions_in_use(name))

    @contextlib.contextmanager
    def _gpu_measured(self, training: Training) -> Iterator[None]:
        """Record for how long a fit held a GPU of its own."""
        began = time.monotonic()
        try:
            yield
        finally:
            if self.pool.waits_for_gpu(training.imports):
                seconds = time.monotonic() - began
                training.job.held_gpu(seconds)
                asyncio.get_running_loop().run_in_executor(None, self.on_gpu, training.job.record, seconds)

    @contextlib.contextmanager
    def _reserved(self, name: ModelName) -> Iterator[Reservation]:
        with self.store.reserve(name) as reservation:
            self.reservations.add(reservation)
            try:
                yield reservation
            finally:
                self.reservations.discard(reservation)


def _record(job: Job, reservation: Reservation) -> None:
    """Record the number before the fit can commit it: whoever takes the job up can then withdraw it."""
    try:
        job.reserve(reservation.number)
    except OSError as error:
        raise NotStored(f"The record of job {job.id} could not be written: {error}.") from error
