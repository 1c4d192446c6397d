"""How the folder of a version is reserved, committed and removed.

Nothing is locked. Each step is one operation of the file system (make a folder, rename, replace).
Their order keeps the store valid at every moment: for readers, for other replicas, after a kill.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import weakref
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dltk_runtime.files import atomic
from dltk_runtime.store.handles import Location
from dltk_runtime.store.layout import (
    CARD,
    CODE,
    DESCRIPTION,
    MANIFEST,
    MAX_NUMBER_DIGITS,
    PICTURES,
    REMOVED_PREFIX,
    RESERVED_PREFIX,
    UNDECIDED,
    highest,
    number_in,
)
from dltk_runtime.store.manifest import Facts, StoredFile, complete
from dltk_runtime.store.version import FileVersion

# ------------------------------------------------------------ reserve


def reserve(folder: Path) -> int:
    """Reserve the next number in the model's `folder` and make its folder.

    Raises:
        OSError: it cannot be written, or has an entry with the highest number.

    Safe among processes and replicas: the mark of the highest number given out is never removed.
    So only a process that looked at the folder before, and continues late, can make a number
    again that was used; it then sees a higher mark.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        number = highest(folder) + 1
        if number >= 10**MAX_NUMBER_DIGITS:
            raise OSError(errno.EOVERFLOW, f"an entry there has the highest possible number, {number - 1}: rename it")
        mark = folder / f"{RESERVED_PREFIX}{number}"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            continue
        if highest(folder) > number:
            mark.unlink(missing_ok=True)  # the process with the higher number may have removed it
            continue
        try:
            (folder / str(number)).mkdir()
        except OSError:
            mark.unlink(missing_ok=True)
            raise
        _remove_lower_marks(folder, number)
        return number


def _remove_lower_marks(folder: Path, number: int) -> None:
    for mark in folder.glob(f"{RESERVED_PREFIX}*"):
        if number_in(mark.name) < number:
            mark.unlink(missing_ok=True)


class FileReservation:
    """A reserved number with its folder. One thread uses it; another one may call `commit`."""

    def __init__(self, version: FileVersion) -> None:
        self._version = version
        self._ended = False
        # As long as it is open, no other folder gets its inode: `_is_ours` relies on that.
        self._descriptor = os.open(version.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._descriptor)

    @property
    def number(self) -> int:
        return self._version.number

    @property
    def folder(self) -> Path:
        return self._version.folder

    @property
    def location(self) -> Location:
        return self._version.place()

    def touch(self) -> None:
        with suppress(OSError):
            os.utime(self.folder)

    def commit(self, facts: Facts, code: bytes, description: bytes, card: bytes = b"") -> FileVersion:
        try:
            self._write(facts, code, description, card)
        except OSError as error:
            raise atomic.not_stored(f"{self._version}", self.folder, error) from error
        self._ended = True
        self._close()
        return self._version

    def _is_ours(self) -> bool:
        """Return whether the folder is the reserved one, and none that a notebook made in its place."""
        return self._close.alive and os.path.samestat(os.fstat(self._descriptor), self.folder.stat())

    def _write(self, facts: Facts, code: bytes, description: bytes, card: bytes) -> None:
        if not self._is_ours():
            raise FileNotFoundError(errno.ENOENT, "the reservation was withdrawn", str(self.folder))
        atomic.write(self.folder / CODE, code, durable=False)  # synchronized below, with the notebook's files
        atomic.write(self.folder / DESCRIPTION, description, durable=False)
        if card:
            atomic.write(self.folder / CARD, card, durable=False)
        pictures = self.folder / PICTURES  # not of the model: nothing depends on them
        with suppress(OSError):
            pictures.rmdir()  # when nothing was drawn
        files = (path for path in atomic.regular_files(self.folder) if pictures not in path.parents)
        stored = [_stored(self.folder, path) for path in files]
        (self.folder / UNDECIDED).touch()
        for parent, _, _ in os.walk(self.folder):
            atomic.sync_folder(Path(parent))
        # The folders above may be new: model, algorithm, versions, and the models' folder.
        for folder in list(self.folder.parents)[:4]:
            atomic.sync_folder(folder)
        atomic.write(self.folder / MANIFEST, atomic.to_json(complete(self._version.id, facts, stored)))

    def abandon(self) -> None:
        if not self._ended:
            self._ended = True
            with suppress(OSError):
                if self._is_ours():
                    discard(hide(self.folder))
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.abandon()


def _stored(folder: Path, path: Path) -> StoredFile:
    if path.is_symlink():
        raise OSError(errno.ELOOP, "the notebook saved a link and not the file itself", str(path))
    size, digest = atomic.sync_and_hash(path)
    return StoredFile(str(path.relative_to(folder)), size, digest)


def withdraw(folder: Path) -> bool:
    """Take the folder of a version away from a fit that may still run; return whether it was not committed.

    From the rename on, the manifest of that fit finds no folder. One that was faster is kept.

    Raises:
        OSError: it cannot be renamed.
    """
    hidden = folder.with_name(REMOVED_PREFIX + folder.name)
    if (folder / MANIFEST).exists():
        return False
    try:
        discard(hidden)  # of a withdrawal that was cut short
        hide(folder)
    except FileNotFoundError:
        return True
    if (hidden / MANIFEST).exists():
        hidden.rename(folder)
        return False
    discard(hidden)
    return True


# ------------------------------------------------------------ remove


def hide(folder: Path) -> Path:
    """Take a version out of the store in one step: a killed removal leaves no half version."""
    return folder.rename(folder.with_name(REMOVED_PREFIX + folder.name))


def discard(hidden: Path) -> None:
    """Remove the files of a hidden version; what cannot be removed is left to `sweep`."""
    shutil.rmtree(hidden, ignore_errors=True)


def sweep(folder: Path, older_than: float, promoted: Collection[int]) -> list[Path]:
    """Remove from a model's `folder` what killed processes left; return the paths removed.

    That is: half-removed versions, folders without a manifest, and temporary files. What has
    changed within `older_than` seconds stays, since a fit may run in another replica. A folder
    with the number of a `promoted` version has lost its manifest: it is damaged, and stays.
    """
    removed = []
    for name in sorted(atomic.names_in(folder)):
        path = folder / name
        with suppress(OSError):  # another replica sweeps too
            if _is_left_over(path, promoted) and _age_seconds(path) > older_than and _remove(path):
                removed.append(path)
    return removed


def _is_left_over(path: Path, promoted: Collection[int]) -> bool:
    if path.name.startswith(REMOVED_PREFIX) or path.name.endswith(atomic.TEMPORARY_SUFFIX):
        return True
    number = number_in(path.name)
    return path.name == str(number) and number not in promoted and not (path / MANIFEST).exists()


def _age_seconds(path: Path) -> float:
    """Return the seconds since anything in `path` changed; a rename sets only the ctime."""
    found = [each.lstat() for each in (path, *path.rglob("*"))]
    return time.time() - max(max(each.st_mtime, each.st_ctime) for each in found)


def _remove(path: Path) -> bool:
    if not path.is_dir():
        path.unlink()
        return True
    hidden = path if path.name.startswith(REMOVED_PREFIX) else hide(path)
    if hidden != path and (hidden / MANIFEST).exists():  # committed since it was looked at
        hidden.rename(path)
        return False
    discard(hidden)
    return True
