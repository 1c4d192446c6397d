"""Has nodes drop the files of versions that the store has no more: forgotten, deleted or pruned ones.

::

    helper ── Copies: what a node keeps of this home ──> is it in the store? ── Drop: what is not ──> helper
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from pathlib import Path

from dltk_runtime.cluster.apply_messages import Copies, Copy, Drop
from dltk_runtime.cluster.helper import Helper
from dltk_runtime.cluster.remote_apply import files_id
from dltk_runtime.errors import DltkError, StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName
from dltk_runtime.store.store import ModelStore

ORIGIN = "cluster/origin"  # in the home


class CopyCheck:
    """Compares what nodes keep with one store."""

    def __init__(self, store: ModelStore, helper: Helper) -> None:
        self._store = store
        self._helper = helper
        self._looks: dict[str, asyncio.Task[None]] = {}  # by the name of a node
        helper.on_copies = self._take

    def gone(self, copies: Iterable[Copy]) -> list[str]:
        """Return by their files the versions that are not in the store, or have other files there; reads the disk."""
        try:
            self._store.check_presence()
            return [each.files_id for each in copies if not self._has(each)]
        except (DltkError, OSError):  # nobody knows: they stay until the next look
            return []

    def _has(self, copy: Copy) -> bool:
        name = ModelName(copy.algorithm, copy.model)
        for version in self._store.versions(name):
            if version.number == copy.number:
                try:
                    return files_id(name.algorithm, version.manifest().files) == copy.files_id
                except StoreDamaged:
                    return True
        return False

    def _take(self, copies: Copies) -> None:
        if copies.node not in self._looks:
            self._looks[copies.node] = task = asyncio.ensure_future(self._look(copies))
            task.add_done_callback(lambda _: self._looks.pop(copies.node, None))

    async def _look(self, copies: Copies) -> None:
        if gone := await asyncio.to_thread(self.gone, copies.copies):
            await self._helper.send(Drop(copies.node, tuple(gone)))


def origin_of(home: Path) -> str:
    """Return what names a home to nodes, the same for all servers of it; made once."""
    path = home / ORIGIN
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.create(path, secrets.token_hex(16).encode())
    return path.read_text(encoding="ascii").strip()
