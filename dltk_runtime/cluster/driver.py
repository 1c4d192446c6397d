"""The helper process beside a front: Ray's driver, and nothing else imports Ray.

Ray ends a driver whose head stays away; the front starts another one then. So this process keeps
nothing that matters: what it was told to run is told again by the front, or fails there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any

import msgspec

from dltk_runtime.cluster.apply_messages import Ask, Drop, Serve
from dltk_runtime.cluster.driver_applies import DriverApplies
from dltk_runtime.cluster.files import reserved
from dltk_runtime.cluster.gang_states import GangStates
from dltk_runtime.cluster.link import Link
from dltk_runtime.cluster.messages import (
    TO_HELPER,
    Batch,
    Begin,
    Cancel,
    Ended,
    Event,
    Facts,
    Lost,
    Meet,
    Nodes,
    Outcome,
    Seen,
    ToHelper,
    Usage,
)
from dltk_runtime.cluster.ray_nodes import RayNodes, Reach, Unreached
from dltk_runtime.cluster.same import difference, in_words, releases
from dltk_runtime.cluster.security import TOKEN
from dltk_runtime.cluster.speeds import PIECE_BYTES, SILENT_SECONDS, SLOWEST_BYTES
from dltk_runtime.payload import Payload
from dltk_runtime.units import MIB
from dltk_runtime.worker.gang_messages import Kept

LOOK_SECONDS = 1.0  # between two looks at the nodes
SECONDS_OF_RESULTS = 600.0  # for the results of a fit's own apply to arrive
PAUSE_SECONDS = 5.0  # after a node did not answer, before it is asked again
HEAD_SECONDS = 2.0  # between two tries to reach the head

_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.decode


class Options(msgspec.Struct, frozen=True):
    """The argument on the command line, as JSON: the descriptor of the socket, the cluster, the home of the front."""

    channel: int
    cluster: str  # "auto", or host:port
    origin: str = ""


class Driver:
    """Tells the front which nodes there are, and runs its fits and applies on them."""

    def __init__(self, options: Options) -> None:
        self._nodes = RayNodes(options.cluster)
        self._ours = releases()
        self._facts: dict[str, Facts] = {}  # by the id of a node: they stay as they are
        self._paused: dict[str, tuple[float, Seen]] = {}  # by the id of a node: until when, and why
        self._calls: dict[str, asyncio.Task[None]] = {}  # fits and applies
        self._states = GangStates(self._nodes)
        self._address = ""
        sock = socket.socket(fileno=options.channel)
        self._link: Link[ToHelper] = Link(sock, TO_HELPER, self._take, lambda: os._exit(0))
        self._applies = DriverApplies(self._nodes, self._link.send, options.origin)

    async def run(self) -> None:
        """Reach the head, then look at the nodes until Ray or the front ends this process."""
        while problem := await asyncio.to_thread(self._nodes.unreachable):
            await self.tell(problem)
            await asyncio.sleep(HEAD_SECONDS)
        await asyncio.to_thread(self._nodes.connect)
        while True:
            await self._link.send(await self._look())
            await asyncio.sleep(LOOK_SECONDS)

    async def tell(self, problem: str) -> None:
        """Tell the front why there are no nodes."""
        await self._link.send(Nodes(problem=problem))

    async def _look(self) -> Nodes:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                reached = await asyncio.to_thread(self._nodes.alive)
        except (Unreached, TimeoutError):
            return Nodes(problem="the head of the cluster does not answer")
        self._address = self._address or await asyncio.to_thread(self._nodes.own_address)
        return Nodes(tuple(await asyncio.gather(*(self._seen(each) for each in reached))), address=self._address)

    async def _seen(self, node: Reach) -> Seen:
        """Describe a node; one that does not answer is refused for a while, then has another actor if need be."""
        if (paused := self._paused.get(node.id)) is not None:
            until, seen = paused
            if time.monotonic() >= until:
                del self._paused[node.id]
                self._nodes.drop(node)
            return seen
        try:
            if node.id not in self._facts:
                text = await self._nodes.call(node, "facts", seconds=SILENT_SECONDS)
                self._facts[node.id] = _decode(text, type=Facts)
            refused = refusal(self._facts[node.id], self._ours)
            usage = _decode(await self._nodes.call(node, "usage", seconds=SILENT_SECONDS), type=Usage)
            if not refused:
                await self._applies.look(node)
        except Unreached as error:
            seen = Seen(node.name, node.labels, node.address, refused=str(error), silent=True)
            self._paused[node.id] = time.monotonic() + PAUSE_SECONDS, seen
            return seen
        facts = self._facts[node.id]
        return Seen(
            node.name,
            node.labels,
            node.address,
            facts.cpus,
            facts.memory,
            facts.gpus,
            usage.fits,
            refused,
            facts.apply_places,
            usage.applies,
            usage.versions,
            in_words(facts.same),
        )

    # ------------------------------------------------------------ fits

    def _take(self, message: ToHelper, rows: Payload) -> None:
        match message:
            case Begin(key):
                self._run(key, self._fit(message, rows))
            case Serve(key) | Ask(key):
                self._run(key, self._applies.run(message, rows))
            case Cancel(key) if key in self._calls:
                self._calls[key].cancel()
            case Drop(node):
                self._run(f"drop {node}", self._applies.drop(message))
            case Meet(key):
                self._states.meet(message, lambda: key in self._calls)

    def _run(self, key: str, call: Coroutine[Any, Any, None]) -> None:
        self._calls[key] = asyncio.create_task(call)
        self._calls[key].add_done_callback(lambda _: self._calls.pop(key, None))

    async def _fit(self, begin: Begin, rows: Payload) -> None:
        """Run a fit on its node and tell the front what happens, to its end."""
        node = self._nodes.named(begin.node)
        if node is None:
            await self._link.send(Lost(begin.key, "the cluster has no such node any more"))
            return
        try:
            ended, results = await self._followed(node, begin, rows)
            await self._link.send(ended, results)
        except Unreached as error:
            await self._link.send(Lost(begin.key, str(error)))
        except OSError as error:
            await self._link.send(Lost(begin.key, f"its files could not be stored here ({error})"))
        except Exception as error:
            await self._link.send(Lost(begin.key, f"fault in the helper process: {error!r}"[:500]))
            raise
        finally:
            self._nodes.forget(node, begin.key)  # also after a `Cancel`

    async def _followed(self, node: Reach, begin: Begin, rows: Payload) -> tuple[Ended, Payload]:
        key, data = begin.key, bytes(rows.view())
        state = await self._states.begin(begin)
        carried = [self._nodes.put(each) if len(each) > MIB else each for each in (data, state)]
        seconds = SILENT_SECONDS + (len(data) + len(state)) / SLOWEST_BYTES
        await self._nodes.call(node, "begin", _encode(begin), carried[0], rows.escaped, carried[1], seconds=seconds)
        after, batch = 0, Batch()
        while not batch.ended or batch.events:
            batch = _decode(await self._nodes.call(node, "events", key, after, seconds=SILENT_SECONDS), type=Batch)
            after += len(batch.events)
            if any(isinstance(each, Kept) for each in batch.events):
                await self._states.keep(node, begin)
            for event in batch.events:
                await self._link.send(Event(key, event))
        text, results = await self._nodes.call(node, "outcome", key, seconds=SECONDS_OF_RESULTS)
        outcome = _decode(text, type=Outcome)
        await self._fetch(node, begin, outcome)
        return Ended(key, outcome), Payload(results, escaped=outcome.escaped)

    async def _fetch(self, node: Reach, begin: Begin, outcome: Outcome) -> None:
        """Copy the version's files into the reserved folder; one that was withdrawn gets none."""
        with reserved(begin.fit.folder) as target:
            for path, size in outcome.files:
                with target.new(path) as file:
                    while (at := file.tell()) < size:
                        file.write(await self._piece(node, begin.key, path, at))

    async def _piece(self, node: Reach, key: str, path: str, at: int) -> bytes:
        seconds = SILENT_SECONDS + PIECE_BYTES / SLOWEST_BYTES
        piece: bytes = await self._nodes.call(node, "read", key, path, at, PIECE_BYTES, seconds=seconds)
        if not piece:
            raise OSError(f"{path} ends after {at:,} bytes")
        return piece


def refusal(facts: Facts, ours: dict[str, str]) -> str:
    """Return why no fit may run on a node; empty if one may."""
    if not facts.token:
        return "Ray asks for no token there: start it with RAY_AUTH_MODE=token"
    if facts.shown:
        return f"notebooks could read {TOKEN} there: start Ray with a file of it, {TOKEN}_PATH"
    if facts.monitor:
        return "Ray's memory monitor would end fits there: start it with RAY_memory_monitor_refresh_ms=0"
    if different := difference(ours, facts.same):
        return f"it has {different}; every machine needs the same image"
    return ""


def main() -> None:
    """Run the helper process."""
    options = msgspec.json.decode(sys.argv[1], type=Options)

    async def run() -> None:
        driver = Driver(options)
        try:
            await driver.run()
        except Exception as error:
            await driver.tell(f"its helper process ended: {type(error).__name__}: {error}"[:500])
            raise
        finally:
            os._exit(1)  # without Ray's farewell, which waits for a head that may be gone

    asyncio.run(run())


if __name__ == "__main__":
    main()
