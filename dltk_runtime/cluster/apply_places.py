"""Where the applies of this front run: on its own machine, or on a node of the cluster.

::

    lease ──> apply_placement.place ──┬─ here ──> the pool of this front
                                      └─ a node ──> remote_apply.RemoteApply

A version's applies stay where they were placed while that machine can be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar

from dltk_runtime.cluster.apply_messages import Copy, Counted
from dltk_runtime.cluster.apply_placement import ApplyNeed, Host, place
from dltk_runtime.cluster.errors import ApplyLost, NowhereToApply
from dltk_runtime.cluster.helper import Helper
from dltk_runtime.cluster.live import live_of
from dltk_runtime.cluster.machines import HERE
from dltk_runtime.cluster.messages import Seen
from dltk_runtime.cluster.remote_apply import RemoteApply, Served, files_id
from dltk_runtime.cluster.resources import apply_need_of
from dltk_runtime.errors import DltkError
from dltk_runtime.files.state import FileState, unchanged
from dltk_runtime.names import VersionId
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import Source, unpack
from dltk_runtime.paths import Paths
from dltk_runtime.pool.following import Following
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import ReadAhead, Worker
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import Version
from dltk_runtime.worker.messages import Loaded

MAX_SERVED = 500  # versions on nodes that a front remembers
AWAY_SECONDS = 30.0  # that an apply which asks for a node waits for the first look, or for a head that is away
AVOIDED_SECONDS = 15.0  # after a node was lost for an apply, before another one is placed there

Imports = Callable[[], Awaitable[tuple[str, ...]]]
Output = Callable[[bytes], object]
Result = TypeVar("Result")


class Leased(Protocol):
    """The worker of one lease, and what it has loaded: `pool.resident.Resident` is one."""

    loaded: Loaded | None

    @property
    def worker(self) -> Worker: ...


@dataclass(eq=False)
class RemoteLease:
    """A lease on a node."""

    served: Served
    worker: RemoteApply

    @property
    def loaded(self) -> Loaded | None:
        """What its node answered when the version was loaded."""
        return self.served.loaded

    @loaded.setter
    def loaded(self, loaded: Loaded | None) -> None:
        self.served.loaded = loaded


class ApplyPlaces:
    """The places for applies of one front. `helper` is that of its fits."""

    def __init__(self, settings: Settings, pool: Pool, helper: Helper) -> None:
        self._paths = settings.paths
        self._spread = settings.cluster_applies
        self._pool = pool
        self._helper = helper
        self._served: dict[VersionId, Served] = {}
        self._needs: dict[str, tuple[tuple[FileState, ...], ApplyNeed]] = {}
        self._avoided: dict[str, float] = {}  # by the name of a node: until when
        helper.on_counted = self._counted

    @contextlib.asynccontextmanager
    async def lease(
        self,
        version: Version,
        imports: Imports,
        output: Output,
        deadline: float,
        read_ahead: ReadAhead | None = None,
        client: Hashable = None,
        *,
        background: bool = False,
        following: Following | None = None,
    ) -> AsyncIterator[Leased]:
        """Lease a worker as `Pool.lease` does, on the machine where the version's applies run.

        On a node no request follows another one.

        Raises:
            NowhereToApply: no machine that can be reached has what the notebook asks for.
            ApplyLost: the node ended meanwhile.
        """
        name = await self._place(version, deadline)
        if name == HERE:
            self._served.pop(version.id, None)
            async with self._pool.lease(
                version.id, imports, output, deadline, read_ahead, client, background=background, following=following
            ) as resident:
                yield resident
            return
        served = self._served.get(version.id)
        if served is None or served.node != name or served.loaded is None or not unchanged(served.loaded.states):
            served = await asyncio.to_thread(self._new, version, name, await imports())
            self._keep(version.id, served)
        served.used = time.monotonic()
        who = sha256(repr(client).encode()).hexdigest()[:16]
        try:
            yield RemoteLease(served, RemoteApply(served, self._helper, output, who))
        except ApplyLost as error:
            self._avoided[error.node] = time.monotonic() + AVOIDED_SECONDS
            self._served.pop(version.id, None)
            raise

    # ------------------------------------------------------------ placing

    async def _place(self, version: Version, deadline: float) -> str:
        """Return the machine for a version's applies; while no node can be reached, wait for those that ask for one."""
        if version.number == 0:  # files of an old volume, which are here
            return HERE
        algorithm = version.name.algorithm
        known = self._needs.get(algorithm)
        if known is None or not unchanged(known[0]):
            known = self._needs[algorithm] = await asyncio.to_thread(_need, version, self._paths)
        need = known[1]
        if not need.asks and not self._spread:
            return HERE
        served = self._served.get(version.id)
        if served is not None:
            files = served.files_id
        else:
            files = await asyncio.to_thread(lambda: files_id(algorithm, version.manifest().files))
        name = place(need, self.hosts(version.id, files), served.node if served else "", spread=self._spread)
        if not name and self._helper.nodes.problem and served is not None:
            return served.node  # without its head it may still answer
        if not name and self._helper.nodes.problem:
            await self._helper.reach(min(deadline - time.monotonic(), AWAY_SECONDS))
            name = place(need, self.hosts(version.id, files), spread=self._spread)
        if not name:
            wanted = " and ".join((["a GPU"] if need.gpu else []) + ([f"'{need.label}'"] if need.label else []))
            names = [each.name for each in self.hosts(version.id, files)]
            raise NowhereToApply(algorithm, wanted, names, self._helper.nodes.problem)
        return name

    def hosts(self, version: VersionId, files: str) -> list[Host]:
        """Return the machines that can be reached, of which those with `version`, or its `files`, are marked."""
        now = time.monotonic()
        places, taken = self._pool.apply_places
        here = version.number in self._pool.versions_in_use(version.name)
        own = Host(HERE, places, taken, here, len(self._pool.device_names), here=True)
        seen = (each for each in self._helper.nodes.nodes if not each.refused)
        return [own, *(_host(each, files) for each in seen if self._avoided.get(each.name, 0) <= now)]

    def applied(self, machine: str) -> list[VersionId]:
        """Return the versions that a machine has loaded for this front, as far as is known."""
        if machine == HERE:
            return self._pool.versions_served
        seen = next((each for each in self._helper.nodes.nodes if each.name == machine), None)
        loaded = seen.versions if seen is not None else ()
        return [key for key, each in self._served.items() if each.node == machine and each.files_id in loaded]

    def _new(self, version: Version, node: str, imports: tuple[str, ...]) -> Served:
        """Describe a version for its node. Reads its files, so it runs in a thread."""
        name, files = version.name, tuple(version.manifest().files)
        found = files_id(name.algorithm, files)
        return Served(
            node=node,
            folder=version.location().folder,
            files=files,
            files_id=found,
            copy=Copy(found, name.algorithm, name.model, version.number),
            live=live_of(version, self._paths),
            imports=imports,
            work=f"version {version.number} of model '{name.model}' of '{name.algorithm}'",
        )

    def _keep(self, version: VersionId, served: Served) -> None:
        self._served[version] = served
        if len(self._served) > MAX_SERVED:
            del self._served[min(self._served, key=lambda each: self._served[each].used)]

    def _counted(self, counted: Counted) -> None:
        for each in self._served.values():
            if each.served == counted.served:
                each.listener.counts(counted.counts)
                return


def _host(seen: Seen, files: str) -> Host:
    has_it = bool(files) and files in seen.versions
    return Host(seen.name, seen.apply_places, seen.applies, has_it, seen.gpus, frozenset(seen.labels))


def _need(version: Version, paths: Paths) -> tuple[tuple[FileState, ...], ApplyNeed]:
    """Return what a notebook asks for, with the states of its files; without one, what the version's code asks."""
    finder, algorithm = CodeFinder(paths), version.name.algorithm
    found: Source | None = None
    sources: Sequence[Source] = ()
    with contextlib.suppress(DltkError):  # it cannot be read, and the version's own code runs
        found = finder.find(algorithm)
    with contextlib.suppress(DltkError, OSError):
        sources = (found,) if found is not None else unpack(version.code())
    source = next((each for each in sources if each.name == algorithm), None)
    return tuple(finder.states), apply_need_of(source) if source is not None else ApplyNeed()
