"""The files between the ranks of a gang, on the node of one of them (`dltk_runtime.gang`)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

from dltk_runtime import gang
from dltk_runtime.files import atomic


class RankFiles:
    """The folder of one rank; one whole state of the training at a time is read from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: BinaryIO | None = None

    def prepare(self, begin: bytes) -> None:
        """Make the folder, with the state to begin from if there is one."""
        self.folder.mkdir()
        if begin:
            (self.folder / gang.BEGIN).write_bytes(begin)

    def meet(self, text: str) -> bool:
        """Tell the rank where rank 0 listens, whole or not at all; returns whether it has a folder yet."""
        if not self.folder.exists():
            return False
        atomic.write(self.folder / gang.MEETING, text.encode(), durable=False)
        return True

    def kept(self) -> int:
        """Open the newest state that was kept; returns its size.

        Raises:
            OSError: there is none.
        """
        self.close()
        self._kept = open(self.folder / gang.KEPT, "rb")  # noqa: SIM115 - it is read in pieces, while newer ones come
        return self._kept.seek(0, 2)

    def read(self, offset: int, size: int) -> bytes:
        """Return a piece of it."""
        if self._kept is None:
            return b""
        self._kept.seek(offset)
        return self._kept.read(size)

    def close(self) -> None:
        """Close it."""
        if self._kept is not None:
            with contextlib.suppress(OSError):
                self._kept.close()
        self._kept = None
