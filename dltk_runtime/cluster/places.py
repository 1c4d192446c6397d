"""Where the fits of this front run: on its own machine, or on another node of the cluster.

::

    fit_worker ──> waits in one line ──> placement.decide ──┬─ here ──> the pool of this front
                                                            └─ a node ──> remote.RemoteWorker

A fit's place is decided again whenever one ends, or the helper sees a node come, go or change.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dltk_runtime.cluster.code import code_of, modules_of
from dltk_runtime.cluster.copies import origin_of
from dltk_runtime.cluster.departed import Departed
from dltk_runtime.cluster.errors import NoNode
from dltk_runtime.cluster.gang import GangWorker
from dltk_runtime.cluster.gang_places import GangPlaces, kept_for, keys_of
from dltk_runtime.cluster.helper import Helper
from dltk_runtime.cluster.machines import HERE, node_of, own_machine
from dltk_runtime.cluster.placement import MAX_OVERTAKEN, FitName, Need, Node, Waiting, decide, lacking
from dltk_runtime.cluster.remote import Order
from dltk_runtime.cluster.resources import asked, need_of, refuse_beyond, workers_of
from dltk_runtime.cluster.shown import Applied, line_views, machine_views
from dltk_runtime.cluster.view import ClusterView
from dltk_runtime.cluster.waits import why
from dltk_runtime.errors import Busy, DltkError
from dltk_runtime.notebook import algorithm as notebooks
from dltk_runtime.notebook.source import Source, slow_imports
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Listener, Worker
from dltk_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class FitAsked:
    """A fit that asks for a worker.

    Attributes:
        parameters: of the search.
        imports: heavy imports of its notebook.
        work: what it will do, for errors about GPU memory.
        name: for listings.
        patient: whether no search waits for it.
        background: whether it runs at the lowest priority; on another node it does not.
        keep: where the state of a training by several workers is kept; None where it cannot go on from it.
    """

    algorithm: str
    parameters: Mapping[str, str]
    imports: tuple[str, ...]
    work: str
    name: FitName | None = None
    patient: bool = False
    background: bool = False
    keep: Path | None = None


@dataclass(eq=False)
class _Line:
    """A fit that waits, and what it waits for."""

    waiting: Waiting
    algorithm: str
    places: asyncio.Future[tuple[str, ...]]  # one, or one for each of several workers


@dataclass(eq=False, kw_only=True)
class FitPlaces:
    """The places for fits of one front: `start` it after its pool, `close` it before.

    `applied` says which versions a machine has loaded for this front's applies.
    """

    settings: Settings
    pool: Pool
    applied: Applied = lambda _: ()
    _line: list[_Line] = field(default_factory=list)
    _running: dict[str, tuple[str, Need]] = field(default_factory=dict)
    _known: dict[str, Node] = field(default_factory=dict)  # every node seen so far, without fits

    def __post_init__(self) -> None:
        self._departed = Departed()
        self.helper = Helper(self.settings.cluster, self._place)

    def start(self) -> None:
        """Start the helper process."""
        self.helper.start(origin_of(self.settings.paths.home))

    async def close(self) -> None:
        """End the helper process."""
        await self.helper.close()

    @property
    def nodes(self) -> list[Node]:
        """The front's own machine, and the nodes on which fits may run now, with those that do."""
        ours = self._by_machine()
        here = replace(self._here, running=tuple(ours.get(HERE, {}).values()))
        seen = (each for each in self.helper.nodes.nodes if not each.refused)
        return [here, *(node_of(each, ours.get(each.name, {})) for each in seen)]

    def view(self) -> ClusterView:
        """Describe the machines, what runs there, and what waits and why."""
        looked, nodes = self.helper.nodes, self.nodes
        views = machine_views(nodes[0], looked.nodes, self._by_machine(), self.pool, self.applied)
        line = line_views([each.waiting for each in self._line], nodes)
        return ClusterView(self.settings.cluster, views, len(line), looked.problem, line, self._departed.views())

    async def check(self, algorithm: str, parameters: Mapping[str, str]) -> None:
        """Refuse a fit that needs what no machine has.

        Raises:
            NoNode: naming what is missing, and where it was looked for.
            DltkError: the notebook cannot be read, or asks in no known way.
        """
        self._check(algorithm, await self._need(algorithm, parameters))

    async def has_room(self, algorithm: str, imports: tuple[str, ...]) -> bool:
        """Return whether an asynchronous fit could begin now; one that cannot be read begins, and fails."""
        return not await self.why_queued(algorithm, {}, imports)

    async def why_queued(self, algorithm: str, given: Mapping[str, str], imports: tuple[str, ...] | None = None) -> str:
        """Return why an asynchronous fit cannot begin now; empty if it can, or if its notebook cannot be read."""
        try:
            need = await self._need(algorithm, given, imports, patient=True)
        except DltkError:
            return ""
        line, nodes = [each.waiting for each in self._line], self.nodes
        if "new" in {key for key, _ in decide([*line, Waiting("new", need)], nodes).begins}:
            return ""
        return why(need, nodes, {name for each in line for name in each.claims})

    @contextlib.asynccontextmanager
    async def fit_worker(self, asked: FitAsked, listener: Listener) -> AsyncIterator[Worker]:
        """Lease a worker when it is this fit's turn, here or on another node; end it afterwards.

        Raises:
            NoNode: no machine has what it needs.
            Busy: too many fits of this algorithm wait already.
            DltkError: the notebook cannot be read, or asks in no known way.
            WorkerDied: the worker could not start.
        """
        need = await self._need(asked.algorithm, asked.parameters, asked.imports, patient=asked.patient)
        self._check(asked.algorithm, need)
        need = replace(need, fit=asked.name)
        key = uuid.uuid4().hex
        place, *_ = places = await self._turn(key, asked.algorithm, need)
        try:
            leased: contextlib.AbstractAsyncContextManager[Worker]
            if need.workers > 1:
                code = await asyncio.to_thread(code_of, asked.algorithm, self.settings.paths)
                order = Order(key, "", need, code, asked.imports, asked.work, kept_for(code, asked.keep))
                leased = self._together(order, places, asked, listener)
            elif place == HERE:
                leased = self.pool.fit_worker(
                    asked.algorithm, asked.imports, asked.work, listener, background=asked.background, gpu=need.gpu
                )
            else:
                code = await asyncio.to_thread(code_of, asked.algorithm, self.settings.paths)
                leased = self._remote(Order(key, place, need, code, asked.imports, asked.work), listener)
            async with leased as worker:
                yield worker
        finally:
            self._leave(key, need)

    # ------------------------------------------------------------ turns

    async def _turn(self, key: str, algorithm: str, need: Need, *, again: bool = False) -> tuple[str, ...]:
        """Wait for a place for each worker; returns the names of the machines, on which it counts from now on.

        One that had its turn, and waits `again`, is the first in the line.
        """
        ahead = sum(each.algorithm == algorithm for each in self._line)
        waiting = Waiting(key, need, overtaken=MAX_OVERTAKEN if again else 0)
        line = _Line(waiting, algorithm, asyncio.get_running_loop().create_future())
        self._line.insert(0 if again else len(self._line), line)
        self._place()
        if not line.places.done() and not again and ahead >= self.settings.max_waiting:
            self._line.remove(line)
            raise Busy(f"a fit of '{algorithm}'", ahead, "DLTK_MAX_WAITING")
        try:
            return await line.places
        except (asyncio.CancelledError, NoNode):
            self._leave(key, need)
            raise

    def _leave(self, key: str, need: Need) -> None:
        """Give back the places of a fit, if it has any."""
        for each in keys_of(key, need):
            self._running.pop(each, None)
        self._place()

    def _place(self) -> None:
        """Begin every fit that has a place now; refuse those that can never have one."""
        self._departed.note(self.helper.nodes)
        for each in self.helper.nodes.nodes:
            if not each.refused:
                self._known[each.name] = replace(node_of(each, {}), running=())
        if not self.helper.nodes.problem:
            self._refuse_impossible()
        self._line = [line for line in self._line if not line.places.done()]
        decision = decide([each.waiting for each in self._line], self.nodes)
        lines = {each.waiting.key: each for each in self._line}
        begun: dict[str, list[str]] = {}
        for key, name in decision.begins:
            begun.setdefault(key, []).append(name)
        for key, names in begun.items():
            need = lines[key].waiting.need
            self._running |= {each: (name, need) for each, name in zip(keys_of(key, need), names, strict=True)}
            lines[key].places.set_result(tuple(names))
        for waiting in decision.waiting:
            lines[waiting.key].waiting = waiting
        self._line = [lines[each.key] for each in decision.waiting]

    def _refuse_impossible(self) -> None:
        """Refuse what a search waits for and no machine could hold. A queued fit waits for one to come."""
        for line in self._line:
            if not line.waiting.need.patient and not line.places.done():
                try:
                    self._check(line.algorithm, line.waiting.need)
                except NoNode as error:
                    line.places.set_exception(error)

    @contextlib.asynccontextmanager
    async def _remote(self, order: Order, listener: Listener) -> AsyncIterator[Worker]:
        listener.output(f"This fit runs on node '{order.node}'.\n".encode())
        worker = self.helper.worker(order, listener)
        try:
            yield worker
        finally:
            self.helper.release(worker)
            await worker.end()

    @contextlib.asynccontextmanager
    async def _together(
        self, order: Order, places: tuple[str, ...], asked: FitAsked, listener: Listener
    ) -> AsyncIterator[Worker]:
        """Make the workers of a fit that is by several: they begin with its call."""
        leases = GangPlaces(self.pool, self.helper, asked.algorithm, order, HERE, asked.background)

        async def again() -> tuple[str, ...]:
            self._leave(leases.order.key, order.need)
            # A node may not have ended its worker of the attempt before: to it this is another fit.
            leases.order = replace(order, key=uuid.uuid4().hex)
            return await self._turn(leases.order.key, asked.algorithm, order.need, again=True)

        try:
            yield GangWorker(places, leases.lease, again, listener)
        finally:
            self._leave(leases.order.key, order.need)

    # ------------------------------------------------------------ machines

    async def _need(
        self,
        algorithm: str,
        given: Mapping[str, str],
        imports: tuple[str, ...] | None = None,
        *,
        patient: bool = False,
    ) -> Need:
        """Read the notebook, in a thread, and return what a fit needs; without `imports` the notebook's own count."""
        gpus = bool(self.pool.device_names) or any(each.gpus for each in self._known.values())
        return await asyncio.to_thread(self._read_need, algorithm, given, imports, gpus=gpus, patient=patient)

    def _read_need(
        self, algorithm: str, given: Mapping[str, str], imports: tuple[str, ...] | None, *, gpus: bool, patient: bool
    ) -> Need:
        source = notebooks.source_of(algorithm, self.settings.paths)
        heavy = _imports(source) if imports is None else imports
        need = need_of(source, heavy, given, gpus=gpus, patient=patient)
        workers = workers_of(source, given, lambda: modules_of(source.name, self.settings.paths))
        need = replace(need, workers=workers, apart=workers > 1 and self.settings.cluster_closed)
        refuse_beyond(need, asked(source, given), self.settings.cluster_cpus, self.settings.cluster_memory)
        return need

    def _check(self, algorithm: str, need: Need) -> None:
        """Refuse what no machine has that was ever seen; before any was, everything waits."""
        if self.helper.nodes.problem and not self._known:
            return
        machines = [self._here, *(self._known[name] for name in sorted(self._known))]
        if missing := lacking(need, machines):
            raise NoNode(algorithm, missing, [*(each.name for each in machines), *self._refused])

    @property
    def _refused(self) -> list[str]:
        return [f"{each.name}: {each.refused}" for each in self.helper.nodes.nodes if each.refused]

    @property
    def _here(self) -> Node:
        return own_machine(self.settings, self.pool)

    def _by_machine(self) -> dict[str, dict[str, Need]]:
        """Return the needs of this front's fits by the name of the machine, then by key."""
        found: dict[str, dict[str, Need]] = {}
        for key, (name, need) in self._running.items():
            found.setdefault(name, {})[key] = need
        return found


def _imports(source: Source) -> tuple[str, ...]:
    return slow_imports(*(cell.source for cell in source.cells))
