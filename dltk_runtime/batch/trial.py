"""Try a version that a batch run has made, and decide on its promotion, as the server does after a fit."""

from __future__ import annotations

from dataclasses import replace

from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.batch.order import Prepared
from dltk_runtime.batch.task import Task, meta_of
from dltk_runtime.call import Request
from dltk_runtime.fit.options import FitOptions
from dltk_runtime.fit.promotion import Decision, Promoter
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.payload import Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.worker.messages import Fitted


def held_out(prepared: Prepared, given: Task, fitted: Fitted) -> Request | None:
    """Return the fit as a request, for its held-out rows; None without any."""
    if not given.holdout or prepared.data is None or prepared.data.suffix != ".csv":
        return None
    features = [each.name for each in fitted.features if each.name not in given.targets]
    rows = Payload(prepared.data.read_bytes(), escaped=False)
    return Request.of(rows, meta_of(given, features))


async def decide(
    version: Version,
    request: Request | None,
    options: FitOptions,
    *,
    settings: Settings,
    store: ModelStore,
    jobs: JobStore,
) -> Decision:
    """Load the version in a worker, as the next apply will, and decide on its promotion."""
    settings = replace(settings, spares=0)
    pool = Pool(settings)
    last = LastUsed(store, pool)
    try:
        await pool.start()
        applying = Applying(settings=settings, store=store, jobs=jobs, pool=pool, last=last, drift=Drift())
        return await Promoter(store, applying, settings.error_texts).settle(version, options, request)
    finally:
        await pool.close()
