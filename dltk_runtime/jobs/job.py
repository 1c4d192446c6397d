"""One fit on its way, as the server that runs it sees it."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import cut
from dltk_runtime.jobs import series
from dltk_runtime.jobs.output import JobLog
from dltk_runtime.jobs.record import RECORD, Comparison, JobError, JobRecord, State, save
from dltk_runtime.jobs.submission import Claim, Submission

logger = logging.getLogger(__name__)

LOG = "log"
PROGRESS_EVERY = 0.25  # seconds between two notes of progress
OnState = Callable[[JobRecord], object]  # is told of each new state, and must neither wait nor raise


def tell_nobody(_: JobRecord) -> None:
    """The `OnState` of a store that nobody listens to."""


class Job:
    """One fit on its way. Its server alone changes it; the first end wins, and later ones are ignored.

    Once it exists, a record that cannot be written (a full disk) is logged and never stops the fit.
    """

    def __init__(
        self,
        folder: Path,
        record: JobRecord,
        log_bytes: int,
        claim: Claim | None = None,
        on_state: OnState = tell_nobody,
    ) -> None:
        self.record = record
        self._on_state = on_state
        self._claim = claim
        self._folder = folder
        self._log = JobLog(folder / LOG, log_bytes)
        self._phase_began = time.monotonic()
        self._told = False  # the notebook reports its progress itself
        self._progress_written = 0.0
        self._unwritten = False  # whether the record has changed since it was written

    @property
    def id(self) -> str:
        return self.record.id

    def start(self) -> None:
        """The job leaves the queue."""
        self._change(state=State.RUNNING, started=datetime.now(UTC))

    def phase(self, name: str) -> None:
        """The phase `name` begins, and the one before it ends."""
        self.enter(name)
        self.flush()

    def enter(self, step: str) -> None:
        """As `phase`, for a step that may be over at once: it is written with the next change, or by `flush`."""
        if not self.record.state.ended:
            self.record = msgspec.structs.replace(self.record, phases=self._measured(), phase=step)
            self._phase_began, self._unwritten = time.monotonic(), True

    def flush(self) -> None:
        """Write what is not written yet."""
        if self._unwritten:
            self._save()

    def progress(self, step: float, total: float, metrics: Mapping[str, float], *, printed: bool = False) -> None:
        """Note how far the fit is; what was read out of printed text (`printed`) yields to what the notebook says."""
        if printed and self._told:
            return
        self._told = self._told or not printed
        now = time.monotonic()
        if now - self._progress_written < PROGRESS_EVERY and step != total:
            return
        self._progress_written = now
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self._change(step=step, total=total, metrics={**self.record.metrics, **finite})
        with suppress(OSError):  # a full disk must not end the fit
            series.append(self._folder, step, finite)

    def write(self, text: bytes) -> None:
        """Add what user code printed to the log: any number of lines, or parts of them."""
        self._log.write(text)

    def touch(self) -> None:
        """Say that the job's server is still there."""
        if not self.record.state.ended:
            with suppress(OSError):
                os.utime(self._folder / RECORD)

    def succeed(
        self, *, rows: int, version: int, promoted: bool, message: str, comparison: Comparison | None = None
    ) -> None:
        """End the job: its fit committed `version`; `message` is the one that the search shows.

        `comparison` is what the promotion of the version was decided by, if anything.
        """
        self._end(
            State.SUCCEEDED, rows=rows, version=version, promoted=promoted, message=message, comparison=comparison
        )

    def fail(
        self,
        sentence: str,
        *,
        traceback: str = "",
        coordinates: str = "",
        rows: int | None = None,
        version: int | None = None,
        promoted: bool = False,
    ) -> None:
        """The fit failed. `version` is the one that was kept all the same, when only its apply raised."""
        error = JobError(cut(sentence), cut(coordinates), cut(traceback))
        self._end(State.FAILED, error=error, message=sentence, rows=rows, version=version, promoted=promoted)

    def cancel(self, message: str) -> None:
        """The job was ended on request, or nobody waited for it any more."""
        self._end(State.CANCELLED, message=message)

    def release(self) -> None:
        """Let another server have the job, which stays queued."""
        self._log.close()
        if self._claim is not None:
            self._claim.drop()

    def _end(
        self,
        state: State,
        *,
        message: str,
        rows: int | None = None,
        version: int | None = None,
        promoted: bool = False,
        error: JobError | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        if self.record.state.ended:
            return
        self._log.close()
        self._change(
            state=state,
            ended=datetime.now(UTC),
            phases=self._measured(),
            message=cut(message),
            rows=rows,
            version=version,
            promoted=promoted,
            error=error,
            comparison=comparison,
        )
        if self.record.asynchronous:
            Submission.remove(self._folder)
        if self._claim is not None:
            self._claim.drop()

    def _measured(self) -> dict[str, float]:
        """The seconds of each phase, the running one included."""
        phases = dict(self.record.phases)
        if name := self.record.phase:
            phases[name] = round(phases.get(name, 0.0) + time.monotonic() - self._phase_began, 6)
        return phases

    def _change(self, **changes: object) -> None:
        if self.record.state.ended:
            return
        self.record = msgspec.structs.replace(self.record, **changes)
        self._save()
        if "state" in changes:
            self._on_state(self.record)

    def _save(self) -> None:
        self._unwritten = False
        try:
            save(self._folder, self.record)
        except OSError as error:
            logger.warning("The record of job %s could not be written: %s", self.id, error)
