"""A batch fit as a run of the tracking server; nothing where none is set."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Self

from dltk_runtime import logs
from dltk_runtime.fit.promotion import Decision
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.tracking.interface import FitBegins
from dltk_runtime.tracking.tracking import Tracking

SEND_SECONDS = 20.0  # after the run in which it is sent; the rest is left to a server or the next run


class Tracked:
    """The tracking of one batch run, as a context; started where a fit begins."""

    def __init__(self, settings: Settings, store: ModelStore) -> None:
        self._tracking = Tracking.of(settings)
        self._store = store
        self._started = False

    def begin(self, fit: FitBegins, jobs: JobRecords) -> dict[str, str]:
        """Make the run; return variables for the kernel's environment."""
        if self._tracking is None:
            return {}
        if not self._started:
            try:
                self._tracking.start(self._store, jobs)
            except OSError as error:
                logs.event("no tracking", logging.WARNING, error=str(error))
                self._tracking = None
                return {}
            self._started = True
        return asyncio.run(self._tracking.begin(fit))

    def committed(self, version: Version, decision: Decision, job: str, executed: Path) -> None:
        """Note the version, what was decided about it, and the executed notebook."""
        if self._tracking is not None:
            message = decision.for_records
            self._tracking.committed(version, job, promoted=decision.current, message=message, executed=executed)

    def ended(self, record: JobRecord) -> None:
        """Note a new state of the run's job."""
        if self._tracking is not None and self._started:
            self._tracking.ended(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tracking is not None and self._started:
            self._tracking.close(SEND_SECONDS)
