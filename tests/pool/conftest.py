"""Real worker processes for tests, without a server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psutil
import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.settings import Settings
from tests.support.descriptors import descriptors


@pytest.fixture
def settings(paths: Paths) -> Settings:
    return Settings(home=paths.home, notebooks=paths.notebooks, spares=0, apply_workers=2)


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    guardian = Guardian()
    yield guardian
    guardian.close()


@pytest.fixture
def run() -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Runs a coroutine; fails when the event loop had to report an error, or when descriptors or children are left."""

    def run(body: Callable[[], Awaitable[None]]) -> None:
        this = psutil.Process()
        open_before, children_before = descriptors(), set(this.children())
        complaints: list[dict[str, Any]] = []

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            await body()
            gc.collect()  # futures whose errors nobody took complain when they go

        asyncio.run(watched())
        assert complaints == []
        assert descriptors() <= open_before
        assert set(this.children()) <= children_before

    return run
