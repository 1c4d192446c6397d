"""The phase of a worker's apply, on a page of memory that the front process reads after a death.

A message for each phase of a small apply would wake the front process more often than the answer
does. The phases of a fit are messages, because its job shows them; those of an apply are only
needed after a death, and are kept here.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time

import msgspec

from dltk_runtime.worker.messages import Entered

PAGE_BYTES = 64 * 1024
_SIZE_BYTES = 4  # of the entry, before it
_NOTHING = bytes(_SIZE_BYTES)
# The front process maps it: a notebook that made it shorter would end that process.
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def create() -> int:
    """Create an empty page of a size that nobody can change; returns its descriptor.

    Raises:
        OSError: there is no memory or descriptor left.
    """
    descriptor = os.memfd_create("dltk-board", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, PAGE_BYTES)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


class Board:
    """The page, by its descriptor: the worker enters phases, and clears it when it has answered.

    The front process clears it, too: a worker that ends after an answer may not have done so. Both map
    it, so that neither needs a system call.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._page = mmap.mmap(descriptor, PAGE_BYTES)
        self._begins: list[tuple[str, float]] = []

    def clear(self) -> None:
        """Remove the entry of the request before."""
        self._page[:_SIZE_BYTES] = _NOTHING

    def close(self) -> None:
        """Unmap it, and close its descriptor."""
        self._page.close()
        os.close(self._descriptor)

    def begin(self) -> None:
        """Measure the phases from now on."""
        self._begins = []

    def enter(self, message: Entered) -> None:
        """Begin a phase, and end the one before."""
        self._begins.append((message.phase, time.monotonic()))
        text = msgspec.msgpack.encode(message)
        if len(text) > PAGE_BYTES - _SIZE_BYTES:
            text = msgspec.msgpack.encode(Entered(message.phase))
        self._page[_SIZE_BYTES : _SIZE_BYTES + len(text)] = text
        self._page[:_SIZE_BYTES] = len(text).to_bytes(_SIZE_BYTES, "little")

    def durations(self) -> dict[str, float]:
        """Return the seconds spent in each phase since `begin`."""
        ends = [*(began for _, began in self._begins[1:]), time.monotonic()]
        spent: dict[str, float] = {}
        for (phase, began), end in zip(self._begins, ends, strict=True):
            spent[phase] = spent.get(phase, 0.0) + end - began
        return spent

    def last(self) -> Entered | None:
        """Return the phase entered last; None if the page was cleared since."""
        size = int.from_bytes(self._page[:_SIZE_BYTES], "little")
        try:
            return msgspec.msgpack.decode(self._page[_SIZE_BYTES : _SIZE_BYTES + size], type=Entered) if size else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # notebook code wrote into it
            return None
