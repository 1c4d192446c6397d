"""Bytes in memory that another process can read without a copy (memfd_create)."""

from __future__ import annotations

import contextlib
import mmap
import os


class MemoryFile:
    """A file in memory, written once from front to end; it goes with the last descriptor.

    Implements `payload.Buffer`.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("dltk", os.MFD_CLOEXEC)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Append `data`.

        Raises:
            OSError: there is no memory left.
        """
        rest = memoryview(data)
        while rest:
            written = os.write(self.descriptor, rest)
            self._size += written
            rest = rest[written:]

    def view(self) -> memoryview:
        """Return what is in it, mapped and not copied."""
        return mapped(self.descriptor)


def mapped(descriptor: int) -> memoryview:
    """Map a memory file; the bytes stay readable after the descriptor is closed."""
    size = os.fstat(descriptor).st_size
    return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ)) if size else memoryview(b"")
