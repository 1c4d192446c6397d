"""How a worker ended, for the message of the request that it had."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from dltk_runtime.notebook.loader import coordinates_in, unpack


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended while it had a request."""

    cause: str  # "was ended by SIGSEGV", "passed its deadline of 600 s (DLTK_APPLY_TIMEOUT)"
    step: str
    coordinates: str = ""
    dump: str = ""  # what faulthandler wrote

    def __str__(self) -> str:
        where = f" at {self.coordinates}" if self.coordinates else ""
        return f"the worker process {self.cause} in step '{self.step}'{where}"


class WorkerDied(Exception):
    """The worker ended before it answered."""

    def __init__(self, death: Death) -> None:
        super().__init__(str(death))
        self.death = death


def cause_of(status: int) -> str:
    """What the exit status of a process says, as `subprocess` gives it."""
    if status >= 0:
        return f"ended by itself with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name
        name = f"signal {-status}"
    if name == "SIGKILL":
        return "was killed (SIGKILL), most likely because the container or machine ran out of memory,"
    return f"was ended by {name}"


def place_of(dump: str, code: bytes, function: str) -> str:
    """Where the worker was: what the dump of faulthandler says, else the place of the `function` it had entered.

    `code` is what `pack` made of the sources, for the text of the line.
    """
    place = coordinates_in(dump, unpack(code) if code else ())
    return str(place) if place else function
