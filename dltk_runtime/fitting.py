"""The way of one fit: a job, a fresh worker, a reserved version, its commit, a trial in another worker, an answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Iterator

import msgspec

from dltk_runtime import algorithm, logs
from dltk_runtime.applying import Applying, imports_of, key_of
from dltk_runtime.calls import Call, Pieces, deaths_reported, expect, failed
from dltk_runtime.errors import AlgorithmMissing, DltkError
from dltk_runtime.jobs import TOUCH_EVERY, Job, JobStore
from dltk_runtime.last_used import LastUsed
from dltk_runtime.notebook import read_source, unpack
from dltk_runtime.protocol import Request, answer
from dltk_runtime.settings import Settings
from dltk_runtime.store import Facts, Feature, ModelName, ModelStore, Reservation, SourceHash, Version
from dltk_runtime.worker.messages import Fit, Fitted
from dltk_runtime.worker.pool import Pool
from dltk_runtime.worker.process import Worker

SETTING = "DLTK_FIT_TIMEOUT"


class Fitting:
    """Fits models. Each fit is a job; each that comes to its end is a version."""

    def __init__(
        self, settings: Settings, store: ModelStore, jobs: JobStore, pool: Pool, applying: Applying, last: LastUsed
    ) -> None:
        self._paths = settings.paths
        self._timeout = settings.fit_timeout
        self._store = store
        self._jobs = jobs
        self._pool = pool
        self._applying = applying
        self._last = last
        self._reservations: set[Reservation] = set()

    async def fit(self, request: Request, call: Call) -> Pieces:
        """Fit and answer with the fit's own results.

        Raises:
            DltkError: with the sentence for the search.
        """
        if request.algorithm is None:
            raise AlgorithmMissing(None)
        name = ModelName(request.algorithm, request.model)
        call.facts |= {"algorithm": name.algorithm, "model": name.model}
        imports = imports_of(read_source(algorithm.find(name.algorithm, self._paths)))
        job = self._jobs.create(name, request.parameters, call.id)
        call.facts["job"] = job.id
        with self._recorded(job, call):
            version, fitted, results = await self._train(request, name, job, imports, call)
            current, text = await self._settle(version, fitted, call)
            job.succeed(rows=fitted.rows, version=version.number, promoted=current, message=text)
        return answer("success", text, [results])

    async def _train(
        self, request: Request, name: ModelName, job: Job, imports: tuple[str, ...], call: Call
    ) -> tuple[Version, Fitted, bytes | memoryview]:
        """Run the fit in a fresh worker and commit what it saved; the worker is gone afterwards."""
        printed = logs.PrintedLines(job=job.id, algorithm=name.algorithm, model=name.model)

        def sink(text: bytes) -> None:
            job.write(text)
            printed.write(text)

        with deaths_reported():
            async with self._pool.fit_worker(name.algorithm, imports, sink) as worker:
                call.waiting = False
                job.start()
                worker.on_step = job.phase
                with self._reserved(name) as reservation:
                    try:
                        fitted, results = await self._run(worker, request, name, reservation)
                    finally:
                        call.facts["phases"] = worker.phases
                    call.facts["rows"] = fitted.rows
                    job.phase("commit")
                    version = await asyncio.to_thread(
                        reservation.commit, _facts(request, fitted, job.id), fitted.code, fitted.description
                    )
        return version, fitted, results

    async def _run(
        self, worker: Worker, request: Request, name: ModelName, reservation: Reservation
    ) -> tuple[Fitted, bytes | memoryview]:
        message = Fit(
            algorithm=name.algorithm,
            load_name=reservation.load_name,
            folder=str(reservation.folder),
            kept_model=str(reservation.kept_model),
            meta=request.meta_json,
        )
        deadline = time.monotonic() + self._timeout
        reply, results = await worker.call(message, request.data, deadline=deadline, setting=SETTING)
        return expect(reply, Fitted), results

    async def _settle(self, version: Version, fitted: Fitted, call: Call) -> tuple[bool, str]:
        """Try the version, make it current unless it failed, remove old ones.

        Returns:
            whether it is current, and the text of the answer.

        Raises:
            AlgorithmFailed: the fit's own apply failed; the version is kept.
        """
        trouble = "" if fitted.apply_error else await self._applying.trial(version)
        if trouble:
            await asyncio.to_thread(self._store.note, version, trouble)
        if trouble or fitted.apply_error:
            current = await asyncio.to_thread(self._store.promote_if_first, version)
        else:
            await asyncio.to_thread(self._store.promote, version)
            current = True
        call.facts |= {"version": version.number, "promoted": current}
        self._last.fitted(key_of(version), fitted.description)
        await self._tidy(version.name)
        fate = _fate(version, current, self._store.serving(version.name))
        if fitted.apply_error is not None:
            raise failed(fitted.apply_error, f"The model was fitted and saved nevertheless. {fate}")
        warnings = [*fitted.notices, *([f"the stored model cannot be used: {trouble}"] if trouble else [])]
        return current, f"/fit done successfully. {fate}" + "".join(f" WARNING: {each}." for each in warnings)

    async def _tidy(self, name: ModelName) -> None:
        """End workers of versions that are no longer current, and remove the oldest versions."""
        self._pool.retire(name.algorithm, name.model, keep=self._store.serving(name).number)
        in_use = self._pool.versions_in_use(name.algorithm, name.model)
        await asyncio.to_thread(self._store.prune, name, in_use)

    @contextlib.contextmanager
    def _recorded(self, job: Job, call: Call) -> Iterator[None]:
        """Keep the job's record true to the end, whatever ends it."""
        try:
            yield
        except DltkError as error:
            job.fail(
                error.sentence,
                traceback=getattr(error, "traceback", ""),
                coordinates=getattr(error, "coordinates", ""),
                rows=call.facts.get("rows"),
                version=call.facts.get("version"),
                promoted=call.facts.get("promoted", False),
            )
            raise
        except asyncio.CancelledError:
            job.fail("The server was stopped before the fit came to its end. Fit again.")
            raise
        except Exception as error:
            job.fail(f"Fault in the runtime: {error!r}", traceback=traceback.format_exc())
            raise

    @contextlib.contextmanager
    def _reserved(self, name: ModelName) -> Iterator[Reservation]:
        with self._store.reserve(name) as reservation:
            self._reservations.add(reservation)
            try:
                yield reservation
            finally:
                self._reservations.discard(reservation)

    async def keep_alive(self) -> None:
        """Touch running jobs and reserved versions for ever, so that no replica takes them for lost."""
        while True:
            await asyncio.sleep(TOUCH_EVERY)
            self._jobs.touch()
            for reservation in list(self._reservations):
                with contextlib.suppress(OSError):  # a full disk must not end the fit
                    reservation.touch()


def _facts(request: Request, fitted: Fitted, job: str) -> Facts:
    return Facts(
        sources=[SourceHash(each.name, each.path, each.sha256) for each in unpack(fitted.code)],
        parameters=request.parameters,
        targets=request.targets,
        features=[Feature(each.name, each.kind) for each in fitted.features],
        rows=fitted.rows,
        info=msgspec.json.decode(fitted.info),
        metrics=dict(fitted.metrics),
        libraries=fitted.libraries,
        job=job,
        kept_by_runtime=fitted.kept_by_runtime,
        notices=list(fitted.notices),
    )


def _fate(version: Version, current: bool, serving: Version) -> str:
    if current:
        return f"Version {version.number} of model '{version.name.model}' is now current."
    stored = f"Version {version.number} of model '{version.name.model}' is stored"
    return f"{stored}, but version {serving.number} stays current."
