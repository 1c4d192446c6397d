"""Run an order: a job, attempts in fresh kernels, a version, its trial and its promotion."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime.apply import damage
from dltk_runtime.batch import document, task, trial
from dltk_runtime.batch.document import APPLY, FIT, RUN, Document
from dltk_runtime.batch.engine import Execution, execute
from dltk_runtime.batch.errors import BatchFailed, BatchInvalid
from dltk_runtime.batch.html import write_html
from dltk_runtime.batch.order import Order, Prepared, prepare
from dltk_runtime.batch.recording import recording
from dltk_runtime.batch.task import Report, Task
from dltk_runtime.batch.tracked import Tracked
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files.records import converted
from dltk_runtime.fit.cards import cards_of
from dltk_runtime.fit.facts import facts_of
from dltk_runtime.fit.recorded import kept_notices, record_fit, warned
from dltk_runtime.jobs.store import Job, JobStore
from dltk_runtime.lab import kernelspec
from dltk_runtime.names import VersionId, quoted
from dltk_runtime.notebook.source import pack, unpack
from dltk_runtime.scrub import Scrubber
from dltk_runtime.settings import Settings
from dltk_runtime.splunk import access
from dltk_runtime.store import figures
from dltk_runtime.store.handles import Location
from dltk_runtime.store.store import ModelStore, Reservation, Version
from dltk_runtime.tracking.interface import FitBegins
from dltk_runtime.worker.messages import Fitted

RETRY_SECONDS = 1.0  # before the second attempt; doubles for each further one


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run.

    `rows` is the number of rows of the results; `version` is None if nothing was fitted; `number`
    is the version that made the results, and `target` the column that it predicts.
    """

    job: str
    message: str
    executed: Path
    rows: int | None = None
    version: Version | None = None
    number: int = 0
    target: str | None = None


def run(order: Order, settings: Settings) -> Outcome:
    """Run a notebook on data.

    Raises:
        BatchFailed: a cell failed, the kernel died, the deadline passed or the job was cancelled;
            the executed notebook is kept.
        DltkError: as `prepare`, or the store raised it.
    """
    return _Run(prepare(order, settings.paths, settings.holdout), settings).to_its_end()


