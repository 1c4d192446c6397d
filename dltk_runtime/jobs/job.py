"""A running job, as the server that runs it changes it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import cut
from dltk_runtime.jobs.claim import ClaimLost
from dltk_runtime.jobs.errors import JobTaken
from dltk_runtime.jobs.place import JobPlace
from dltk_runtime.jobs.record import Comparison, JobError, JobRecord, State

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25  # between two writes of progress
OnState = Callable[[JobRecord], object]  # called with each new state; must neither block nor raise


class Job:
    """A job that is queued or runs. Only its server changes it; ends after the first do nothing.

    A record that can no longer be written (a full disk) is logged and never stops the fit. An end
    that cannot be written is kept: the job stays this server's until `flush` has written it, or any
    server would run the fit again at once. `on_unwritten` is called then, to hold the job so long.
    Once another server has an asynchronous job, nothing that happens here reaches its record.
    """

    def __init__(
        self,
        place: JobPlace,
        record: JobRecord,
        on_state: OnState | None = None,
        on_unwritten: Callable[[Job], object] | None = None,
    ) -> None:
        self.record = record
        self._place = place
        self._on_state = on_state
        self._on_unwritten = on_unwritten
        self._phase_began = time.monotonic()
        self._notebook_reports = False
        self._progress_written = 0.0
        self._unwritten = False  # the record has changed since it was written
        self._refused = False  # the last write of the record failed
        self.taken = False  # another server has it

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def state_of_training(self) -> Path:
        """Where the state of a training may be kept until the job ends: how its files' names begin."""
        return self._place.state_of_training

    def start(self) -> None:
        """Take the job out of the queue."""
        attempts, now = self.record.attempts + 1, datetime.now(UTC)
        waited = max(0.0, round((now - self.record.created).total_seconds(), 3))
        self._change(state=State.RUNNING, started=now, attempts=attempts, message="", queue_seconds=waited)

    def held_gpu(self, seconds: float) -> None:
        """Add to the seconds that the fit held a GPU; they are written with the next change."""
        total = round((self.record.gpu_seconds or 0.0) + seconds, 3)
        self.record, self._unwritten = msgspec.structs.replace(self.record, gpu_seconds=total), True

    def reserve(self, number: int) -> None:
        """Record the version number that the fit will commit, before it can commit it.

        Raises:
            JobTaken: another server has the job.
            OSError: it cannot be written; for an asynchronous job only.
        """
        self.record = msgspec.structs.replace(self.record, reserved=number)
        if not self.record.asynchronous:
            self._unwritten = True
            return
        try:
            self._place.save(self.record, durable=True)
        except ClaimLost:
            self.taken = True
            raise JobTaken(self.id) from None

    def failing(self, sentence: str, *, traceback: str, coordinates: str) -> None:
        """Record that the fit's own apply raised, before its version is committed."""
        self._change(error=JobError(cut(sentence), cut(coordinates), cut(traceback)))

    def committed(self, number: int) -> None:
        """Record that the version exists; its fit has not decided on its promotion."""
        self._change(version=number)

    def check(self) -> None:
        """Make sure that the job is still this server's.

        Raises:
            JobTaken: another server has it.
        """
        self.touch()
        if self.taken:
            raise JobTaken(self.id)

    def phase(self, name: str) -> None:
        """Begin the phase `name`, and end the one before it."""
        self.enter(name)
        self.flush()

    def enter(self, phase: str) -> None:
        """Begin a phase that may be short: it is written with the next change, or by `flush`."""
        if not self.record.state.ended:
            self.record = msgspec.structs.replace(self.record, phases=self._measured(), phase=phase)
            self._phase_began, self._unwritten = time.monotonic(), True

    @property
    def owes_its_end(self) -> bool:
        """Whether the job has ended, and its record does not say so yet."""
        return self.record.state.ended and self._unwritten

    def flush(self) -> None:
        """Write what is not written yet."""
        owed = self.owes_its_end
        if self._unwritten:
            written = self._save()
            if owed and not self.owes_its_end:
                self._leave(written)

    def progress(self, step: float, total: float, metrics: Mapping[str, float], *, printed: bool = False) -> None:
        """Record the progress of the fit: `step` of `total`, and the metrics of that step.

        Progress from `printed` text is ignored once the notebook has reported progress itself.
        """
        if printed and self._notebook_reports:
            return
        self._notebook_reports = self._notebook_reports or not printed
        now = time.monotonic()
        if now - self._progress_written < PROGRESS_SECONDS and step != total:
            return
        self._progress_written = now
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self._change(step=step, total=total, metrics={**self.record.metrics, **finite})
        with suppress(OSError):  # a full disk must not end the fit
            self._place.add_metrics(step, finite)

    def write(self, text: bytes) -> None:
        """Add printed text to the log: any number of lines, or parts of them."""
        if not self.taken:
            self._place.write_log(text)

    def touch(self) -> None:
        """Mark the job as alive."""
        if (not self.record.state.ended or self._unwritten) and not self.taken:
            try:
                self._place.touch()
            except ClaimLost:
                self.taken = True

    def succeed(
        self, *, rows: int, version: int, promoted: bool, message: str, comparison: Comparison | None = None
    ) -> None:
        """End the job: its fit committed `version`; `message` is the one that the search shows.

        `comparison` holds the figures that the promotion was decided by, if any.
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
        """End the job with an error; `version` was committed: the fit's apply failed, or what came after it."""
        version = self.record.version if version is None else version
        error = JobError(cut(sentence), cut(coordinates), cut(traceback))
        self._end(State.FAILED, error=error, message=sentence, rows=rows, version=version, promoted=promoted)

    def cancel(self, message: str) -> None:
        """End the job on request, or because its search no longer waits for it."""
        self._end(State.CANCELLED, message=message)

    def lose(self, message: str) -> None:
        """End an asynchronous job that was started as often as allowed, and did not come to its end."""
        self._end(State.LOST, error=JobError(cut(message)), message=message)

    def requeue(self, message: str) -> None:
        """Put an asynchronous job back into the queue, for any server; `message` says why."""
        self.write(f"[{message}]\n".encode())
        begun: dict[str, object] = {"started": None, "phase": "", "phases": {}, "reserved": None, "version": None}
        self._change(state=State.QUEUED, message=message, step=0.0, total=0.0, metrics={}, error=None, **begun)
        self.release()

    def release(self) -> None:
        """Leave the job as it is, for any server to adopt."""
        self._place.close_log()
        self._place.give_back()

    def _end(self, state: State, *, message: str, **result: object) -> None:
        if self.record.state.ended:
            return
        self._place.close_log()
        ended = {"state": state, "ended": datetime.now(UTC), "phases": self._measured(), "message": cut(message)}
        written = self._change(**ended, **result)
        if not self._unwritten:
            self._leave(written)
        elif self._on_unwritten is not None:
            self._on_unwritten(self)

    def _leave(self, written: bool) -> None:
        """Give up the job; where its end is not written, whoever takes it up next needs its rows."""
        if written and self.record.asynchronous:
            self._place.remove_submission()
        self._place.leave()

    def _measured(self) -> dict[str, float]:
        """Return the seconds of each phase, the running one included."""
        phases = dict(self.record.phases)
        if name := self.record.phase:
            phases[name] = round(phases.get(name, 0.0) + time.monotonic() - self._phase_began, 6)
        return phases

    def _change(self, **changes: object) -> bool:
        """Change the record; return whether it was written."""
        if self.record.state.ended or self.taken:
            return False
        self.record = msgspec.structs.replace(self.record, **changes)
        written = self._save()
        if "state" in changes and self._on_state is not None and not self.taken:
            self._on_state(self.record)
        return written

    def _save(self) -> bool:
        self._unwritten = False
        if self.taken:
            return False
        try:
            self._place.save(self.record)
        except ClaimLost:
            self.taken = True
        except OSError as error:
            if not self._refused:  # an end is tried again twice a second
                logger.warning("The record of job %s could not be written: %s", self.id, error)
            self._refused, self._unwritten = True, self.record.state.ended
        else:
            self._refused = False
            return True
        return False
