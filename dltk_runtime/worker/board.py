"""Where a worker writes down which step it is in: a page in memory that the front process reads when it has to know.

A message for each step of a small apply would wake the front process up more often than its answer does. Who watches a
step begin (a fit, whose job shows it) gets messages; an apply's steps are only needed when it dies, and stand here.
"""

from __future__ import annotations

import os
import time

import msgspec

from dltk_runtime.worker.messages import Entered

LONGEST = 64 * 1024  # bytes of an entry


class Board:
    """The page, by its descriptor. The worker enters steps; the front process clears it before each request."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._steps: list[tuple[str, float]] = []

    def clear(self) -> None:
        """A new request begins."""
        os.ftruncate(self._descriptor, 0)

    def begin(self) -> None:
        """Measure the steps from now on."""
        self._steps = []

    def enter(self, message: Entered) -> None:
        """A step begins, and the one before ends."""
        self._steps.append((message.step, time.monotonic()))
        text = msgspec.msgpack.encode(message)
        os.pwrite(self._descriptor, len(text).to_bytes(4, "little") + text, 0)

    def phases(self) -> dict[str, float]:
        """The seconds of each step since `begin`."""
        ends = [*(began for _, began in self._steps[1:]), time.monotonic()]
        spent: dict[str, float] = {}
        for (step, began), end in zip(self._steps, ends, strict=True):
            spent[step] = spent.get(step, 0.0) + end - began
        return spent

    def last(self) -> Entered | None:
        """The step entered last, if any was since the page was cleared."""
        data = os.pread(self._descriptor, LONGEST, 0)
        size = int.from_bytes(data[:4], "little")
        try:
            return msgspec.msgpack.decode(data[4 : 4 + size], type=Entered) if size else None
        except msgspec.DecodeError:  # notebook code wrote into it
            return None
