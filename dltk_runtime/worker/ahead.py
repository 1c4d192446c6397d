"""The worker's side of reading ahead: the rows of a request are parsed while they arrive.

::

    front process ── unescapes a chunk ──> memory file
          └───────── counts ──> eventfd ──> this worker, which waits for an apply: it reads one piece more

An apply that comes meanwhile, for other rows, is served between two pieces. When the front process counts to `OVER`
before it has sent the request that the rows are for, nobody wants them: the client hung up, or asked another model.

It is an eventfd and no pipe, since a pipe's reader is woken on the processor of its writer, which goes on to use it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket

import pandas as pd

from dltk_runtime.tables.csv_pieces import BEGIN, UNREADABLE, Pieces
from dltk_runtime.worker.messages import OVER, ReadAhead


class Ahead:
    """One reading ahead. It owns two descriptors: of the memory file, and of the eventfd."""

    def __init__(self, message: ReadAhead, file: int, growth: int) -> None:
        self.number = message.number
        self._expected = message.expected
        self._file = file
        self._growth = growth
        self._pieces: Pieces | None = None
        self._over = False  # whether nothing is to be read ahead any more

    def until_called(self, sock: socket.socket) -> bool:
        """Read until there is a message on `sock`; False when nobody wants the rows any more."""
        waits = select.poll()
        waits.register(sock, select.POLLIN)
        while not waits.poll(0):
            if self._read():
                continue
            both = select.poll()
            both.register(sock, select.POLLIN)
            both.register(self._growth, select.POLLIN)
            both.poll()
            if not waits.poll(0) and os.eventfd_read(self._growth) >= OVER:
                return False
        return True

    def frame(self) -> pd.DataFrame | None:
        """The frame of all rows, which have come now; None when they can only be read whole."""
        if self._pieces is None or self._over:
            return None
        with contextlib.suppress(*UNREADABLE):
            return self._pieces.frame(os.fstat(self._file).st_size)
        return None

    def close(self) -> None:
        """Forget it."""
        self._pieces = None
        for descriptor in (self._file, self._growth):
            os.close(descriptor)

    def _read(self) -> bool:
        """Read one piece; whether there was one."""
        if self._over:
            return False
        size = os.fstat(self._file).st_size
        try:
            if self._pieces is None and size >= BEGIN:
                self._pieces = Pieces(self._text, self._text(0, BEGIN), self._expected)
            return self._pieces is not None and self._pieces.read(size)
        except UNREADABLE:
            self._pieces, self._over = None, True
            return False

    def _text(self, begin: int, end: int) -> bytes:
        return os.pread(self._file, end - begin, begin)


class Reading:
    """The reading ahead that a worker is at, if any; a new one takes the place of the one before."""

    def __init__(self) -> None:
        self._ahead: Ahead | None = None

    def begin(self, ahead: Ahead) -> None:
        """Read these rows from now on."""
        self._forget()
        self._ahead = ahead

    def until_called(self, sock: socket.socket) -> None:
        """Read until there is a message on `sock`, or nobody wants the rows."""
        if self._ahead is not None and not self._ahead.until_called(sock):
            self._forget()

    def has(self, number: int) -> bool:
        """Whether these are the rows of this `ReadAhead`."""
        return self._ahead is not None and self._ahead.number == number

    def frame(self) -> pd.DataFrame | None:
        """The frame of all rows, which have come now; None when they can only be read whole."""
        try:
            return self._ahead.frame() if self._ahead else None
        finally:
            self._forget()

    def _forget(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()
