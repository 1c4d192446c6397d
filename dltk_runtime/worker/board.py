"""The phase of a worker's apply, on a page of memory that the front process reads after a death.

A message for each phase of a small apply would wake the front process more often than the answer
does. The phases of a fit are messages, because its job shows them; those of an apply are only
needed after a death, and are kept here.
"""

from __future__ import annotations

import os
import time

import msgspec

from dltk_runtime.worker.messages import Entered

MAX_ENTRY_BYTES = 64 * 1024


class Board:
    """The page, by its descriptor: the worker enters phases, the front process clears it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begins: list[tuple[str, float]] = []

    def clear(self) -> None:
        """Remove the entry of the request before."""
        os.ftruncate(self._descriptor, 0)

    def begin(self) -> None:
        """Measure the phases from now on."""
        self._begins = []

    def enter(self, message: Entered) -> None:
        """Begin a phase, and end the one before."""
        self._begins.append((message.phase, time.monotonic()))
        text = msgspec.msgpack.encode(message)
        os.pwrite(self._descriptor, len(text).to_bytes(4, "little") + text, 0)

    def durations(self) -> dict[str, float]:
        """Return the seconds spent in each phase since `begin`."""
        ends = [*(began for _, began in self._begins[1:]), time.monotonic()]
        spent: dict[str, float] = {}
        for (phase, began), end in zip(self._begins, ends, strict=True):
            spent[phase] = spent.get(phase, 0.0) + end - began
        return spent

    def last(self) -> Entered | None:
        """Return the phase entered last; None if the page was cleared since."""
        data = os.pread(self._descriptor, MAX_ENTRY_BYTES, 0)
        size = int.from_bytes(data[:4], "little")
        try:
            return msgspec.msgpack.decode(data[4 : 4 + size], type=Entered) if size else None
        except msgspec.DecodeError:  # notebook code wrote into it
            return None
