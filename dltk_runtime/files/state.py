"""Tells with stat calls alone whether files are still what they were when they were read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A file changed this short a time before it was read may change again without a new time stamp:
# kernels stamp files from a clock that ticks every 1 to 10 ms. Git calls such entries "racily clean".
RACY_NS = 50_000_000

Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FileState:
    """One path as it was when it was read, or that there was no file; plain values, which messages can carry.

    `stamp` is mtime and ctime in ns, size in bytes, and inode; None for a file that was missing.
    `sha256` is the content's hash when the stamp alone would not tell of a later change, else "".
    """

    path: str
    stamp: Stamp | None
    sha256: str = ""

    def still_true(self) -> bool:
        if stamp_of(self.path) != self.stamp:
            return False
        return not self.sha256 or _sha256_of(self.path) == self.sha256


def unchanged(states: Sequence[FileState]) -> bool:
    """Whether every file is still as it was; one stat call a path, plus a read for racy ones."""
    return all(state.still_true() for state in states)


def stamp_of(path: Path | str) -> Stamp | None:
    """The stamp of what lies at `path`, None when nothing can be reached there."""
    try:
        return _stamp(os.stat(path))  # noqa: PTH116 - for every apply, and a Path takes longer than the call
    except OSError:
        return None


def read(path: Path) -> tuple[bytes, FileState]:
    """A file's content and its state.

    The stamp is taken from the open file before its content: whatever is written in between then
    shows as a change later, and no change can hide.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    with open(path, "rb") as file:
        stamp = _stamp(os.fstat(file.fileno()))
        data = file.read()
    # The ctime, because tools set the mtime back (cp -p, rsync -t), and nothing sets the ctime.
    racy = time.time_ns() - stamp[1] < RACY_NS
    return data, FileState(str(path), stamp, hashlib.sha256(data).hexdigest() if racy else "")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _sha256_of(path: str) -> str:
    """The content's hash, "" when it cannot be read (which no hash equals)."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
