"""The state of a training by several nodes, between rank 0's node and where it outlives that node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from dltk_runtime.cluster.messages import Begin, Meet
from dltk_runtime.cluster.speeds import PIECE_BYTES, SILENT_SECONDS, SLOWEST_BYTES

AGAIN_SECONDS = 0.5  # before a rank that has not begun is told again


class Nodes(Protocol):
    """What this needs of `ray_nodes.RayNodes`."""

    def named(self, name: str) -> Any: ...
    async def call(self, node: Any, method: str, *arguments: object, seconds: float) -> Any: ...


class GangStates:
    """Copies states to and from nodes, for one helper process."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._meetings: set[asyncio.Task[None]] = set()

    def meet(self, message: Meet, under_way: Callable[[], bool]) -> None:
        """Tell a rank where rank 0 listens, once it has begun; that its node is lost is found by what follows its fit.

        `under_way` says whether something does.
        """
        task = asyncio.create_task(self._meet(message, under_way))
        self._meetings.add(task)
        task.add_done_callback(self._meetings.discard)

    async def begin(self, begin: Begin) -> bytes:
        """Return the state that rank 0 goes on from; empty without one."""
        if not begin.keep or begin.fit.gang is None or begin.fit.gang.rank:
            return b""
        try:
            return await asyncio.to_thread(Path(begin.keep).read_bytes)
        except OSError:
            return b""

    async def keep(self, node: Any, begin: Begin) -> None:
        """Copy what rank 0 has kept last, whole or not at all; where that cannot be written, an older one stays.

        Raises:
            Unreached: its node does not answer.
        """
        if not begin.keep:
            return
        size: int = await self._nodes.call(node, "kept", begin.key, seconds=SILENT_SECONDS)
        if not size:
            return
        new = Path(f"{begin.keep}.{begin.key}")
        try:
            with await asyncio.to_thread(new.open, "wb") as file:
                at = 0
                while at < size:
                    seconds = SILENT_SECONDS + PIECE_BYTES / SLOWEST_BYTES
                    piece = await self._nodes.call(node, "read_kept", begin.key, at, PIECE_BYTES, seconds=seconds)
                    at += await asyncio.to_thread(file.write, piece)
                    if not piece:
                        return
            await asyncio.to_thread(new.replace, begin.keep)
        except OSError:
            return
        finally:
            await asyncio.to_thread(new.unlink, missing_ok=True)

    async def _meet(self, message: Meet, under_way: Callable[[], bool]) -> None:
        while under_way():  # its rows may still be on their way
            if (node := self._nodes.named(message.node)) is not None:
                with suppress(Exception):  # as said above
                    if await self._nodes.call(node, "meet", message.key, message.text, seconds=SILENT_SECONDS):
                        return
            await asyncio.sleep(AGAIN_SECONDS)
