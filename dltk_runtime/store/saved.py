"""Open what a fit has left in a folder. A notebook's process may still be there: no link is followed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from dltk_runtime.files import atomic


def _raise(error: OSError) -> None:
    raise error


def opened(
    folder: Path,
    wanted: Callable[[str], bool] = lambda _: True,
    unread: Callable[[OSError], None] = _raise,
) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Yield each regular file below `folder`, by its path in it, open until the next one is asked for.

    Links, sockets and pipes are left out, and files whose names are not `wanted`. `unread` takes the
    error of each file and folder that cannot be read.
    """
    for parent, folders, names, descriptor in os.fwalk(folder, onerror=unread):
        folders.sort()
        for name in filter(wanted, sorted(names)):
            try:
                if not stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                    continue
                opened_as = os.open(name, os.O_RDONLY | atomic.AS_OURS, dir_fd=descriptor)
            except OSError as error:
                unread(error)
                continue
            with open(opened_as, "rb") as file:
                if stat.S_ISREG(os.fstat(opened_as).st_mode):  # nothing took its place since
                    yield PurePosixPath(Path(parent, name).relative_to(folder).as_posix()), file


def measured(file: IO[bytes]) -> tuple[int, str]:
    """Return the size of an open file in bytes and its SHA-256; it is then at its beginning."""
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    size = file.tell()
    file.seek(0)
    return size, digest
