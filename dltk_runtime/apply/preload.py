"""Models that are loaded before the server says that it is ready, so that no search waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from dltk_runtime import logs
from dltk_runtime.apply.apply import Applying
from dltk_runtime.errors import DltkError
from dltk_runtime.store.store import ModelName, ModelStore


class Preload:
    """Loads some models, each in a worker that stays; one that cannot be loaded is logged and holds up nobody."""

    def __init__(self, names: Sequence[ModelName], store: ModelStore, applying: Applying) -> None:
        self._names = names
        self._store = store
        self._applying = applying
        self.done = not names

    async def run(self) -> None:
        """Load them all; `done` says when."""
        await asyncio.gather(*map(self._load, self._names))
        self.done = True

    async def _load(self, name: ModelName) -> None:
        try:
            problem = await self._applying.trial(self._store.serving(name))
        except DltkError as error:
            problem = error.sentence
        level = logging.WARNING if problem else logging.INFO
        logs.event("preload", level, algorithm=name.algorithm, model=name.model, outcome=problem or "success")
