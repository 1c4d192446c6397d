"""The files of a version, written into the folder that the front has reserved for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import BinaryIO


class Target:
    """A reserved folder, held open: one that was withdrawn or renamed meanwhile gets no file elsewhere."""

    def __init__(self, folder: int) -> None:
        self._folder = folder

    def new(self, path: str) -> BinaryIO:
        """Open a new file, with the folders above it.

        Raises:
            OSError: it cannot be made, or `path` leads out of the folder.
        """
        parts = _checked(path)
        for end in range(1, len(parts)):
            with suppress(FileExistsError):
                os.mkdir("/".join(parts[:end]), dir_fd=self._folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        return open(os.open(path, flags, 0o666, dir_fd=self._folder), "wb")

    def more(self, path: str) -> BinaryIO:
        """Open a file to write behind what it has.

        Raises:
            OSError: there is none, or `path` leads out of the folder.
        """
        _checked(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return open(os.open(path, flags, dir_fd=self._folder), "ab")


@contextmanager
def reserved(folder: str) -> Iterator[Target]:
    """Hold a folder open.

    Raises:
        OSError: it is not there.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Target(descriptor)
    finally:
        os.close(descriptor)


def _checked(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/"):
        raise OSError(f"the other side names a file outside the version's folder: {path!r}")
    return parts
