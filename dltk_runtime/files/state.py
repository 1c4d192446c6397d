"""Detect by stat calls whether files have changed since they were read."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.units import MIB

# A file that changed this short a time before it was read may change again without a new time
# stamp: kernels take it from a clock that ticks every 1 to 10 ms. Git calls it "racily clean".
RACY_NANOSECONDS = 50_000_000
MAX_HASHED_BYTES = 64 * MIB  # of a file of code

Stamp = tuple[int, int, int, int]
FOLDERS = "folders:"
_PACKAGES = ("__pycache__", "node_modules", "site-packages")


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of one path when it was read: plain values, which messages can carry.

    `stamp` is mtime and ctime in ns, size in bytes, and inode; None if there was no file.
    `sha256` is the content's hash if the stamp alone could miss a later change, else "". Of a
    folder it is `FOLDERS` and the hash of its sub-folders' names, which alone are its state.
    """

    path: str
    stamp: Stamp | None
    sha256: str = ""

    def still_true(self) -> bool:
        """Return whether the path is still in this state."""
        if self.sha256.startswith(FOLDERS):
            same = self.stamp is not None and stamp_of(self.path) == self.stamp
            return same or _hash_of(_folders(self.path)) == self.sha256
        if stamp_of(self.path) != self.stamp:
            return False
        return not self.sha256 or _sha256_of(self.path) == self.sha256


def unchanged(states: Sequence[FileState]) -> bool:
    """Return whether all files are as they were: a stat call each, plus a read of racy ones."""
    return all(state.still_true() for state in states)


def stamp_of(path: Path | str) -> Stamp | None:
    """Return the stamp of the file at `path`; None when there is none that can be read."""
    try:
        return _stamp(os.stat(path))  # noqa: PTH116 - every apply asks, and a Path takes longer than the call
    except OSError:
        return None


def read(path: Path) -> tuple[bytes, FileState]:
    """Return a file's content and its state.

    The stamp is taken from the open file before its content, so what is written in between shows
    as a change later.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    with open(path, "rb", opener=_unwaiting) as file:
        stamp = _stamp(os.fstat(file.fileno()))
        data = file.read() or b""
    # The ctime: some tools set the mtime back (cp -p, rsync -t), and none can set the ctime.
    racy = time.time_ns() - stamp[1] < RACY_NANOSECONDS
    return data, FileState(str(path), stamp, hashlib.sha256(data).hexdigest() if racy else "")


def _unwaiting(path: str, flags: int) -> int:
    """Open a file; a pipe in its place, which nobody may write, is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def folders_in(path: Path) -> tuple[list[str], FileState]:
    """Return the names of a folder's sub-folders, sorted, and their state.

    Hidden folders, links and folders of packages are left out. A folder that cannot be read has none.
    """
    stamp = stamp_of(path)
    names = _folders(str(path))
    racy = stamp is not None and time.time_ns() - stamp[1] < RACY_NANOSECONDS
    return names, FileState(str(path), None if racy else stamp, _hash_of(names))


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False) and _counts(each.name))
    except OSError:
        return []


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in _PACKAGES


def _hash_of(names: Sequence[str]) -> str:
    return FOLDERS + hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _sha256_of(path: str) -> str:
    """Return the content's hash; "", which equals no hash, when it cannot be read or is no code by its size.

    Paths come from workers, and the event loop asks: whatever is there must not hold it up.
    """
    try:
        with open(path, "rb", opener=_unwaiting) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_HASHED_BYTES:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return ""
