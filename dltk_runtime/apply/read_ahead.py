"""Large applies are parsed while they arrive, by the worker that will most likely be asked.

Which model a request is for stands in `meta`, which comes last. But what is applied all day comes again: the worker
that served the last rows with the same columns gets the next ones too, as they come in::

    first line of the rows ──> the model that was applied to such rows ──> its worker, if it has nothing to do

It is no lease: the worker serves whoever asks, and reads on in between. Had the request another model, or the worker
something else to do when all has come, the rows are read again, whole.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict

from dltk_runtime.files.memory import MemoryFile
from dltk_runtime.names import VersionId
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.process import Worker
from dltk_runtime.worker.messages import CANCELLED, ReadAhead

HEAD = 64 * 1024  # bytes in which the first line must end
REMEMBERED = 256  # first lines
TELL_EVERY = 256 * 1024  # bytes of rows


class ReadingAhead:
    """What is known of the rows that were applied of late."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: OrderedDict[bytes, VersionId | None] = OrderedDict()  # None: such rows can only be read whole
        self._numbers = itertools.count(1)

    def begin(self, head: bytes, file: MemoryFile, expected: int) -> Ahead | None:
        """Have the rows in `file` read while they arrive, of which `expected` bytes will come or so.

        None when nobody can: rows with this first line are new, or no worker of their model is free.
        """
        key = self._keys.get(head)
        worker = self._pool.reader(key) if key is not None else None
        return Ahead(worker, next(self._numbers), file, expected) if worker is not None else None

    def learn(self, head: bytes, key: VersionId, *, in_vain: bool) -> None:
        """A model was applied to rows with this first line, which were read ahead or not, or `in_vain`."""
        known = self._keys.get(head, key)
        self._keys[head] = None if in_vain or known is None else key
        self._keys.move_to_end(head)
        while len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)


class Rows:
    """The rows of one apply, while they arrive and until they are applied."""

    def __init__(self, reading: ReadingAhead) -> None:
        self._reading = reading
        self._head: bytes | None = None  # until enough has come
        self._ahead: Ahead | None = None

    @property
    def worker(self) -> Worker | None:
        """The worker that reads them ahead."""
        return self._ahead.worker if self._ahead else None

    def number_for(self, worker: Worker) -> int:
        """The number under which `worker` has read them; 0 when it has not."""
        return self._ahead.number if self._ahead and self._ahead.worker is worker else 0

    def arrived(self, file: MemoryFile, expected: int) -> None:
        """There is more in the file, which will have `expected` bytes or so."""
        if self._ahead is not None:
            self._ahead.grown()
        elif self._head is None and len(file) >= HEAD:
            self._head = os.pread(file.descriptor, HEAD, 0).partition(b"\n")[0]
            self._ahead = self._reading.begin(self._head, file, expected)

    def applied(self, key: VersionId, *, in_vain: bool) -> None:
        """A model was applied to them."""
        if self._head is not None:
            self._reading.learn(self._head, key, in_vain=in_vain)

    def close(self) -> None:
        """They are applied, or nobody wants them."""
        if self._ahead is not None:
            self._ahead.close()


class Ahead:
    """Rows on their way to a worker that already reads them."""

    def __init__(self, worker: Worker, number: int, file: MemoryFile, expected: int) -> None:
        self.worker = worker
        self.number = number
        self._file = file
        self._told = 0  # bytes
        self._growth = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        worker.reading = True
        worker.read_ahead(ReadAhead(number, expected), file.descriptor, self._growth)
        self.grown()

    def __del__(self) -> None:
        self.close()

    def grown(self) -> None:
        """There are more rows in the file."""
        if len(self._file) - self._told >= TELL_EVERY:
            self._told = len(self._file)
            os.eventfd_write(self._growth, 1)

    def close(self) -> None:
        """Nobody wants the rows any more, or the worker has got the request that they are for."""
        growth, self._growth = self._growth, -1
        if growth >= 0:
            self.worker.reading = False
            os.eventfd_write(growth, CANCELLED)
            os.close(growth)
