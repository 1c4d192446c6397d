"""Copy files of a volume that is in use into a folder of its own, with their hashes and times.

A file is copied as it was when it was opened: one that is replaced meanwhile is copied in its old
form, of one that is appended to the first part. One that has gone is left out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from dltk_runtime.files import atomic

CHUNK_BYTES = 1024**2


class Copied(msgspec.Struct, frozen=True):
    """One file of a copy; `path` is relative to the copy's folder, `size` in bytes."""

    path: str
    size: int
    sha256: str


class Copier:
    """Copies into `target`; remembers each file in the order of copying.

    Attributes:
        problems: a sentence for each file and folder that could not be read.
        links: paths of links and of other entries that are no files; they are not copied.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.problems: list[str] = []
        self.links: list[str] = []
        self._files: dict[str, Copied] = {}
        self._folders: dict[str, None] = {}

    @property
    def files(self) -> list[Copied]:
        """The files, the one copied last at the end."""
        return list(self._files.values())

    @property
    def folders(self) -> list[str]:
        """The folders that were asked for by themselves, since they may be empty."""
        return list(self._folders)

    def file(self, source: Path, to: str) -> Copied | None:
        """Copy a file to `to` in the target; None when it has gone, is a link or cannot be read.

        Raises:
            OSError: the target cannot be written.
        """
        self._files.pop(to, None)
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._not_read(source, to, error)
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.links.append(to)
                return None
            self._files[to] = copied = _copy(descriptor, status, self.target / to, to)
            return copied
        finally:
            os.close(descriptor)

    def text(self, data: bytes, to: str) -> None:
        """Write `data` to `to` in the target.

        Raises:
            OSError: the target cannot be written.
        """
        self._files.pop(to, None)
        path = self.target / to
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data)
        self._files[to] = Copied(to, len(data), hashlib.sha256(data).hexdigest())

    def pieces(self, pieces: Iterable[bytes], to: str) -> Copied:
        """Write what comes in pieces to `to` in the target.

        Raises:
            OSError: the target cannot be written.
        """
        self._files.pop(to, None)
        path, digest = self.target / to, hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            for piece in pieces:
                digest.update(piece)
                atomic.write_all(file.fileno(), piece)
            os.fsync(file.fileno())
            size = file.tell()
        self._files[to] = copied = Copied(to, size, digest.hexdigest())
        return copied

    def folder(self, to: str) -> None:
        """Make a folder in the target, which may stay empty."""
        (self.target / to).mkdir(parents=True, exist_ok=True)
        self._folders[to] = None

    def drop(self, folder: str) -> None:
        """Remove a folder of the copy, with all that was copied into it."""
        beginning = folder + "/"
        for known in (self._files, self._folders):
            for path in [each for each in known if each == folder or each.startswith(beginning)]:
                del known[path]
        shutil.rmtree(self.target / folder, ignore_errors=True)

    def not_listed(self, error: OSError) -> None:
        """Note a folder whose entries cannot be read; one that has gone is left out."""
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            self.problems.append(f"{error.filename} cannot be read: {error.strerror}.")

    def _not_read(self, source: Path, to: str, error: OSError) -> None:
        if source.is_symlink():
            self.links.append(to)
        else:
            self.problems.append(f"{source} cannot be read: {error.strerror}.")


def _copy(descriptor: int, status: os.stat_result, path: Path, to: str) -> Copied:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, rest = hashlib.sha256(), status.st_size
    with path.open("wb", buffering=0) as file:
        while rest and (chunk := os.read(descriptor, min(rest, CHUNK_BYTES))):
            digest.update(chunk)
            atomic.write_all(file.fileno(), chunk)
            rest -= len(chunk)
        os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(file.fileno())
    return Copied(to, status.st_size - rest, digest.hexdigest())


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is one that `atomic` is writing."""
    return name.startswith(".") and name.endswith(atomic.TEMPORARY_SUFFIX)


def entries(
    folder: Path, skipped: frozenset[Path] = frozenset(), unread: Callable[[OSError], None] | None = None
) -> Iterator[tuple[str, bool]]:
    """Yield every entry below `folder` that is not temporary, sorted, and whether it is a folder.

    The paths are relative. Links are no folders. What is below a path of `skipped` is left out.
    `unread` takes the error of each folder whose entries cannot be read.
    """
    for parent, folders, names in os.walk(folder, onerror=unread):
        folders.sort()
        here = Path(parent)
        links = [each for each in folders if (here / each).is_symlink()]
        folders[:] = [each for each in folders if each not in links and here / each not in skipped]
        below = here.relative_to(folder)
        for name in sorted([*names, *links]):
            if not is_temporary(name) and here / name not in skipped:
                yield (below / name).as_posix(), False
        for name in folders:
            yield (below / name).as_posix(), True
