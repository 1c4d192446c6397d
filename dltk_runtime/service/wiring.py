"""The wiring of one server: each part is made once, from the settings.

What a server does not have, as a cluster, it does not import: each module takes a millisecond of its start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dltk_runtime.access.named import NamedTokens
from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.drift import Drift
from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.apply.last_used import LastUsed
from dltk_runtime.apply.preload import Preload
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.cards import cards_of
from dltk_runtime.fit.promotion import Decision, Promoter
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

if TYPE_CHECKING:
    from dltk_runtime.cluster.places import FitPlaces
    from dltk_runtime.tracking.tracking import Tracking


def build(settings: Settings, named: NamedTokens | None = None, checks: Checks | None = None) -> Service:
    """Wire the parts of one server; nothing runs before `Service.start`.

    `named` are the tokens whose bounds hold for fits.
    """
    shared = _Shared.of(settings, named or NamedTokens(None))
    applying = _applying(shared)
    return Service(
        settings=settings,
        store=shared.store,
        jobs=shared.jobs,
        pool=shared.pool,
        places=shared.places,
        drift=shared.drift,
        bounds=shared.bounds,
        fitting=Fitting(settings, shared.jobs, _trainer(shared, applying), shared.bounds),
        reporter=shared.reporter,
        applying=applying,
        staging=Staging(settings, shared.pool),
        preload=Preload(settings.preload, shared.store, applying, settings.error_texts),
        last=shared.last,
        drift_files=DriftFiles(settings.paths.drift, shared.store),
        tracking=shared.tracking,
        checks=checks or Checks(),
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What several parts of one server use."""

    settings: Settings
    reporter: EventReporter
    tracking: Tracking | None
    store: ModelStore
    jobs: JobStore
    pool: Pool
    places: FitPlaces | None
    drift: Drift
    last: LastUsed
    bounds: TokenBounds

    @classmethod
    def of(cls, settings: Settings, named: NamedTokens) -> Self:
        """Make them.

        Raises:
            StoreUnusable, NotStored, StoreUnreachable: the model store cannot be used.
            ClusterUnusable: the cluster is not safe to use, or Ray is not installed.
        """
        paths = settings.paths
        reporter, tracking = EventReporter(Events.of(settings)), _tracking(settings)
        store = ModelStore.open(paths, settings.keep_versions)
        store.prove()
        pool = Pool(settings)
        return cls(
            settings=settings,
            reporter=reporter,
            tracking=tracking,
            store=store,
            jobs=JobStore(paths, settings.keep_jobs, settings.log_bytes, _job_listener(reporter, tracking)),
            pool=pool,
            places=_places(settings, pool),
            drift=Drift(reporter.drifts),
            last=LastUsed(store, pool, paths.last_used),
            bounds=TokenBounds(named, store, paths.usage),
        )


def _applying(shared: _Shared) -> Applying:
    settings, pool, places = shared.settings, shared.pool, shared.places
    applies = None
    if places is not None:
        from dltk_runtime.cluster.apply_places import ApplyPlaces
        from dltk_runtime.cluster.copies import CopyCheck

        applies = ApplyPlaces(settings, pool, places.helper)
        places.applied = applies.applied
        CopyCheck(shared.store, places.helper)
    return Applying(
        settings=settings,
        store=shared.store,
        jobs=shared.jobs,
        pool=pool,
        last=shared.last,
        drift=shared.drift,
        places=applies,
    )


def _trainer(shared: _Shared, applying: Applying) -> Trainer:
    settings = shared.settings
    return Trainer(
        store=shared.store,
        pool=shared.pool,
        promotion=Promoter(shared.store, applying, settings.error_texts),
        last=shared.last,
        timeout=settings.fit_timeout,
        texts=settings.error_texts,
        retries=settings.fit_retries,
        on_decision=_decision_listener(shared.reporter, shared.tracking),
        on_gpu=shared.bounds.held_gpu,
        refuse_unknown=settings.refuse_unknown,
        places=shared.places,
        tracking=shared.tracking or NoTracking(),
        card=cards_of(settings),
        curves=settings.paths.curves if settings.mode == "DEV" else None,
    )


def _tracking(settings: Settings) -> Tracking | None:
    """Return what reports to the tracking server; None for a server without one."""
    if not settings.tracking_uri:
        return None
    from dltk_runtime.tracking.tracking import Tracking

    return Tracking.of(settings)


def _places(settings: Settings, pool: Pool) -> FitPlaces | None:
    """Return the places for fits on several machines; None for a server without a cluster.

    Raises:
        ClusterUnusable: the cluster is not safe to use, or Ray is not installed.
    """
    if not settings.cluster:
        return None
    from dltk_runtime.cluster import security
    from dltk_runtime.cluster.places import FitPlaces

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
