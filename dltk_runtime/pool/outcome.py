"""How a call to a worker ends: an answer of the expected kind, or an error for the search."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from dltk_runtime import errors
from dltk_runtime.notebook.coordinates import coordinates_in
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.notebook.source import unpack
from dltk_runtime.worker.messages import ErrorReport, Failed, Fitted, FromWorker

UNSENT_PHASE = "send"  # in which a worker has not seen the request: it ran nothing, so another one may
MAX_TRIES = 3  # workers that may be found dead, one after another
DEATH_EXIT = "exit"  # by itself, or by a call of the notebook
DEATH_SIGNAL = "signal"  # a crash such as SIGSEGV
DEATH_KILLED = "killed"  # SIGKILL from outside, such as the kernel's for memory
DEATH_MEMORY = "memory"  # more than DLTK_WORKER_MEMORY
DEATH_DEADLINE = "deadline"
DEATH_CHANNEL = "channel"  # it closed its channel to the server
DEATHS = (DEATH_EXIT, DEATH_SIGNAL, DEATH_KILLED, DEATH_MEMORY, DEATH_DEADLINE, DEATH_CHANNEL)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended while it had a request."""

    cause: str  # "was ended by SIGSEGV", "passed its deadline of 600 s (DLTK_APPLY_TIMEOUT)"
    phase: str
    coordinates: str = ""
    dump: str = ""  # what faulthandler wrote

    def __str__(self) -> str:
        where = f" at {self.coordinates}" if self.coordinates else ""
        return f"the worker process {self.cause} in step '{self.phase}'{where}"


class WorkerDied(Exception):
    """The worker ended before it answered; `saved` is the fit whose model it had saved by then."""

    def __init__(self, death: Death, saved: Fitted | None = None) -> None:
        super().__init__(str(death))
        self.death = death
        self.saved = saved


def kind_of(status: int) -> str:
    """Return the one of `DEATHS` that an exit status means."""
    if status >= 0:
        return DEATH_EXIT
    return DEATH_KILLED if status == -signal.SIGKILL else DEATH_SIGNAL


KILLED = "was killed (SIGKILL), most likely because the container or machine ran out of memory,"


def cause_of(status: int) -> str:
    """Explain the exit status of a process, as `subprocess` gives it."""
    if status >= 0:
        return f"ended by itself with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name
        name = f"signal {-status}"
    if name == "SIGKILL":
        return KILLED
    return f"was ended by {name}"


def place_of(dump: str, code: bytes, function: str) -> str:
    """Return where the worker was: by faulthandler's dump, else the `function` it had entered.

    `code` is the sources as `notebook.source.pack` encodes them, for the text of the line.
    """
    place = coordinates_in(dump, unpack(code) if code else ())
    return str(place) if place else function


Wanted = TypeVar("Wanted")


# The opening of an error's text, by the phase in which it happened; other phases are apply's.
OPENINGS = {
    "decode": errors.BAD_DATA,
    "code": errors.NOT_LOADED,
    "parameters": errors.NOT_INITIALIZED,
    "init": errors.NOT_INITIALIZED,
    "fit": errors.NOT_FITTED,
    "save": errors.NOT_SAVED,
    "stage": errors.NOT_STAGED,
    "to_onnx": errors.NOT_EXPORTED,
}


def failed(report: ErrorReport, addition: str = "") -> AlgorithmFailed:
    """Return the error for a worker's report; `addition` follows its sentence."""
    opening = OPENINGS.get(report.phase, errors.NOT_APPLIED)
    sentence = f"{report}. {addition}" if addition else str(report)
    return AlgorithmFailed(opening, sentence, report.traceback, report.coordinates, report.kind)


def expect(reply: FromWorker, kind: type[Wanted]) -> Wanted:
    """Return `reply`, which must be of this kind.

    Raises:
        AlgorithmFailed: it is `Failed`.
    """
    if isinstance(reply, Failed):
        raise failed(reply.error)
    if not isinstance(reply, kind):
        raise TypeError(f"a worker answered {type(reply).__name__} where {kind.__name__} was due")
    return reply


def report_of(death: Death) -> ErrorReport:
    """Return a report of a death, for a fit that is committed without its worker."""
    sentence = f"The worker process {death.cause} in step '{death.phase}'"
    return ErrorReport(death.phase, sentence, death.coordinates, death.dump, kind=sentence)


@contextlib.contextmanager
def deaths_reported() -> Iterator[None]:
    """Turn the death of a worker into `AlgorithmFailed` with the place where it happened."""
    try:
        yield
    except WorkerDied as error:
        death, text = error.death, str(error.death)
        opening = OPENINGS.get(death.phase, errors.NOT_APPLIED)
        kind = f"The worker process {death.cause} in step '{death.phase}'"
        sentence = text[0].upper() + text[1:] + "."
        raise AlgorithmFailed(opening, sentence, death.dump, death.coordinates, kind) from error


async def retry_unsent(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Retry up to `MAX_TRIES` times if a worker died before it saw the request."""
    for _ in range(MAX_TRIES - 1):
        try:
            return await attempt()
        except WorkerDied as error:
            if error.death.phase != UNSENT_PHASE:
                raise
    return await attempt()
