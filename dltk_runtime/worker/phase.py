"""The phases of a request: each is announced, and what it raises becomes a report."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from dltk_runtime.errors import cut
from dltk_runtime.notebook.coordinates import coordinates, format_traceback
from dltk_runtime.worker.failure import PhaseFailed, leave_fork, sentence
from dltk_runtime.worker.messages import Entered, ErrorReport


class Phases:
    """Runs the phases of this worker's requests.

    `send` gets an `Entered` for each phase, so that even the death of the process has coordinates.
    `place` gives the coordinates of a notebook's function, "" for one that it does not have;
    `advise` the next step for an error, "" for none.
    """

    def __init__(
        self,
        send: Callable[[Entered], None],
        place: Callable[[str], str],
        advise: Callable[[BaseException], str] = lambda _: "",
    ) -> None:
        self._send = send
        self._advise = advise
        self._place = place
        self._process = os.getpid()

    def call(self, phase: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the notebook as the phase of its name; returns what it returns.

        Raises:
            PhaseFailed: the function raised anything at all, SystemExit included.
        """
        with self.entered(phase):
            return function(*arguments)

    def entered(self, phase: str, function: str = "") -> AbstractContextManager[None]:
        """Enter `phase`.

        A phase that handles the result of the notebook's `function` fails under its name.

        Raises:
            PhaseFailed: the block raised anything at all, SystemExit included.
        """
        return _Guarded(self, function or phase, phase)

    def failing(self, phase: str) -> AbstractContextManager[None]:
        """Turn what the block raises into `PhaseFailed`; end a forked child that leaves the block.

        Raises:
            PhaseFailed: the block raised anything at all, SystemExit included.
        """
        return _Guarded(self, phase)

    def begin(self, phase: str, function: str) -> None:
        """Announce a phase, with the place of the notebook's `function`."""
        self._send(Entered(phase, self._place(function)))

    def end(self, phase: str, error: BaseException | None) -> None:
        """End a forked child that has left a block, with or without an `error`.

        Raises:
            PhaseFailed: there is an error, and it is not a report already.
        """
        if os.getpid() != self._process:
            leave_fork(error)
        if error is not None and not isinstance(error, PhaseFailed):
            raise PhaseFailed(self._report(phase, error)) from error

    def _report(self, phase: str, error: BaseException) -> ErrorReport:
        """Describe a failure at the innermost line of a notebook, else at the phase's function."""
        place = coordinates(error)
        return ErrorReport(
            phase=phase,
            sentence=sentence(error),
            coordinates=str(place) if place else self._place(phase),
            traceback=cut(format_traceback(error)),
            note=self._advise(error),
            kind=type(error).__name__,
        )


@dataclass(eq=False, slots=True)
class _Guarded:
    """A block of code as one of the `phases`, or as a part of one.

    It is no generator: a small apply has seven of these, and the frame of each would take longer.
    """

    phases: Phases
    function: str  # under whose name it fails
    enters: str = ""  # the phase that begins with it

    def __enter__(self) -> None:
        if self.enters:
            self.phases.begin(self.enters, self.function)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.phases.end(self.function, error)
