"""One fit: what it is while it runs, what it has committed, how it ends, and what it prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dltk_runtime import logs
from dltk_runtime.apply.choice import AskedFields
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import FIT_DONE
from dltk_runtime.fit.options import FitOptions
from dltk_runtime.fit.promotion import Decision
from dltk_runtime.fit.recorded import kept_notices, warned
from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.progress import PrintedProgress
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.store.store import Version
from dltk_runtime.tracking.interface import FitBegins
from dltk_runtime.worker.messages import Progress


@dataclass(eq=False)
class Training:
    """One fit to run, and its state.

    Attributes:
        imports: heavy imports of the notebook.
        cancelled: the reason why it was cancelled, a sentence; empty if it was not.
        committing: whether it is too late to cancel it.
        before: the version that was current before, of the algorithm that was fitted last; None if the
            search does not name its model.
    """

    job: Job
    request: Request
    name: ModelName
    options: FitOptions
    imports: tuple[str, ...]
    call: Call
    cancelled: str = ""
    committing: bool = False
    before: Version | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a fit. Warnings are sentences without a full stop."""

    version: VersionId
    decision: Decision
    rows: int
    results: Payload
    warnings: tuple[str, ...] = ()
    figures: str = ""  # of the version, by where they come from

    @property
    def text(self) -> str:
        """The message for the search."""
        return f"{FIT_DONE}. {self.decision.text}{self._measured}{warned(self.warnings)}"

    def recorded(self, texts: str) -> str:
        """Return the message for the job's record, by `DLTK_ERROR_TEXTS`."""
        return f"{FIT_DONE}. {self.decision.for_records}{self._measured}{warned(kept_notices(self.warnings, texts))}"

    @property
    def _measured(self) -> str:
        return f" Metrics: {self.figures}." if self.figures else ""


@dataclass(frozen=True, slots=True)
class Committed:
    """A version whose fit has not ended yet: what its worker said, or what is on disk of that.

    `failure` is the error of the fit's own apply.
    """

    version: Version
    rows: int
    description: bytes
    notices: Sequence[str]
    failure: AlgorithmFailed | None
    results: Payload = NO_ROWS


def begins(training: Training, number: int) -> FitBegins:
    """Return what a tracking server is told of a fit that will commit version `number`."""
    asked = AskedFields.of(training.request)
    return FitBegins(training.job.record, number, training.request.targets, asked.fields if asked else ())


def leave(job: Job, retries: int, what: str, who: str = "The server") -> None:
    """Put an asynchronous job whose server or node ended back into the queue, or end it.

    One whose version is committed stays as it is: the server that adopts it decides about the
    version. `what` happened to `who`: ``was stopped``.
    """
    attempts = max(job.record.attempts, 1)  # runtime 0.1.0 did not count
    if job.record.version is not None:
        job.release()
    elif attempts > retries:
        allowed = f"DLTK_FIT_RETRIES ({retries}) allows no further start"
        job.lose(f"{who} {what} while the fit ran, which was start {attempts}; {allowed}. Nothing was stored.")
    else:
        queued = f"The job is queued again; {retries + 1 - attempts} more starts are allowed (DLTK_FIT_RETRIES)."
        job.requeue(f"{who} {what} while the fit ran, which was start {attempts}. {queued}")


def printed_to(training: Training) -> Callable[[bytes], None]:
    """Return a callback that sends printed text to both logs and the progress reader."""
    job = training.job
    printed = logs.PrintedLines(job=job.id, algorithm=training.name.algorithm, model=training.name.model)
    progress = PrintedProgress()

    def output(text: bytes) -> None:
        job.write(text)
        printed.write(text)
        for found in progress.feed(text):
            job.progress(found.step, found.total, found.metrics, printed=True)

    return output


def reporter(job: Job) -> Callable[[Progress], None]:
    """Return a callback that takes progress which the notebook reports."""

    def report(progress: Progress) -> None:
        job.progress(progress.step, progress.total, progress.metrics)

    return report
