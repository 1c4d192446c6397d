"""Load models before the server is ready, so that no search waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from dltk_runtime import logs
from dltk_runtime.apply.apply import Applying
from dltk_runtime.errors import DltkError
from dltk_runtime.store.asking import ask
from dltk_runtime.store.store import ModelName, ModelStore


class Preload:
    """Loads models, each in a worker that stays. A failure is logged and delays nothing."""

    def __init__(self, names: Sequence[ModelName], store: ModelStore, applying: Applying, texts: str) -> None:
        self._names = names
        self._store = store
        self._applying = applying
        self._texts = texts
        self.done = not names

    async def run(self) -> None:
        """Load them all, then set `done`."""
        await asyncio.gather(*map(self._load, self._names))
        self.done = True

    async def _load(self, name: ModelName) -> None:
        try:
            problem = await self._applying.trial(await ask(self._store, self._store.serving, name))
        except DltkError as error:
            problem = error
        outcome = problem.worded(self._texts) if problem else "success"
        level = logging.WARNING if problem else logging.INFO
        logs.event("preload", level, algorithm=name.algorithm, model=name.model, outcome=outcome)
