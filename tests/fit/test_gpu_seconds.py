"""A fit that holds a GPU of its own is measured, however it ends; the bound of its token counts it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.access.actor import Actor
from dltk_runtime.access.named import NamedTokens
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.train import Trainer
from dltk_runtime.fit.training import Training
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelStore


@pytest.mark.parametrize("on_gpu", [True, False])
def test_the_seconds_on_a_gpu_are_in_the_record_and_count_for_the_day(on_gpu: bool, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home", tmp_path / "notebooks")
    job = JobStore(paths, keep=5, log_bytes=1000).create(ModelName("a", "m"), {}, actor=Actor(owner="trainers"))
    bounds = TokenBounds(NamedTokens(None), ModelStore.open(paths, keep=5), paths.usage)
    trainer = object.__new__(Trainer)
    trainer.pool = cast(Any, SimpleNamespace(waits_for_gpu=lambda _: on_gpu))
    trainer.on_gpu = bounds.held_gpu
    training = cast(Training, SimpleNamespace(job=job, imports=("torch",)))

    async def fit() -> None:
        for _ in range(2):
            with suppress(ZeroDivisionError), trainer._gpu_measured(training):
                await asyncio.sleep(0.01)
                raise ZeroDivisionError
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(fit())
    job.fail("it failed")
    seconds = job.record.gpu_seconds
    assert (seconds is not None and seconds >= 0.02) is on_gpu
    assert bounds.gpu_seconds("trainers") == pytest.approx(seconds or 0.0, abs=0.01)
