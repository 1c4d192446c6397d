"""The worker's side of reading ahead: the rows of a request are parsed while they arrive.

::

    front process ── unescapes a chunk ──> memory file
          └───────── adds 1 ──> eventfd ──> this worker, idle: parses one more piece

An apply for other rows that arrives meanwhile is served between two pieces. The front process adds
`CANCELLED` to the eventfd when the request for these rows will not come to this worker: the client
disconnected, or named another model.

An eventfd and not a pipe: a pipe wakes its reader on its writer's processor, which stays in use.
"""

from __future__ import annotations

import os
import select
import socket

import pandas as pd

from dltk_runtime.tables.csv_pieces import HEAD_BYTES, UNREADABLE, Pieces
from dltk_runtime.worker.memory_file import mapped
from dltk_runtime.worker.messages import CANCELLED, ReadAhead


class Incoming:
    """The rows of one `ReadAhead`. Owns two descriptors: of the memory file and of the eventfd."""

    def __init__(self, message: ReadAhead, file: int, growth: int) -> None:
        self.number = message.number
        self._expected = message.expected
        self._file = file
        self._growth = growth
        self._arrived = memoryview(b"")  # what has been mapped of the file
        self._pieces: Pieces | None = None
        self._unreadable = False  # whether the rows can only be parsed as a whole

    def parse_until_message(self, sock: socket.socket) -> bool:
        """Parse pieces until a message arrives on `sock`; False if the rows are cancelled first."""
        message = select.poll()
        message.register(sock, select.POLLIN)
        while not message.poll(0):
            if self._parse():
                continue
            either = select.poll()
            either.register(sock, select.POLLIN)
            either.register(self._growth, select.POLLIN)
            either.poll()
            if not message.poll(0) and os.eventfd_read(self._growth) >= CANCELLED:
                return False
        return True

    @property
    def unreadable(self) -> bool:
        """Whether the rows can only be parsed as a whole."""
        return self._unreadable

    def frame(self) -> pd.DataFrame | None:
        """Parse the rest of the rows, all of which are in the file; None if that is impossible.

        None also if the request came before the first piece was parsed.
        """
        if self._pieces is None or self._unreadable:
            return None
        try:
            return self._pieces.frame(os.fstat(self._file).st_size)
        except UNREADABLE:
            self._unreadable = True
            return None

    def close(self) -> None:
        """Free the parsed rows and the descriptors."""
        self._pieces, self._arrived = None, memoryview(b"")
        for descriptor in (self._file, self._growth):
            os.close(descriptor)

    def _parse(self) -> bool:
        """Parse one piece; False if none has arrived."""
        if self._unreadable:
            return False
        size = os.fstat(self._file).st_size
        try:
            if self._pieces is None and size >= HEAD_BYTES:
                self._pieces = Pieces(self._text, self._text(0, HEAD_BYTES), self._expected)
            return self._pieces is not None and self._pieces.read(size)
        except UNREADABLE:
            self._pieces, self._unreadable = None, True
            return False

    def _text(self, begin: int, end: int) -> memoryview:
        if end > len(self._arrived):
            self._arrived = mapped(self._file)
        return self._arrived[begin:end]


class AheadReader:
    """Reads ahead the rows of one request at a time; a new `ReadAhead` replaces the one before."""

    def __init__(self) -> None:
        self._incoming: Incoming | None = None

    def begin(self, incoming: Incoming) -> None:
        """Parse these rows from now on."""
        self._drop()
        self._incoming = incoming

    def parse_until_message(self, sock: socket.socket) -> None:
        """Parse the rows, if there are any, until a message arrives or they are cancelled."""
        if self._incoming is not None and not self._incoming.parse_until_message(sock):
            self._drop()

    def has(self, number: int) -> bool:
        """Return whether the rows are those of the `ReadAhead` with this number."""
        return self._incoming is not None and self._incoming.number == number

    def take_frame(self) -> tuple[pd.DataFrame | None, bool]:
        """Return the frame of all rows, and whether they can only be parsed whole; drop them.

        The frame is None if they can only be parsed whole, or if no piece was parsed yet.
        """
        try:
            if self._incoming is None:
                return None, False
            return self._incoming.frame(), self._incoming.unreadable
        finally:
            self._drop()

    def _drop(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.close()
