"""Spares are started when no request runs: nothing of ours competes with the first applies after a fit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dltk_runtime.pool import memory, spares
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.spares import Spares

SPEC = Spec(1)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "REFILL_SECONDS", 0.001)
    monkeypatch.setattr(memory, "enough", lambda: True)


class Starts:
    """Stands for the start of workers."""

    def __init__(self) -> None:
        self.specs: list[Spec] = []
        self.first = asyncio.Event()

    def __call__(self, spec: Spec) -> Any:
        self.specs.append(spec)
        self.first.set()


def test_a_spare_waits_until_no_request_runs() -> None:
    answers = iter([False] * 5 + [True])

    async def body() -> None:
        start = Starts()
        Spares(start, 1, lambda seconds: next(answers)).request(SPEC)
        await start.first.wait()
        assert start.specs == [SPEC]
        assert next(answers, "asked six times") == "asked six times"

    asyncio.run(body())


def test_a_spare_is_started_even_if_requests_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "MAX_REFILL_SECONDS", 0.01)

    async def body() -> None:
        start = Starts()
        Spares(start, 1, lambda seconds: False).request(SPEC)
        await start.first.wait()

    asyncio.run(body())
