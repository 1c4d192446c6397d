"""The wiring of one server: each part is made once, from the settings."""

from __future__ import annotations

import os
from collections.abc import Callable

from dltk_runtime.access.named import NamedTokens
from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.apply.preload import Preload
from dltk_runtime.cluster import security
from dltk_runtime.cluster.apply_places import ApplyPlaces
from dltk_runtime.cluster.copies import CopyCheck
from dltk_runtime.cluster.places import FitPlaces
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.cards import cards_of
from dltk_runtime.fit.promotion import Decision, Promotion
from dltk_runtime.fit.queue import Fitting
from dltk_runtime.fit.train import Trainer
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.pool.pool import Pool
from dltk_runtime.service.checks import Checks
from dltk_runtime.service.events import EventReporter
from dltk_runtime.service.service import Service
from dltk_runtime.service.stage import Staging
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.events import Events
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.tracking.interface import NoTracking
from dltk_runtime.tracking.tracking import Tracking


def build(settings: Settings, named: NamedTokens | None = None, checks: Checks | None = None) -> Service:
    """Wire the parts of one server; nothing runs before `Service.start`.

    `named` are the tokens whose bounds hold for fits.
    """
    paths = settings.paths
    reporter = EventReporter(Events.of(settings))
    store = ModelStore.open(paths, settings.keep_versions)
    store.prove()
    tracking = Tracking.of(settings)
    jobs = JobStore(paths, settings.keep_jobs, settings.log_bytes, _job_listener(reporter, tracking))
    pool = Pool(settings)
    places = _places(settings, pool)
    applies = ApplyPlaces(settings, pool, places.helper) if places is not None else None
    if places is not None and applies is not None:
        places.applied = applies.applied
        CopyCheck(store, places.helper)
    drift = Drift(reporter.drifts)
    last = LastUsed(store, pool, paths.last_used)
    applying = Applying(
        settings=settings,
        store=store,
        jobs=jobs,
        pool=pool,
        last=last,
        drift=drift,
        places=applies,
    )
    bounds = TokenBounds(named or NamedTokens(None), store, paths.usage)
    trainer = Trainer(
        store=store,
        pool=pool,
        promotion=Promotion(store, applying, settings.error_texts),
        last=last,
        timeout=settings.fit_timeout,
        texts=settings.error_texts,
        retries=settings.fit_retries,
        on_decision=_decision_listener(reporter, tracking),
        on_gpu=bounds.held_gpu,
        refuse_unknown=settings.refuse_unknown,
        places=places,
        tracking=tracking or NoTracking(),
        card=cards_of(settings),
        curves=paths.curves if settings.mode == "DEV" else None,
    )
    return Service(
        settings=settings,
        store=store,
        jobs=jobs,
        pool=pool,
        places=places,
        drift=drift,
        bounds=bounds,
        fitting=Fitting(settings, jobs, trainer, bounds),
        reporter=reporter,
        applying=applying,
        staging=Staging(settings, pool),
        preload=Preload(settings.preload, store, applying, settings.error_texts),
        last=last,
        drift_files=DriftFiles(paths.drift, store),
        tracking=tracking,
        checks=checks or Checks(),
    )


def _places(settings: Settings, pool: Pool) -> FitPlaces | None:
    """Return the places for fits on several machines; None for a server without a cluster.

    Raises:
        ClusterUnusable: the cluster is not safe to use, or Ray is not installed.
    """
    if not settings.cluster:
        return None
    security.check(settings, os.environ)
    return FitPlaces(settings=settings, pool=pool)


def _job_listener(reporter: EventReporter, tracking: Tracking | None) -> Callable[[JobRecord], None]:
    """Return what is called with each new state of a job."""

    def changed(record: JobRecord) -> None:
        reporter.job(record)
        if tracking is not None:
            tracking.ended(record)

    return changed


def _decision_listener(
    reporter: EventReporter, tracking: Tracking | None
) -> Callable[[Version, Decision, JobRecord], None]:
    """Return what is called with each committed version, the decision about it, and its job."""

    def decided(version: Version, decision: Decision, job: JobRecord) -> None:
        reporter.decided(version, decision, job)
        if tracking is not None:
            tracking.committed(version, job.id, promoted=decision.current, message=decision.for_records)

    return decided