class _Run:
    """One prepared order while it runs."""

    def __init__(self, prepared: Prepared, settings: Settings) -> None:
        self._prepared = prepared
        self._order = prepared.order
        self._settings = settings
        self._texts = settings.error_texts
        self._paths = settings.paths
        self._store = ModelStore.open(self._paths, settings.keep_versions)
        self._tracked = Tracked(settings, self._store)
        self._jobs = JobStore(self._paths, settings.keep_jobs, settings.log_bytes, self._tracked.ended)
        self._scrubber = Scrubber([*prepared.secrets.values(), *settings.notebook_secret_texts()])
        self._ends = time.monotonic() + self._order.deadline
        self._batch = self._paths.home / "batch"
        self._warnings = [*prepared.warnings]

    def to_its_end(self) -> Outcome:
        for folder in (self._paths.models, self._paths.graphics, self._paths.staged):
            folder.mkdir(parents=True, exist_ok=True)
        job = self._jobs.create(self._prepared.name, self._prepared.texts)
        with self._tracked, recording(job, self._jobs, self._scrubber, self._texts):
            job.start()
            executed = (
                self._order.executed or self._batch / f"{quoted(self._prepared.source.name)}-{job.id}.ipynb"
            ).absolute()
            attempt = 0
            while True:
                try:
                    return self._attempt(job, executed)
                except BatchFailed as error:
                    self._wait_to_retry(job, attempt, error)
                    attempt += 1

    def _wait_to_retry(self, job: Job, attempt: int, error: BatchFailed) -> None:
        """Wait before the next attempt; raises `error` if there is none."""
        pause = RETRY_SECONDS * 2**attempt
        if not error.retry or attempt >= self._order.retries or time.monotonic() + pause >= self._ends:
            raise error
        job.write(f"{error.worded(self._texts)} Attempt {attempt + 2} follows.\n".encode())
        threading.Event().wait(pause)

    def _attempt(self, job: Job, executed: Path) -> Outcome:
        with contextlib.ExitStack() as ends:
            folder = self._batch / job.id
            ends.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fitting = self._order.mode != APPLY
            reserving = fitting and not self._prepared.plain
            reservation = ends.enter_context(self._store.reserve(self._prepared.name)) if reserving else None
            serving = self._serving(fitting)
            given = self._task(folder, reservation, serving)
            task.write(folder, task.TASK, given)
            descriptor = access.sealed(self._settings)
            ends.callback(access.close, descriptor)
            begun = self._begun(job, reservation) if reservation is not None else {}
            inherited = kernelspec.inherited({**os.environ, **begun}, descriptor)
            execution = self._execution(job, folder, executed, inherited)
            ends.callback(write_html, executed, self._order.html)
            execute(execution)
            execution.snapshot.unlink(missing_ok=True)
            report = self._without_secrets(task.read_report(folder))
            version = None
            if reservation is not None and report.fitted is not None:
                version = self._commit(reservation, report.fitted, report.targets, job)
        done = self._settle(job, given, report, version, serving.number, executed)
        number = version.number if version else serving.number
        return Outcome(job.id, done, executed, report.results, version, number, next(iter(given.targets), None))

    def _without_secrets(self, report: Report) -> Report:
        """Return the report without secrets that the notebook's functions have returned."""
        if not self._scrubber:
            return report
        return converted(self._scrubber.value(msgspec.to_builtins(report, builtin_types=(bytes,))), Report)

    # ------------------------------------------------------------ before

    def _serving(self, fitting: bool) -> Version:
        """Return the current version, or as the service does another where it is damaged; a fit needs none.

        Raises:
            StoreError: nothing can serve the model, although versions were committed.
        """
        name = self._prepared.name
        try:
            serving = damage.serving(self._store, name, hashes=self._order.mode != FIT)
        except StoreDamaged:
            if not fitting:
                raise
            return self._store.serving_or_0(name)
        if not fitting:
            if serving.version.number == 0:
                self._store.check_absence(name)
            self._warnings = [*self._prepared.warnings, *filter(None, [damage.warning(serving)])]
        return serving.version

    def _task(self, folder: Path, reservation: Reservation | None, serving: Version) -> Task:
        """Make the kernel's task; `serving` is the current version.

        Raises:
            BatchInvalid: the model to be applied was never fitted.
        """
        order, name = self._order, self._prepared.name
        manifest = serving.manifest() if serving.number else None
        if order.mode == APPLY and manifest is None and not self._store.has_legacy(name):
            raise BatchInvalid(f"No fit of {name.algorithm!r} into {name.model!r} was committed. Fit it first: --fit.")
        features = order.features
        targets: tuple[str, ...] = (order.target,) if order.target else ()
        if order.mode == APPLY and manifest is not None:
            targets = targets or tuple(manifest.targets)
            known = tuple(each.name for each in manifest.features if each.name not in targets)
            features = features or known
        save, load = reservation.location if reservation else Location(""), serving.location()
        return Task(
            folder=str(folder),
            data=str(self._prepared.data or ""),
            plain=self._prepared.plain,
            keep=order.keep,
            algorithm=name.algorithm,
            model=name.model,
            applying=order.mode == APPLY,
            alone=order.mode != RUN,
            staged_meta=str(self._prepared.staged_meta or ""),
            parameters=self._prepared.texts,
            declared=self._prepared.source.parameters is not None,
            features=features,
            targets=targets,
            holdout=self._prepared.options.holdout,
            out=str(order.out.absolute()) if order.out else "",
            save_name=save.load_name,
            version_folder=save.folder,
            keep_model_at=save.kept_model,
            seen=save.seen,
            pictures=save.pictures if order.mode == FIT else "",
            load_name=load.load_name,
            kept_model=load.kept_model,
        )

    def _begun(self, job: Job, reservation: Reservation) -> dict[str, str]:
        """Make a run at the tracking server; return variables for the kernel."""
        target = [self._order.target] if self._order.target else []
        return self._tracked.begin(FitBegins(job.record, reservation.number, target, self._order.features), self._jobs)

    def _execution(self, job: Job, folder: Path, executed: Path, inherited: Mapping[str, Any]) -> Execution:
        order, source = self._order, self._prepared.source
        facts = {"data": str(self._prepared.data or ""), "mode": order.mode, "parameters": self._prepared.texts}
        snapshot = self._batch / "resume" / f"{hashlib.sha256(str(executed).encode()).hexdigest()[:32]}.pickle"
        return Execution(
            document=self._document(job, executed, snapshot, facts),
            name=source.path,
            folder=folder,
            output=executed,
            parameters={**self._prepared.values, **{name: order.parameters[name] for name in self._prepared.secrets}},
            secrets=self._prepared.secrets,
            scrubber=self._scrubber,
            kernels=kernelspec.install(self._paths) / "kernels",
            inherited=inherited,
            cwd=Path(source.origin).parent,
            ends=self._ends,
            deadline=order.deadline,
            snapshot=snapshot,
            facts=facts,
            phase=job.phase,
            progress=lambda done, total: job.progress(done, total, {}),
            log=lambda text: job.write(text.encode("utf-8", "replace")),
            may_exit=order.mode == RUN,
            cancelled=lambda: self._jobs.to_be_cancelled(job.id),
        )

    def _document(self, job: Job, executed: Path, snapshot: Path, facts: dict[str, Any]) -> Document:
        made = document.build(self._prepared.source, self._order.mode)
        if not self._order.resume:
            return made
        made, why = document.resumed(made, executed, snapshot, facts)
        job.write(f"{why}\n".encode())
        return made

    # ------------------------------------------------------------ after

    def _commit(self, reservation: Reservation, fitted: Fitted, targets: Sequence[str], job: Job) -> Version:
        """Commit the fitted model as a version."""
        job.phase("commit")
        code = pack([self._prepared.source, *unpack(fitted.code)])
        fitted = msgspec.structs.replace(fitted, code=code, notices=kept_notices(fitted.notices, self._texts))
        share = self._prepared.options.holdout if self._order.mode == FIT else 0.0
        facts = facts_of(fitted, parameters=self._prepared.texts, targets=targets, job=job.id, share=share)
        card = cards_of(self._settings)(VersionId(self._prepared.name, reservation.number), facts, fitted.code)
        return reservation.commit(facts, fitted.code, fitted.description, card)

    def _settle(
        self, job: Job, given: Task, report: Report, version: Version | None, applied: int, executed: Path
    ) -> str:
        """Try the version, promote it if it can be loaded, and end the job; returns the message."""
        done = kept = f"{self._prepared.source.path} ran to its end."
        done += warned(self._warnings)
        promoted = False
        if version is not None and report.fitted is not None:
            job.phase("promote")
            request = trial.held_out(self._prepared, given, report.fitted)
            options, settings = self._prepared.options, self._settings
            deciding = trial.decide(version, request, options, settings=settings, store=self._store, jobs=self._jobs)
            decision = asyncio.run(deciding)
            record_fit(self._store, version, job.record, current=decision.current)
            self._tracked.committed(version, decision, job.id, executed)
            self._store.prune(version.name)
            notices = kept_notices(report.fitted.notices, self._texts)
            measured = figures.sentence(version.manifest())
            measured = f" Metrics: {measured}." if measured else ""
            kept = f"{done} {decision.for_records}{measured}{warned(notices)}"
            promoted, done = decision.current, f"{done} {decision.text}{measured}{warned(report.fitted.notices)}"
        rows = report.fitted.rows if report.fitted else report.results or 0
        job.succeed(rows=rows, version=version.number if version else applied, promoted=promoted, message=kept)
        return done
