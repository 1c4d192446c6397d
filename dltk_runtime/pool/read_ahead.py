"""The front half of a read-ahead: the worker's half is `worker/read_ahead.py`.

An eventfd counts how often there were more rows. It is no pipe, since a pipe's reader is woken on
the processor of its writer, which continues to use it.
"""

from __future__ import annotations

import itertools
import os
from typing import Protocol

from dltk_runtime.pool.worker import Worker
from dltk_runtime.worker.memory_file import MemoryFile
from dltk_runtime.worker.messages import CANCELLED, ToWorker
from dltk_runtime.worker.messages import ReadAhead as ReadAheadMessage

NOTIFY_BYTES = 256 * 1024  # bytes of new rows after which the worker is notified
_numbers = itertools.count(1)


class ReadingWorker(Protocol):
    """A worker on this machine that can read ahead; `reading` says that it does."""

    reading: bool

    def send_files(self, message: ToWorker, files: tuple[int, ...]) -> None:
        """Send a message with file descriptors, without an answer."""
        ...


class LocalReadAhead:
    """Rows in a memory file that a worker on this machine parses while they arrive."""

    def __init__(self, worker: ReadingWorker, rows: MemoryFile, expected: int) -> None:
        self._worker = worker
        self._rows = rows
        self._notified = 0  # bytes
        self._number = next(_numbers)
        self._growth = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        worker.reading = True
        worker.send_files(ReadAheadMessage(self._number, expected), (rows.descriptor, self._growth))
        self.grown()

    def __del__(self) -> None:
        self.close()

    @property
    def worker(self) -> ReadingWorker:
        """The worker that reads."""
        return self._worker

    def number_for(self, worker: Worker) -> int:
        """Return the number of this read-ahead if `worker` does it, else 0."""
        reader: object = self._worker
        return self._number if worker is reader else 0

    def grown(self) -> None:
        """Notify the worker once there are `NOTIFY_BYTES` more in the file."""
        if len(self._rows) - self._notified >= NOTIFY_BYTES:
            self._notified = len(self._rows)
            os.eventfd_write(self._growth, 1)

    def close(self) -> None:
        """End it; a second call has no effect."""
        growth, self._growth = self._growth, -1
        if growth >= 0:
            self._worker.reading = False
            os.eventfd_write(growth, CANCELLED)
            os.close(growth)
