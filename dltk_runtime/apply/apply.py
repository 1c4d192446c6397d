"""Apply a model: find the current version, lease its worker, load it if needed, apply."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from dltk_runtime import logs
from dltk_runtime.access.holder import Right
from dltk_runtime.apply import damage, loading, mismatch
from dltk_runtime.apply.choice import Choosing, FieldsUnknown
from dltk_runtime.apply.door import door_of
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.joining import SETTING, Joined, Joining
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.apply.leasing import Leasing
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call, Request
from dltk_runtime.cluster.elsewhere import tried_elsewhere
from dltk_runtime.errors import AlgorithmMissing, DltkError, StoreError
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.parameters import wants_version
from dltk_runtime.notebook.reads import takes
from dltk_runtime.payload import Payload
from dltk_runtime.pool.following import Following, Moved, may_follow
from dltk_runtime.pool.outcome import deaths_reported, expect, failed, retry_unsent
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import discard
from dltk_runtime.settings import Settings
from dltk_runtime.store.asking import ask
from dltk_runtime.store.store import ModelStore, Serving, Version
from dltk_runtime.worker import messages

if TYPE_CHECKING:
    from dltk_runtime.cluster.apply_places import ApplyPlaces

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
        self,
        *,
        settings: Settings,
        store: ModelStore,
        jobs: JobRecords,
        pool: Pool,
        last: LastUsed,
        drift: Drift,
        places: ApplyPlaces | None = None,
    ) -> None:
        self._paths, self._max_body = settings.paths, settings.max_body
        self._timeout = settings.apply_timeout
        self._refuse_missing = settings.refuse_missing
        self._store = store
        self._pool = pool
        self._last = last
        self._drift = drift
        self._choosing = Choosing(store)
        self._later = mismatch.LaterFits(store)
        leasing = Leasing(settings=settings, store=store, jobs=jobs, pool=pool, drift=drift, places=places)
        self.loaded = leasing.loaded
        self._joining = leasing.joining = Joining(leasing.loaded, pool.join)

    async def apply(self, request: Request, call: Call, upload: Upload | None = None) -> Applied:
        """Apply the model's current version; `upload` is how the rows came, if they were large.

        Raises:
            DltkError: with the sentence for the search.
        """
        name = ModelName(await self._algorithm_of(request), request.model)
        call.facts.algorithm, call.facts.model = name.algorithm, name.model
        call.holder.check(Right.APPLY, name)
        with deaths_reported():
            deadline = time.monotonic() + self._timeout  # of all that is tried together
            attempt = functools.partial(self._apply_whole, name, request, call, upload, deadline)
            return await tried_elsewhere(lambda: retry_unsent(attempt), deadline)

    async def _apply_whole(
        self, name: ModelName, request: Request, call: Call, upload: Upload | None, deadline: float
    ) -> Applied:
        """Apply the version that serves, or another if a worker finds its files damaged."""
        loaded: Collection[int] = self._pool.versions_in_use(name)
        for _ in range(damage.MAX_DAMAGED):
            with contextlib.suppress(damage.DamagedWhenLoaded):
                chosen = await ask(self._store, self._serving, name, request, call, loaded)
                return await self._apply(request, *chosen, call, upload, deadline)
            loaded = ()  # a worker may have the damaged version, or be about to load it: rely on the files alone
        chosen = await ask(self._store, self._serving, name, request, call, ())
        return await self._apply(request, *chosen, call, upload, deadline)

    def _serving(self, name: ModelName, request: Request, call: Call, loaded: Collection[int]) -> tuple[Serving, str]:
        """Return the version that answers, with a warning if it is not the current one.

        The files of `loaded` versions are not checked. Damage is noted in the call's facts.

        Raises:
            FieldsUnknown: no promoted version has the request's fields.
            StoreError: nothing can serve it, although versions were committed.
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
        return serving, instead

    async def _apply(
        self, request: Request, serving: Serving, instead: str, call: Call, upload: Upload | None, deadline: float
    ) -> Applied:
        version, name = serving.version, serving.version.name
        if version.number == 0:  # there is no kept code to fall back on
            await asyncio.to_thread(algorithm.find, name.algorithm, self._paths)
        printed = logs.PrintedLines(request=call.id, algorithm=name.algorithm, model=name.model)
        # All that needs no worker comes first: other requests wait while one is leased.
        message = messages.Apply(
            meta=request.meta_json,
            version_column=version.number if await self._wants_version(name, request) else 0,
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
        following = Following(output, call.runs, call.handed) if follows else None

        async def leased() -> Joined:
            call.waits()
            asked = message
            async with self.loaded(version, output, deadline, call, upload, following=following) as (worker, loaded):
                if upload is not None and (number := upload.number_for(worker)):
                    asked = msgspec.structs.replace(message, ahead=number)
                self._last.applied(version.id)
                try:
                    reply, results = await worker.call(asked, rows, deadline=deadline, setting=SETTING)
                finally:
                    call.spent(worker.phases)
                if isinstance(reply, messages.Failed):
                    return Joined(reply, results, loaded, 1)
                applied = expect(reply, messages.Applied)
                if upload is not None:
                    upload.applied(version.id, in_vain=applied.in_vain)
                if asked.ahead:
                    call.facts.read_ahead = not applied.in_vain
            return Joined(applied, results, loaded, 1)

        try:
            return await leased()
        except Moved:
            return await leased()

    async def score(self, version: Version, request: Request, against: Sequence[Version]) -> messages.Scored:
        """Compare a stored model's predictions with the target, on rows that no version of `against` has seen.

        Raises:
            DltkError: it cannot be loaded or applied, or the request's rows lack fields.
        """
        deadline = time.monotonic() + self._timeout
        seen = tuple([(await ask(self._store, each.location)).seen for each in against])
        message = messages.Score(request.meta_json, request.targets[0], seen)
        with deaths_reported():
            async with self.loaded(version, discard, deadline, here=True) as (worker, _):
                reply, _ = await worker.call(message, request.rows, deadline=deadline, setting=SETTING)
        return expect(reply, messages.Scored)

    async def trial(self, version: Version) -> DltkError | None:
        """Load a stored model in a worker, as the next apply will; return the error, if any."""
        try:
            with deaths_reported():
                deadline = time.monotonic() + self._timeout
                await tried_elsewhere(lambda: retry_unsent(lambda: self._load_only(version, deadline)), deadline)
        except DltkError as error:
            return error
        return None

    async def _load_only(self, version: Version, deadline: float) -> None:
        async with self.loaded(version, discard, deadline):
            pass

    async def _algorithm_of(self, request: Request) -> str:
        """Return the search's algorithm, or the one last fitted into the model.

        Raises:
            AlgorithmMissing: neither is known.
        """
        if request.algorithm is not None:
            return request.algorithm
        found = await asyncio.to_thread(self._fitted_last, request.model)
        if found is None:
            raise AlgorithmMissing(request.model)
        return found

    def _fitted_last(self, model: str) -> str | None:
        return self._store.algorithm_of(model, algorithm.algorithms(self._paths))

    async def _wants_version(self, name: ModelName, request: Request) -> bool:
        """Tell whether `with_version` asks for the column, and is not the notebook's own parameter.

        Raises:
            OptionInvalid: it is not a boolean.
        """
        given = request.parameters
        if "with_version" in given:
            with contextlib.suppress(DltkError):  # without a notebook it is the runtime's
                if await asyncio.to_thread(self._takes_version, name.algorithm):
                    return False
        return wants_version(given)

    def _takes_version(self, name: str) -> bool:
        return takes("with_version", algorithm.find(name, self._paths))
