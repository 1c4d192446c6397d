"""The helper's part of applies on nodes: calls there, and the files of versions on their way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from dltk_runtime.cluster.apply_messages import ApplyEnded, ApplyOutcome, Ask, Copies, Copy, Counted, Drop, Serve
from dltk_runtime.cluster.messages import Event, Lost, Printed
from dltk_runtime.cluster.node_applies import UNUSED_SECONDS
from dltk_runtime.cluster.ray_nodes import RayNodes, Reach, Unreached
from dltk_runtime.cluster.speeds import PIECE_BYTES, SILENT_SECONDS, SLOWEST_BYTES
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.units import MIB
from dltk_runtime.worker.messages import Counts

COPIES_SECONDS = 60.0  # between two questions which versions a node keeps
TELL_SECONDS = 1.0  # between two questions to a node whose answer takes long
NOTHING = ApplyOutcome()

_encode = msgspec.msgpack.encode
_OUTCOME: msgspec.msgpack.Decoder[ApplyOutcome] = msgspec.msgpack.Decoder(ApplyOutcome)
_COPIES: msgspec.msgpack.Decoder[tuple[Copy, ...]] = msgspec.msgpack.Decoder(tuple[Copy, ...])
_COUNTED: msgspec.msgpack.Decoder[list[tuple[str, Counts]]] = msgspec.msgpack.Decoder(list[tuple[str, Counts]])

Send = Callable[[msgspec.Struct, Payload], Coroutine[Any, Any, None]]


class DriverApplies:
    """Passes applies on to their nodes. `send` sends to the front, whose home is `origin`."""

    def __init__(self, nodes: RayNodes, send: Send, origin: str = "") -> None:
        self._nodes = nodes
        self._send = send
        self._origin = origin
        self._listed: dict[str, float] = {}  # by the id of a node: when it was asked which versions it keeps
        self._used: dict[tuple[str, str], float] = {}  # by the id of a node, and what was applied there: when
        self._fetching: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def run(self, asked: Serve | Ask, rows: Payload) -> None:
        """Have a node answer, and tell the front, to the end."""
        node = self._nodes.named(asked.node)
        if isinstance(asked, Serve):
            asked = msgspec.structs.replace(asked, origin=self._origin)
        if node is None:
            await self._send(Lost(asked.key, "the cluster has no such node any more"), NO_ROWS)
            return
        answered = False
        try:
            outcome, results = await self._answered(node, asked, rows)
            answered = True
            self._used[node.id, asked.served] = time.monotonic()
            await self._send(ApplyEnded(asked.key, outcome), Payload(results, escaped=outcome.escaped))
        except Unreached as error:
            await self._send(Lost(asked.key, str(error)), NO_ROWS)
        except OSError as error:
            await self._send(Lost(asked.key, f"the files of the version could not be read here ({error})"), NO_ROWS)
        except Exception as error:
            await self._send(Lost(asked.key, f"fault in the helper process: {error!r}"[:500]), NO_ROWS)
            raise
        finally:
            if not answered:
                self._nodes.forget(node, asked.key)  # also after a `Cancel`

    async def look(self, node: Reach) -> None:
        """Fetch what workers of a node have counted since their last answers; now and then, which versions it keeps.

        Raises:
            Unreached: the node does not answer.
        """
        oldest = time.monotonic() - UNUSED_SECONDS  # what was applied before, a node has ended
        self._used = {key: used for key, used in self._used.items() if used > oldest}
        if served := sorted(name for node_id, name in self._used if node_id == node.id):
            text = await self._nodes.call(node, "counted", served, seconds=SILENT_SECONDS)
            for name, counts in _COUNTED.decode(text):
                await self._send(Counted(name, counts), NO_ROWS)

        if self._origin and time.monotonic() - self._listed.get(node.id, -COPIES_SECONDS) >= COPIES_SECONDS:
            text = await self._nodes.call(node, "copies", self._origin, seconds=SILENT_SECONDS)
            self._listed[node.id] = time.monotonic()
            if copies := _COPIES.decode(text):
                await self._send(Copies(node.name, copies), NO_ROWS)

    async def drop(self, asked: Drop) -> None:
        """Have a node drop copies; one that does not answer is asked again after its next list."""
        if (node := self._nodes.named(asked.node)) is not None:
            with contextlib.suppress(Unreached):
                await self._nodes.call(node, "drop", list(asked.files_ids), self._origin, seconds=SILENT_SECONDS)

    async def _answered(self, node: Reach, asked: Serve | Ask, rows: Payload) -> tuple[ApplyOutcome, bytes]:
        outcome, results = await self._called(node, asked, rows)
        if outcome.unknown and isinstance(asked, Serve):
            async with self._fetching.setdefault((node.id, asked.files_id), asyncio.Lock()):
                outcome, results = await self._called(node, asked, rows)
                if outcome.unknown:
                    await self._push(node, asked)
                    outcome, results = await self._called(node, asked, rows)
        return outcome, results

    async def _called(self, node: Reach, asked: Serve | Ask, rows: Payload) -> tuple[ApplyOutcome, bytes]:
        """Call a node, and ask it again and again meanwhile whether it is there."""
        data = bytes(rows.view())
        carried = self._nodes.put(data) if len(data) > MIB else data
        method = "serve" if isinstance(asked, Serve) else "ask"
        seconds = asked.seconds + SILENT_SECONDS + len(data) / SLOWEST_BYTES
        call = self._nodes.call(node, method, _encode(asked), carried, rows.escaped, seconds=seconds)
        tasks = [asyncio.ensure_future(call), asyncio.create_task(self._told(node, asked.key))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            text, results = (tasks[0] if tasks[0] in done else tasks[1]).result()
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return _OUTCOME.decode(text), results

    async def _told(self, node: Reach, key: str) -> tuple[bytes, bytes]:
        """Pass on what is printed, until the node does not answer any more: then raise `Unreached`."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            if text := await self._nodes.call(node, "told", key, seconds=SILENT_SECONDS):
                await self._send(Event(key, Printed(text)), NO_ROWS)

    async def _push(self, node: Reach, asked: Serve) -> None:
        """Send the files of a version to a node.

        Raises:
            OSError: one cannot be read.
        """
        seconds = SILENT_SECONDS + PIECE_BYTES / SLOWEST_BYTES
        incoming = await self._nodes.call(node, "fetch", asked.key, seconds=SILENT_SECONDS)
        for each in asked.files:
            offset = 0
            with contextlib.closing(await asyncio.to_thread(open, Path(asked.folder) / each.path, "rb")) as file:
                while (piece := await asyncio.to_thread(file.read, PIECE_BYTES)) or not offset:
                    data = self._nodes.put(piece) if len(piece) > MIB else piece
                    await self._nodes.call(node, "write", incoming, each.path, data, offset, seconds=seconds)
                    offset += len(piece)
                    if not piece:
                        break
        size = sum(each.size for each in asked.files)
        files = _encode(asked.files)
        await self._nodes.call(
            node, "fetched", incoming, asked.files_id, files, seconds=SILENT_SECONDS + size / SLOWEST_BYTES
        )
