"""Apply stored versions without a server: for commands that measure or convert them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore


@contextlib.asynccontextmanager
async def applying_alone(settings: Settings, store: ModelStore) -> AsyncIterator[Applying]:
    """Start workers of one's own, without spares; end them afterwards."""
    jobs = JobStore(settings.paths, settings.keep_jobs, settings.log_bytes)
    settings = replace(settings, spares=0)
    pool = Pool(settings)
    await pool.start()
    try:
        last = LastUsed(store, pool)
        yield Applying(settings=settings, store=store, jobs=jobs, pool=pool, last=last, drift=Drift())
    finally:
        await pool.close()
