"""Calls to workers as the rest of the server sees them: answers of the right kind, or a `DltkError`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dltk_runtime import errors
from dltk_runtime.apply.read_ahead import Rows
from dltk_runtime.errors import AlgorithmFailed
from dltk_runtime.pool.outcome import Death, WorkerDied
from dltk_runtime.worker.messages import ErrorReport, Failed, FromWorker

Pieces = list[bytes | memoryview]
Wanted = TypeVar("Wanted")

# The opening of an error's text, by the step in which it happened; any other step belongs to apply.
OPENINGS = {
    "decode": errors.BAD_DATA,
    "code": errors.NOT_LOADED,
    "parameters": errors.NOT_INITIALIZED,
    "init": errors.NOT_INITIALIZED,
    "fit": errors.NOT_FITTED,
    "save": errors.NOT_SAVED,
    "stage": errors.NOT_STAGED,
}


@dataclass(eq=False)
class Call:
    """One request on its way: what is known of it, for the log and for whoever may drop it."""

    id: str
    route: str
    rows: Rows | None = None  # of an apply, which may be read while they arrive
    waiting: bool = True  # until a worker has it: a client that hangs up before is forgotten
    facts: dict[str, Any] = field(default_factory=dict)

    def spent(self, phases: Mapping[str, float]) -> None:
        """Add the seconds of phases that are over, in the order in which they were."""
        known: dict[str, float] = self.facts.setdefault("phases", {})
        for name, seconds in phases.items():
            known[name] = known.get(name, 0.0) + seconds


def failed(report: ErrorReport, addition: str = "") -> AlgorithmFailed:
    """The error for a worker's report; `addition` follows its sentence."""
    opening = OPENINGS.get(report.step, errors.NOT_APPLIED)
    sentence = f"{report}. {addition}" if addition else str(report)
    return AlgorithmFailed(opening, sentence, report.traceback, report.coordinates)


def expect(reply: FromWorker, kind: type[Wanted]) -> Wanted:
    """`reply`, which must be of this kind.

    Raises:
        AlgorithmFailed: it is `Failed`.
    """
    if isinstance(reply, Failed):
        raise failed(reply.error)
    if not isinstance(reply, kind):
        raise TypeError(f"a worker answered {type(reply).__name__} where {kind.__name__} was due")
    return reply


def report_of(death: Death) -> ErrorReport:
    """The report of a death, for a fit that goes on without its worker."""
    sentence = f"The worker process {death.cause} in step '{death.step}'"
    return ErrorReport(death.step, sentence, death.coordinates, death.dump)


@contextlib.contextmanager
def deaths_reported() -> Iterator[None]:
    """Turn the death of a worker into `AlgorithmFailed` with the place where it happened."""
    try:
        yield
    except WorkerDied as error:
        text = str(error.death)
        opening = OPENINGS.get(error.death.step, errors.NOT_APPLIED)
        raise AlgorithmFailed(
            opening, text[0].upper() + text[1:] + ".", error.death.dump, error.death.coordinates
        ) from error
