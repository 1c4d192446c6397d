"""The queue of what is to be sent, on disk, and the thread that sends it in order.

A line stays until the server has taken or refused it, also across restarts and kills. Beyond the
bound nothing more is taken, and the number of what was not is counted.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import msgspec

from dltk_runtime import logs
from dltk_runtime.files.records import decoded
from dltk_runtime.splunk.retry import pauses
from dltk_runtime.splunk.spool import Spool
from dltk_runtime.tracking.child import TrackingHelper
from dltk_runtime.tracking.facts import TrackingLine
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.tracking.wire import Answer, SendOutcome

SEND_SECONDS = 600.0  # that one line may take: a run's artifacts are among it
MAX_PAUSE_SECONDS = 60.0  # between two attempts while the server is not there
MAX_ATTEMPTS = 10  # for a line at which a server that answers otherwise fails


@dataclass(slots=True)
class LineCounts:
    """Numbers of lines: taken by the server, dropped by a full queue, refused by the server."""

    sent: int = 0
    dropped: int = 0
    refused: int = 0


class Sender:
    """Sends in the background, from `start` to `close`. Any thread may call `put`."""

    def __init__(
        self, place: WaitingFolder, helper: TrackingHelper, limit: int, max_pause: float = MAX_PAUSE_SECONDS
    ) -> None:
        self._place = place
        self._helper = helper
        self._limit = limit
        self._max_pause = max_pause
        self.counts = LineCounts()
        self.down = False  # whether the server took nothing at the last attempt
        self._old: list[Spool] = []  # of ended processes; the thread's own
        self._adopted: list[Spool] = []  # the same, that the thread has not looked at
        self._own: Spool | None = None
        self._sizes: dict[str, int] = {}  # bytes of runs' folders, by job
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dltk-tracking", daemon=True)

    def start(self) -> None:
        """Take over the queues of ended processes and start to send.

        Raises:
            OSError: the folder cannot be written.
        """
        self._place.queue.mkdir(parents=True, exist_ok=True)
        self._sizes = {folder.job: folder.size() for folder in self._place.runs()}
        self._adopted = list(Spool.left_behind(self._place.queue))
        self._own = Spool.create(self._place.queue)
        self._thread.start()

    def adopt(self) -> None:
        """Take over the queues of processes that have ended since: replicas, batch runs."""
        with self._lock:
            self._adopted += Spool.left_behind(self._place.queue)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Bytes on disk that the server has not taken yet."""
        own = self._own.size if self._own else 0
        return own + sum(spool.size for spool in (*self._old, *self._adopted)) + sum(self._sizes.copy().values())

    def put(self, line: TrackingLine, size: int = 0) -> bool:
        """Queue a line; `size` is of its run's folder in bytes. Return False if it was dropped."""
        data = msgspec.json.encode(line) + b"\n"
        with self._lock:
            kept = self._kept(line, data, size)
            self.counts.dropped += not kept
        self._wake.set()
        return kept

    def close(self, grace: float = 2.0) -> None:
        """Send what waits for at most `grace` seconds; the rest stays on disk."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is None:
            return
        self._thread.join(grace)
        self._helper.close()
        self._thread.join()
        for spool in (*self._old, *self._adopted, *filter(None, [self._own])):
            spool.close()

    def _kept(self, line: TrackingLine, data: bytes, size: int) -> bool:
        grown = size - self._sizes.get(line.job, 0) if line.job else 0
        if self._own is None or self.waiting + len(data) + max(grown, 0) > self._limit:
            return False
        try:
            self._own.put(data)
        except OSError as error:
            logs.event("run not kept", logging.WARNING, error=str(error))
            return False
        if line.job:
            self._sizes[line.job] = size
        return True

    def forget(self, job: str) -> None:
        """Remove a run's folder, and its bytes from those that wait."""
        self._place.run(job).remove()
        self._sizes.pop(job, None)

    def _run(self) -> None:
        waits = pauses(longest=self._max_pause)
        attempts = 0
        while True:
            self._wake.clear()
            try:
                answer = self._send_oldest(attempts)
            except OSError as error:  # of the queue on disk: nothing is lost, and the next attempt may succeed
                answer = Answer(0, SendOutcome.LATER, error=str(error))
            if answer is None:
                if self._closing.is_set():
                    return
                self._wake.wait()
            elif answer.outcome is SendOutcome.LATER:
                attempts += answer.alive
                if self._closing.is_set():
                    return
                logs.event("runs wait", logging.WARNING, error=answer.error, bytes=self.waiting)
                self._closing.wait(next(waits))
            else:
                waits, attempts = pauses(longest=self._max_pause), 0

    def _send_oldest(self, attempts: int) -> Answer | None:
        """Send the oldest line, and remove it unless it is for later; None without any."""
        with self._lock:
            self._old, self._adopted = [*self._old, *self._adopted], []
        for spool in (*self._old, *filter(None, [self._own])):
            if lines := spool.peek(1):
                answer = self._sent(lines[0], attempts)
                if answer.outcome is not SendOutcome.LATER:
                    spool.take(lines)
                return answer
        for spool in self._old:
            spool.close()
        self._old = []
        return None

    def _sent(self, data: bytes, attempts: int) -> Answer:
        try:
            line = decoded(data, TrackingLine)
        except ValueError:  # of a later release
            self.counts.refused += 1
            return Answer(0, SendOutcome.REFUSED)
        answer = self._helper.ask(line, SEND_SECONDS)
        self.down = answer.outcome is SendOutcome.LATER
        if answer.outcome is SendOutcome.LATER and answer.alive and attempts + 1 >= MAX_ATTEMPTS:
            answer = msgspec.structs.replace(answer, outcome=SendOutcome.REFUSED)
        if answer.outcome is SendOutcome.REFUSED:
            self.counts.refused += 1
            logs.event("run refused", logging.ERROR, what=line.what, job=line.job or None, error=answer.error)
        elif answer.outcome is SendOutcome.DONE:
            self.counts.sent += 1
        if line.what == "end" and answer.outcome is not SendOutcome.LATER:
            self.forget(line.job)
        return answer
