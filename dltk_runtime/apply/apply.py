"""The way of one apply: find the current version, lease the worker that serves it, load if need be, apply."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from dltk_runtime import errors, logs
from dltk_runtime.apply import mismatch
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.call import Call, Pieces
from dltk_runtime.errors import AlgorithmMissing, DltkError, OptionInvalid
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import Key
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.notebook.parameters import wants_version
from dltk_runtime.notebook.source import Source, read_source, slow_imports, unpack
from dltk_runtime.pool.outcome import WorkerDied, deaths_reported, expect, failed
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.process import Sink, Worker, discard
from dltk_runtime.protocol import Request, answer
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelName, ModelStore, Version
from dltk_runtime.worker.messages import (
    Applied,
    Apply,
    Counts,
    ErrorReport,
    Failed,
    FeatureKind,
    Load,
    Loaded,
    Score,
    Scored,
)

SETTING = "DLTK_APPLY_TIMEOUT"
UNSEEN = "send"  # the step in which a worker has not yet seen the request: it ran nothing, so another one may
Result = TypeVar("Result")
TRIES = 3  # workers that may be found dead, one after another


class Applying:
    """Applies models; nothing is written."""

    def __init__(
        self, settings: Settings, store: ModelStore, jobs: JobStore, pool: Pool, last: LastUsed, drift: Drift
    ) -> None:
        self._paths = settings.paths
        self._timeout = settings.apply_timeout
        self._refuse_missing = settings.refuse_missing
        self._store = store
        self._jobs = jobs
        self._pool = pool
        self._last = last
        self._drift = drift
        self._later = mismatch.LaterFits(store)

    async def apply(self, request: Request, call: Call) -> Pieces:
        """The answer with the results of the model's current version.

        Raises:
            DltkError: with the sentence for the search.
        """
        name = ModelName(await self._algorithm_of(request), request.model)
        version = self._store.serving(name)
        call.facts |= {"algorithm": name.algorithm, "model": name.model, "version": version.number}
        if version.number == 0:
            algorithm.find(name.algorithm, self._paths)  # there is no kept code to go on with
        with deaths_reported():
            return await _unless_unseen(lambda: self._apply(request, version, call))

    async def _apply(self, request: Request, version: Version, call: Call) -> Pieces:
        name = version.name
        printed = logs.PrintedLines(request=call.id, algorithm=name.algorithm, model=name.model)
        deadline = time.monotonic() + self._timeout
        # All that needs no worker comes first: while one is leased, other requests wait for it.
        message = Apply(
            meta=request.meta_json,
            version_column=version.number if wants_version(request.parameters) else 0,
            refuse_missing=self._refuse_missing,
            plain=request.plain,
        )
        other = mismatch.of_features(request, version) or await self._later.warning(version)
        rows = call.rows
        async with self.loaded(version, printed.write, deadline, call) as (worker, loaded):
            if rows is not None and (number := rows.number_for(worker)):
                message = msgspec.structs.replace(message, ahead=number)
            self._last.applied(key_of(version))
            drifts = self._drift.warning(key_of(version))  # by the requests before, not by this one
            try:
                reply, results = await worker.call(message, request.data, deadline=deadline, setting=SETTING)
            finally:
                call.spent(worker.phases)
            if isinstance(reply, Failed):
                error = await self._pool.explained(reply.error, worker)
                raise failed(error, f"Mind that {other}." if other else "")
            applied = expect(reply, Applied)
            call.facts["rows"] = applied.rows
            if rows is not None:
                rows.applied(key_of(version), in_vain=applied.in_vain)
            if message.ahead:
                call.facts["read_ahead"] = not applied.in_vain
        text = "/apply done successfully"
        if loaded.notice:
            kept = f"the code kept in version {version.number} was used; the notebook's fails: {loaded.notice}"
            text = f"{text}. WARNING: {kept}"
        if notices := [*applied.notices, *filter(None, [other, drifts])]:
            text = f"{text}. WARNING: {'; '.join(notices)}"
        return answer("success", text, [results])

    async def score(self, version: Version, request: Request, holdout: float) -> Scored:
        """How a stored model does on the held-out rows of a fit's request.

        Raises:
            DltkError: it cannot be loaded or applied, or the request has no target.
        """
        if not request.targets:
            raise OptionInvalid("holdout", str(holdout), "left out in a search without a target")
        deadline = time.monotonic() + self._timeout
        message = Score(request.meta_json, holdout, request.targets[0], request.plain)
        with deaths_reported():
            async with self.loaded(version, discard, deadline) as (worker, _):
                reply, _ = await worker.call(message, request.data, deadline=deadline, setting=SETTING)
        return expect(reply, Scored)

    async def trial(self, version: Version) -> str:
        """Load a stored model in a worker, as the next apply will; what went wrong, or nothing."""
        try:
            with deaths_reported():
                await _unless_unseen(lambda: self._load_only(version))
        except DltkError as error:
            return error.sentence
        return ""

    async def _load_only(self, version: Version) -> None:
        async with self.loaded(version, discard, time.monotonic() + self._timeout):
            pass

    @contextlib.asynccontextmanager
    async def loaded(
        self, version: Version, sink: Sink, deadline: float, call: Call | None = None
    ) -> AsyncIterator[tuple[Worker, Loaded]]:
        """Lease the worker that serves `version`, with the model loaded.

        Raises:
            AlgorithmFailed: it cannot be loaded.
            Busy: no worker was free before `deadline`.
            WorkerDied: it ended while it loaded.
        """
        began = time.monotonic()
        wanted = call.rows.worker if call is not None and call.rows is not None else None
        imports = functools.partial(self._imports, version)
        async with self._pool.lease(key_of(version), imports, sink, deadline, wanted) as resident:
            worker = resident.the_worker
            if call is not None:
                call.waiting = False
                call.spent({"queue": time.monotonic() - began})
            if resident.loaded is None:
                resident.loaded = await self._load(worker, version, deadline)
                if call is not None:
                    call.spent(worker.phases)
                worker.on_counts = self._counting(version)
            yield worker, resident.loaded

    def _counting(self, version: Version) -> Callable[[Counts], None]:
        """Where the counts of the worker that serves `version` go."""
        features = version.manifest().features if version.number else []
        return lambda counts: self._drift.take(key_of(version), features, counts)

    async def _load(self, worker: Worker, version: Version, deadline: float) -> Loaded:
        worker.work = f"version {version.number} of model '{version.name.model}' of '{version.name.algorithm}'"
        message = _load_message(version, worker.device)
        reply, _ = await worker.call(message, deadline=deadline, setting=SETTING)
        if isinstance(reply, Failed):
            error = await self._pool.explained(reply.error, worker)
            if version.number or error.step != "load":
                raise failed(error)
            text = await asyncio.to_thread(self._never_fitted, version.name, error)
            raise AlgorithmFailed(errors.NOT_APPLIED, text, error.traceback)
        return expect(reply, Loaded)

    async def _algorithm_of(self, request: Request) -> str:
        """The search's algorithm, or the one last fitted into the model.

        Raises:
            AlgorithmMissing: neither is known.
        """
        if request.algorithm is not None:
            return request.algorithm
        known = algorithm.algorithms(self._paths)
        found = await asyncio.to_thread(self._store.algorithm_of, request.model, known)
        if found is None:
            raise AlgorithmMissing(request.model)
        return found

    def _never_fitted(self, name: ModelName, error: ErrorReport) -> str:
        """Why a model without a committed version cannot be applied, and what its user can do."""
        for job in self._jobs.list():
            if (job.algorithm, job.model) == (name.algorithm, name.model) and job.state in ("queued", "running"):
                return (
                    f"The model '{name.model}' has no version yet: job {job.id} is training it "
                    f"({job.how_far}). Apply it again later."
                )
        if other := mismatch.of_algorithm(name, self._store, algorithm.algorithms(self._paths)):
            return f"{other} load('{name.legacy}') failed: {error}."
        return (
            f"No fit of '{name.algorithm}' into '{name.model}' was committed, "
            f"and load('{name.legacy}') failed: {error}. "
            f"Fit it first: | fit MLTKContainer algo={name.algorithm} … into app:{name.model}"
        )

    def _imports(self, version: Version) -> tuple[str, ...]:
        """The heavy imports of the code that a worker is about to run."""
        try:
            return imports_of(read_source(algorithm.find(version.name.algorithm, self._paths)))
        except DltkError:
            with contextlib.suppress(DltkError, OSError):
                return imports_of(*unpack(version.code.read_bytes()))
            return ()


async def _unless_unseen(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Try again, a few times, when a worker turns out dead before it has seen anything of the request."""
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except WorkerDied as error:
            if error.death.step != UNSEEN:
                raise
    return await attempt()


def imports_of(*sources: Source) -> tuple[str, ...]:
    """The heavy imports of some code."""
    return slow_imports(*(cell.source for source in sources for cell in source.cells))


def key_of(version: Version) -> Key:
    """What the pool knows a version by."""
    return Key(version.name.algorithm, version.name.model, version.number)


def _load_message(version: Version, device: str) -> Load:
    if version.number == 0:
        return Load(algorithm=version.name.algorithm, load_name=version.load_name, device=device)
    manifest = version.manifest()
    return Load(
        algorithm=version.name.algorithm,
        load_name=version.load_name,
        device=device,
        code=str(version.code),
        kept_model=str(version.kept_model) if manifest.kept_by_runtime else "",
        targets=tuple(manifest.targets),
        features=tuple(
            FeatureKind(each.name, each.kind, each.baseline)
            for each in manifest.features
            if each.name not in manifest.targets
        ),
    )
