"""Who runs where: leases, waiting, spares, and no worker that nobody knows of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.resident import Resident
from dltk_runtime.pool.worker import SILENT, discard
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Loaded

pytestmark = pytest.mark.process

Run = Callable[[Callable[[], Awaitable[None]]], None]
A, B, C = (VersionId(ModelName(name, "m"), 1) for name in "abc")


@contextlib.asynccontextmanager
async def pool_of(settings: Settings) -> AsyncIterator[Pool]:
    pool = Pool(settings)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def nothing() -> tuple[str, ...]:
    """The heavy imports of these notebooks."""
    return ()


@contextlib.asynccontextmanager
async def lease(pool: Pool, key: VersionId, seconds: float = 20) -> AsyncIterator[Resident]:
    async with pool.lease(key, nothing, discard, time.monotonic() + seconds) as resident:
        resident.loaded = resident.loaded or Loaded(states=())
        yield resident


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(0.01)


def test_of_two_idle_workers_the_one_that_read_the_rows_gets_them(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(replace(settings, api_workers=2)) as pool:
            async with lease(pool, A) as one, lease(pool, A) as other:
                first, second = one.worker, other.worker
            one_ahead = pool.read_ahead(A, pool.buffer(), 1)
            other_ahead = pool.read_ahead(A, pool.buffer(), 1)
            assert one_ahead is not None
            assert other_ahead is not None
            assert one_ahead.number_for(first) > 0
            assert other_ahead.number_for(second) > 0
            assert pool.read_ahead(A, pool.buffer(), 1) is None
            deadline = time.monotonic() + 20
            other_ahead.close()
            for ahead, found in ((one_ahead, first), (other_ahead, second), (None, second)):
                async with pool.lease(A, nothing, discard, deadline, ahead) as resident:
                    assert resident.worker is found
            one_ahead.close()

    run(body)


def test_a_worker_stays_for_its_model_and_the_least_used_one_goes_first(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(settings) as pool:  # with two places
            pids: dict[VersionId, int] = {}
            for key in (A, B, A, C):
                async with lease(pool, key) as resident:
                    assert pids.setdefault(key, resident.worker.pid) == resident.worker.pid
            await until(lambda: {each.pid for each in pool.workers()} == {pids[A], pids[C]})

    run(body)


def test_who_waits_gets_the_worker_or_is_told_which_setting_was_in_the_way(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(replace(settings, max_waiting=1)) as pool:
            async with lease(pool, A) as first:
                with pytest.raises(Busy, match="DLTK_APPLY_TIMEOUT"):
                    await lease(pool, A, seconds=0.05).__aenter__()
                waiting = asyncio.create_task(lease(pool, A).__aenter__())
                await asyncio.sleep(0)
                with pytest.raises(Busy, match="DLTK_MAX_WAITING"):
                    await lease(pool, A).__aenter__()
            assert await waiting is first

    run(body)


def test_a_lease_that_is_dropped_while_its_worker_starts_leaves_none(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(settings) as pool:
            asked = asyncio.create_task(lease(pool, A).__aenter__())
            await until(pool.workers)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await until(lambda: not pool.workers())

    run(body)


def test_a_lease_that_is_given_up_leaves_the_model_loaded_where_no_call_runs(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(settings) as pool:
            held: list[Resident] = []

            async def hold() -> None:
                async with lease(pool, A) as resident:
                    held.append(resident)
                    await asyncio.Event().wait()

            holding = asyncio.create_task(hold())
            await until(lambda: held)
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            async with pool.lease(A, nothing, discard, time.monotonic() + 20) as again:
                assert again is held[0]
                assert again.loaded is not None

    run(body)


def test_a_fit_that_is_dropped_while_its_worker_starts_gives_its_place_back(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(replace(settings, fit_workers=1)) as pool:
            asked = asyncio.create_task(pool.fit_worker("a", (), "a fit", SILENT).__aenter__())
            await until(pool.workers)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            async with pool.fit_worker("a", (), "a fit", SILENT) as worker:
                assert cast(LocalWorker, worker).usable
            assert cast(LocalWorker, worker).ended

    run(body)


def test_a_busy_worker_of_an_old_version_ends_when_it_is_given_back(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(settings) as pool:
            async with lease(pool, A) as resident:
                pool.retire(A.name, keep={2})
                assert resident.worker.usable
                assert pool.versions_in_use(A.name) == {1}
            assert pool.versions_in_use(A.name) == set()
            assert not resident.worker.usable

    run(body)


def test_a_spare_takes_the_next_request_and_a_dead_one_takes_none(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(replace(settings, spares=1)) as pool:
            await until(pool.workers)
            (spare,) = pool.workers()
            async with lease(pool, A) as resident:
                assert resident.worker is spare
            await until(lambda: len(pool.workers()) == 2)
            (other,) = (each for each in pool.workers() if each is not spare)
            os.kill(other.pid, signal.SIGKILL)
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the event loop must not see it yet
            async with lease(pool, B) as resident:
                assert resident.worker.usable
                assert resident.worker is not other

    run(body)


def test_a_worker_that_is_killed_while_it_starts_is_replaced(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(settings) as pool:
            asked = asyncio.create_task(lease(pool, A).__aenter__())
            await until(pool.workers)
            (first,) = pool.workers()
            first.kill()
            assert (await asked).worker is not first

    run(body)


def test_a_closed_pool_ends_its_workers_and_starts_no_more(settings: Settings, run: Run) -> None:
    async def body() -> None:
        async with pool_of(replace(settings, spares=1)) as pool, lease(pool, A) as resident:
            await pool.close()
            assert resident.worker.ended
            with pytest.raises(WorkerDied, match="the server stops"):
                async with lease(pool, B):
                    pass

    run(body)
