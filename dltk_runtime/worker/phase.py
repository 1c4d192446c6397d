"""The phases of a request: each is announced, and what it raises becomes a report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
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

    @contextlib.contextmanager
    def entered(self, phase: str, function: str = "") -> Iterator[None]:
        """Enter `phase`.

        A phase that handles the result of the notebook's `function` fails under its name.

        Raises:
            PhaseFailed: the block raised anything at all, SystemExit included.
        """
        self._send(Entered(phase, self._place(function or phase)))
        with self.failing(function or phase):
            yield

    @contextlib.contextmanager
    def failing(self, phase: str) -> Iterator[None]:
        """Turn what the block raises into `PhaseFailed`; end a forked child that leaves the block.

        Raises:
            PhaseFailed: the block raised anything at all, SystemExit included.
        """
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt too: notebooks raise anything
            failure = error
        if os.getpid() != self._process:
            leave_fork(failure)
        if isinstance(failure, PhaseFailed):
            raise failure
        if failure is not None:
            raise PhaseFailed(self._report(phase, failure)) from failure

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
