"""The steps of running fits, sent while they run as far as the server keeps up.

Nothing depends on it: what did not go, for whatever reason, is sent when the fit ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime import logs
from dltk_runtime.files import atomic
from dltk_runtime.jobs.output import METRICS
from dltk_runtime.tracking.child import TrackingHelper
from dltk_runtime.tracking.facts import TrackingLine
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.tracking.wire import SendOutcome

LOOK_SECONDS = 3.0  # between two looks at the running fits
ANSWER_SECONDS = 10.0  # that the server has for one piece
PAUSE_SECONDS = 60.0  # without sending, after a piece that did not go
MAX_PIECE_BYTES = 64 * 1024  # of one fit's steps that are sent at a look


@dataclass(slots=True)
class _Sent:
    """What of a fit's steps was sent: bytes and lines of their file."""

    offset: int = 0
    lines: int = 0


class RunningFits:
    """The running fits of one server. Any thread may call `begin` and `end`."""

    def __init__(self, place: WaitingFolder, jobs: Path, helper: TrackingHelper, down: Callable[[], bool]) -> None:
        """Make it; `jobs` is the folder of jobs, and `down` says whether the server took nothing lately."""
        self._place = place
        self._jobs = jobs
        self._helper = helper
        self._down = down
        self._runs: dict[str, _Sent] = {}
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._failures = logs.RecurringFailures()

    def begin(self, job: str) -> None:
        """Send the steps of a job from now on."""
        with self._lock:
            self._runs.setdefault(job, _Sent())

    def end(self, job: str) -> None:
        """Send nothing more of a job."""
        with self._lock:
            self._runs.pop(job, None)

    async def send_often(self) -> None:
        """Send what is new at each look, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._runs:
                await asyncio.to_thread(self.send)

    def send(self) -> None:
        """Send one piece of each running fit."""
        with self._failures.logged("tracking"):
            for job, sent in self._runs.copy().items():
                if self._down() or time.monotonic() < self._paused_until:
                    return
                if piece := self._piece(job, sent):
                    self._send(job, sent, piece)

    def _send(self, job: str, sent: _Sent, piece: bytes) -> None:
        folder = self._place.run(job)
        with contextlib.suppress(FileNotFoundError):  # the run has ended, and its folder is gone
            atomic.write(folder.new_steps, piece, durable=False)
            answer = self._helper.ask(TrackingLine("steps", job, number=sent.lines), ANSWER_SECONDS)
            if answer.outcome is SendOutcome.LATER:
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                return
            sent.offset += len(piece)
            sent.lines += piece.count(b"\n")

    def _piece(self, job: str, sent: _Sent) -> bytes:
        """Return whole lines that were not sent; none of a line that is longer than a piece."""
        with contextlib.suppress(FileNotFoundError), atomic.opened(self._jobs / job / METRICS, "rb") as file:
            file.seek(sent.offset)
            piece = file.read(MAX_PIECE_BYTES)
            return piece[: piece.rfind(b"\n") + 1]
        return b""
