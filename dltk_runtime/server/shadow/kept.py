"""What is kept in memory of forwarded requests until they are compared, within a bound. Never on disk.

The bodies hold Splunk's session keys, as they must reach the old container; they leave this
process for nothing else (`call.Request` drops them before our own work begins).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dltk_runtime.access.actor import NOBODY, Actor

TAIL_BYTES = 64 * 1024  # of a fit for which there is no room: its end names the model


class KeptRoom:
    """Bytes that all kept requests share; at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Take `size` bytes; False if there are not so many."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Give `size` bytes back."""
        self.used -= size


@dataclass(eq=False)
class KeptRequest:
    """One forwarded request with its answer, as bytes.

    Attributes:
        route: ``/fit`` or ``/apply``.
        request: its id, for the log.
        authorization: the header that goes with it to the old container.
        actor: who it is from.
        status: HTTP status of the answer; 0 where there is none.
        seconds: from the start of the request to the end of the answer.
        complete: whether the whole request has come.
        answered: whether the whole answer has come.
        gone: whether the client hung up before an answer began.
        crowded: whether there was no room for it.
        tail: the end of a fit that was crowded out.
    """

    room: KeptRoom
    route: str
    request: str
    authorization: bytes = field(repr=False)
    actor: Actor = NOBODY
    status: int = 0
    seconds: float = 0.0
    complete: bool = False
    answered: bool = False
    gone: bool = False
    crowded: bool = False
    tail: bytes = field(default=b"", repr=False)
    _sent: list[bytes] = field(default_factory=list, repr=False)
    _answer: list[bytes] = field(default_factory=list, repr=False)
    _size: int = 0
    _began: float = field(default_factory=time.monotonic)

    def add_sent(self, piece: bytes) -> None:
        """Keep a piece of the request."""
        self._add(self._sent, piece)
        if self.crowded and self.route == "/fit":
            self.tail = (self.tail + piece)[-TAIL_BYTES:]

    def add_answer(self, piece: bytes) -> None:
        """Keep a piece of the answer."""
        self._add(self._answer, piece)

    def end_answer(self) -> None:
        """Note that the answer is whole."""
        self.answered, self.seconds = True, time.monotonic() - self._began

    def sent(self) -> bytes:
        """Return the body of the request."""
        return b"".join(self._sent)

    def answer(self) -> bytes:
        """Return the body of the answer."""
        return b"".join(self._answer)

    def drop(self) -> None:
        """Forget the bytes."""
        self._sent.clear()
        self._answer.clear()
        self.room.give_back(self._size)
        self._size = 0

    def _add(self, pieces: list[bytes], piece: bytes) -> None:
        if self.crowded:
            return
        if self.room.take(len(piece)):
            self._size += len(piece)
            pieces.append(piece)
        else:
            self.crowded, self.tail = True, b"".join(self._sent)[-TAIL_BYTES:] if self.route == "/fit" else b""
            self.drop()
