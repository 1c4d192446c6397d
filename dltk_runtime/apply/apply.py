"""Apply a model: find the current version, lease its worker, load it if needed, apply."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from dltk_runtime import errors, logs
from dltk_runtime.access.holder import Right
from dltk_runtime.apply import damage, loading, mismatch
from dltk_runtime.apply.choice import Choosing, FieldsUnknown
from dltk_runtime.apply.door import door_of
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.joining import SETTING, Joined, Joining
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import AlgorithmMissing, DltkError, StoreError
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.errors import NeverFitted, place_of
from dltk_runtime.notebook.parameters import wants_version
from dltk_runtime.notebook.reads import takes
from dltk_runtime.payload import Payload
from dltk_runtime.pool.follower import Follower
from dltk_runtime.pool.following import Following, Moved, may_follow
from dltk_runtime.pool.outcome import deaths_reported, expect, failed, retry_unsent
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.resident import Resident
from dltk_runtime.pool.worker import Listener, Worker, discard
from dltk_runtime.settings import Settings
from dltk_runtime.store.asking import ask
from dltk_runtime.store.store import ModelStore, Serving, Version
from dltk_runtime.worker import messages

MAX_DAMAGED = 3  # versions that a request finds damaged, before the one that must answer
Output = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Applied:
    """The result of an apply. Warnings are sentences without a full stop."""

    version: VersionId
    rows: int  # received
    results: Payload
    warnings: tuple[str, ...] = ()


class Applying:
    """Applies models; writes nothing."""

    def __init__(
        self, *, settings: Settings, store: ModelStore, jobs: JobRecords, pool: Pool, last: LastUsed, drift: Drift
    ) -> None:
        self._paths, self._max_body = settings.paths, settings.max_body
        self._timeout = settings.apply_timeout
        self._refuse_missing = settings.refuse_missing
        self._pins_code = settings.pins_code
        self._store = store
        self._jobs = jobs
        self._pool = pool
        self._last = last
        self._drift = drift
        self._choosing = Choosing(store)
        self._later = mismatch.LaterFits(store)
        self._joining = Joining(self.loaded, pool.join)

    async def apply(self, request: Request, call: Call, upload: Upload | None = None) -> Applied:
        """Apply the model's current version; `upload` is how the rows came, if they were large.

        Raises:
            DltkError: with the sentence for the search.
        """
        name = ModelName(await self._algorithm_of(request), request.model)
        call.facts.algorithm, call.facts.model = name.algorithm, name.model
        call.holder.check(Right.APPLY, name)
        with deaths_reported():
            return await retry_unsent(lambda: self._apply_whole(name, request, call, upload))

    async def _apply_whole(self, name: ModelName, request: Request, call: Call, upload: Upload | None) -> Applied:
        """Apply the version that serves, or another if a worker finds its files damaged."""
        loaded: Collection[int] = self._pool.versions_in_use(name)
        for _ in range(MAX_DAMAGED):
            with contextlib.suppress(damage.DamagedWhenLoaded):
                chosen = await ask(self._store, self._serving, name, request, call, loaded)
                return await self._apply(request, *chosen, call, upload)
            loaded = ()  # a worker may have the damaged version, or be about to load it: rely on the files alone
        return await self._apply(request, *await ask(self._store, self._serving, name, request, call, ()), call, upload)

    def _serving(self, name: ModelName, request: Request, call: Call, loaded: Collection[int]) -> tuple[Serving, str]:
        """Return the version that answers, with a warning if it is not the current one.

        The files of `loaded` versions are not checked. Damage is noted in the call's facts.

        Raises:
            FieldsUnknown: no promoted version has the request's fields.
            StoreError: nothing can serve it, although versions were committed.
            NotebookError: nothing was committed, and there is no notebook either.
        """
        try:
            serving, instead = self._choosing.choose(name, request, loaded)
            if serving.version.number == 0:
                self._store.check_absence(name)
        except StoreError as error:
            if not isinstance(error, FieldsUnknown):
                call.facts.damage = error.sentence
            raise
        call.facts.version, call.facts.damage = serving.version.number, serving.problem or None
        if serving.version.number == 0:
            algorithm.find(name.algorithm, self._paths)  # there is no kept code to fall back on
        return serving, instead

    async def _apply(
        self, request: Request, serving: Serving, instead: str, call: Call, upload: Upload | None
    ) -> Applied:
        version, name = serving.version, serving.version.name
        printed = logs.PrintedLines(request=call.id, algorithm=name.algorithm, model=name.model)
        deadline = time.monotonic() + self._timeout
        # All that needs no worker comes first: other requests wait while one is leased.
        message = messages.Apply(
            meta=request.meta_json,
            version_column=version.number if self._wants_version(name, request) else 0,
            refuse_missing=self._refuse_missing or request.forms is not None,
            door=door_of(request, version, self._max_body),
        )
        other = await self._later.warning(version)
        drifts = self._drift.warning(version.id)  # from earlier requests, not this one
        if self._joining.takes(version.id, message, request.rows, call):
            joined = await self._joining.apply(version, message, request.rows, call, printed.write, deadline)
            self._last.applied(version.id)
            call.facts.together = joined.together if joined.together > 1 else None
        else:
            joined = await self._by_itself(version, message, request.rows, call, printed.write, deadline, upload)
        if isinstance(joined.answer, messages.Failed):
            raise failed(joined.answer.error, " ".join(f"Mind that {each}." for each in (instead, other) if each))
        applied = joined.answer
        call.facts.rows = applied.rows
        warnings = (
            damage.warning(serving),
            instead,
            loading.kept_code(version, joined.loaded),
            "; ".join([*applied.notices, *filter(None, [other, drifts])]),
        )
        return Applied(version.id, applied.rows, joined.results, tuple(filter(None, warnings)))

    async def _by_itself(
        self,
        version: Version,
        message: messages.Apply,
        rows: Payload,
        call: Call,
        output: Output,
        deadline: float,
        upload: Upload | None,
    ) -> Joined:
        """Apply a version to the rows of one request, which a worker may have read ahead.

        A small one may follow another one in its worker; where that fails it has not run.
        """
        follows = may_follow(rows) and not call.background
        following = Following(output, call.runs) if follows else None
        leased = functools.partial(self._leased, version, message, rows, call, output, deadline, upload, following)
        try:
            return await leased()
        except Moved:
            return await leased()

    async def _leased(
        self,
        version: Version,
        message: messages.Apply,
        rows: Payload,
        call: Call,
        output: Output,
        deadline: float,
        upload: Upload | None,
        following: Following | None,
    ) -> Joined:
        async with self.loaded(version, output, deadline, call, upload, following=following) as (worker, loaded):
            if upload is not None and (number := upload.number_for(worker)):
                message = msgspec.structs.replace(message, ahead=number)
            self._last.applied(version.id)
            try:
                reply, results = await worker.call(message, rows, deadline=deadline, setting=SETTING)
            finally:
                call.spent(worker.phases)
            if isinstance(reply, messages.Failed):
                return Joined(reply, results, loaded, 1)
            applied = expect(reply, messages.Applied)
            if upload is not None:
                upload.applied(version.id, in_vain=applied.in_vain)
            if message.ahead:
                call.facts.read_ahead = not applied.in_vain
        return Joined(applied, results, loaded, 1)

    async def score(self, version: Version, request: Request, against: Sequence[Version]) -> messages.Scored:
        """Compare a stored model's predictions with the target, on rows that no version of `against` has seen.

        Raises:
            DltkError: it cannot be loaded or applied, or the request's rows lack fields.
        """
        deadline = time.monotonic() + self._timeout
        seen = tuple([(await ask(self._store, each.location)).seen for each in against])
        message = messages.Score(request.meta_json, request.targets[0], seen)
        with deaths_reported():
            async with self.loaded(version, discard, deadline) as (worker, _):
                reply, _ = await worker.call(message, request.rows, deadline=deadline, setting=SETTING)
        return expect(reply, messages.Scored)

    async def trial(self, version: Version) -> DltkError | None:
        """Load a stored model in a worker, as the next apply will; return the error, if any."""
        try:
            with deaths_reported():
                await retry_unsent(lambda: self._load_only(version))
        except DltkError as error:
            return error
        return None

    async def _load_only(self, version: Version) -> None:
        async with self.loaded(version, discard, time.monotonic() + self._timeout):
            pass

    @contextlib.asynccontextmanager
    async def loaded(
        self,
        version: Version,
        output: Output,
        deadline: float,
        call: Call | None = None,
        upload: Upload | None = None,
        starts: Callable[[], object] = lambda: None,
        *,
        following: Following | None = None,
    ) -> AsyncIterator[tuple[Worker, messages.Loaded]]:
        """Lease the worker that serves `version`, with the model loaded; `starts` is called if one starts for it.

        Raises:
            AlgorithmFailed: it cannot be loaded; `NeverFitted` where nothing was ever committed.
            Busy: no worker was free before `deadline`.
            WorkerDied: it ended while it loaded.
        """
        began = time.monotonic()

        def imports() -> tuple[str, ...]:
            starts()
            return loading.imports(version, self._paths)

        read_ahead = upload.read_ahead if upload is not None else None
        client, background = (call.client, call.background) if call is not None else (None, False)
        async with self._pool.lease(
            version.id, imports, output, deadline, read_ahead, client, background=background, following=following
        ) as resident:
            if call is not None:
                call.spent({"queue": time.monotonic() - began})
            if following is not None and following.now and resident.loaded is not None:
                yield Follower(resident.worker, following), resident.loaded
                return
            if call is not None:
                call.runs()
            if resident.loaded is None:
                counts = await ask(self._store, self._counting, version)
                resident.loaded = await self._load(resident, version, deadline)
                self._joining.learn(version.id, resident.loaded)
                if call is not None:
                    call.spent(resident.worker.phases)
                resident.worker.listen(Listener(output, counts=counts))
            yield resident.worker, resident.loaded

    def _counting(self, version: Version) -> Callable[[messages.Counts], None]:
        """Return the callback for the counts of the worker that serves `version`."""
        features = version.manifest().features if version.number else []
        return lambda counts: self._drift.take(version.id, features, counts)

    async def _load(self, resident: Resident, version: Version, deadline: float) -> messages.Loaded:
        if version.number:
            await asyncio.to_thread(damage.check, version)
        choice = await ask(self._store, self._store.choice_state, version.name)  # first: a change meanwhile is found
        pinned = bool(version.number) and await ask(self._store, self._store.pins_code, version.name, self._pins_code)
        began = time.monotonic()
        message = await ask(self._store, damage.load_message, self._store, version, resident.worker.device)
        message = msgspec.structs.replace(message, pinned=pinned)
        reply, _ = await resident.worker.call(message, deadline=deadline, setting=SETTING)
        if isinstance(reply, messages.Failed):
            error = reply.error
            await asyncio.to_thread(damage.examine, self._store, version, began)
            if version.number or error.phase != "load":
                raise failed(error)
            text = await asyncio.to_thread(
                mismatch.never_fitted, version.name, error, self._store, self._jobs, self._paths
            )
            raise NeverFitted(errors.NOT_APPLIED, text, error.traceback, kind=place_of(error.kind, error.coordinates))
        loaded = expect(reply, messages.Loaded)
        return msgspec.structs.replace(loaded, states=(*loaded.states, choice))

    async def _algorithm_of(self, request: Request) -> str:
        """Return the search's algorithm, or the one last fitted into the model.

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

    def _wants_version(self, name: ModelName, request: Request) -> bool:
        """Tell whether `with_version` asks for the column, and is not the notebook's own parameter.

        Raises:
            OptionInvalid: it is not a boolean.
        """
        given = request.parameters
        if "with_version" in given:
            with contextlib.suppress(DltkError):  # without a notebook it is the runtime's
                if takes("with_version", algorithm.find(name.algorithm, self._paths)):
                    return False
        return wants_version(given)
