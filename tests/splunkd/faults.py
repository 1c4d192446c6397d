"""What goes wrong on purpose."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Faults:
    """Set by tests, looked at by each request.

    `down`, `busy` and `lost` count requests: a request comes to a closed connection, to HTTP 503, or is carried
    out and its answer lost. `slow` holds every answer back until the event is set. `break_after` ends an export
    after so many rows, once. `collector` are the codes of the collector's next answers, and
    `collector_poison` is a text: events that hold it have an invalid format.
    """

    down: int = 0
    busy: int = 0
    lost: int = 0
    slow: threading.Event | None = None
    break_after: int = 0
    collector: deque[int] = field(default_factory=deque)
    collector_full: bool = False
    collector_poison: str = ""
    hold_acks: bool = False
    messages: list[tuple[str, str]] = field(default_factory=list)  # what every search says: type and text
    page: int = 50_000  # rows of a page of results
    lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, name: str) -> bool:
        """Whether this request meets the fault `name`, which counts it."""
        with self.lock:
            left = getattr(self, name)
            setattr(self, name, max(left - 1, 0))
            return bool(left)
