"""Files of versions on this machine: what a fit writes, and what workers load.

A folder is whole when a file in it, its mark, holds the hash of the version's manifest. It lies below the
notebooks' `MODEL_DIRECTORY`, since that is where a notebook's `save` and `load` work.

Several processes may share these folders. So a copy gets its place with its mark in one step, and one
that goes is emptied through its open folder: never what another process has put in its place meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.files.state import Stamp, stamp_of
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.handles import Location
from dltk_runtime.store.layout import CODE, CODE_CHOICE, KEPT_MODEL, PICTURES, SEEN
from dltk_runtime.store.manifest import Manifest, StoredFile
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket

MARK = ".manifest"
MAX_PLACINGS = 10  # of a copy, while others put theirs there and remove them
_OCCUPIED_ERRNOS = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}


@dataclass(frozen=True, slots=True)
class Fetched:
    """The copies in `copies`, below `models`, of versions of one store; `identify` returns its identity.

    It remembers the stamp of each mark that this process has relied on, and since when (monotonic time).
    """

    models: Path
    copies: Path
    identify: Callable[[], str]
    _relied_on: dict[VersionId, tuple[Stamp | None, float]] = field(default_factory=dict)

    def location(self, version_id: VersionId) -> Location:
        """Return where a version's files are, or will be."""
        folder, name = self.folder(version_id), version_id.name
        inside = folder.relative_to(self.models)
        paths = (folder, folder / CODE, folder / KEPT_MODEL, folder / SEEN, folder / PICTURES)
        return Location(f"{inside.as_posix()}/{name.file}", *map(str, paths))

    def folder(self, version_id: VersionId) -> Path:
        """Return the folder of a version."""
        return self.model(version_id.name) / str(version_id.number)

    def fetch(self, version_id: VersionId, manifest: Manifest, bucket: Bucket) -> None:
        """Make the version's folder whole, if it is not.

        Raises:
            StoreDamaged: a file in the store is not as its manifest says.
            NotStored: the copy cannot be written.
            StoreUnreachable: the store does not answer.
        """
        folder, digest = self.folder(version_id), digest_of(manifest)
        if not self._is_whole(folder, digest, manifest):
            self._fetch(version_id, manifest, bucket, folder, digest)
        stamp = stamp_of(folder / MARK)
        if self._relied_on.get(version_id, (None,))[0] != stamp:
            self._relied_on[version_id] = stamp, time.monotonic()

    def _fetch(self, version_id: VersionId, manifest: Manifest, bucket: Bucket, folder: Path, digest: str) -> None:
        fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}{atomic.TEMPORARY_SUFFIX}")
        try:
            fresh.mkdir(parents=True)
            for stored in manifest.files:
                _download(bucket, version_id, stored, fresh / stored.path)
            atomic.write(fresh / MARK, digest.encode(), durable=False)
            self._take_place(fresh, folder, digest, manifest)
        except OSError as error:
            raise atomic.not_stored(f"The copy of {version_id}", folder, error) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def copied(self, name: ModelName) -> list[VersionId]:
        """Return the versions of a model that have a copy here."""
        entries = [int(each) for each in atomic.names_in(self.model(name)) if each.isascii() and each.isdigit()]
        return [found for each in sorted(entries) if (self.folder(found := VersionId(name, each)) / MARK).exists()]

    def changed(self, version_id: VersionId, manifest: Manifest) -> str:
        """Return which file of a copy has changed since it was fetched; empty for none, and without a copy."""
        folder = self.folder(version_id)
        if not self._is_whole(folder, digest_of(manifest), manifest):
            return ""  # the next use fetches it
        for stored in manifest.files:
            try:
                same = atomic.sha256(folder / stored.path) == stored.sha256
            except OSError:
                same = False
            if not same:
                return (
                    f"The copy of {version_id} on this machine is damaged: {stored.path} in {folder} has changed "
                    "since it was fetched. Remove that folder: the version is fetched anew."
                )
        return ""

    def drop_changed(self, version_id: VersionId, manifest: Manifest) -> str:
        """Remove a copy of which a file has changed; return which, as `changed` does."""
        with _opened(self.folder(version_id)) as examined:
            if problem := self.changed(version_id, manifest):
                _empty(examined)
            return problem

    def replaced(self, version_id: VersionId, since: float) -> bool:
        """Return whether a copy was removed or replaced after a worker had begun to load it (monotonic time)."""
        if (known := self._relied_on.get(version_id)) is None:
            return False
        return known[1] > since or stamp_of(self.folder(version_id) / MARK) != known[0]

    def keep(self, version_id: VersionId, manifest: Manifest) -> None:
        """Mark the folder that a fit has written here as whole. Never raises."""
        with suppress(OSError):
            atomic.write(self.folder(version_id) / MARK, digest_of(manifest).encode(), durable=False)

    def discard(self, version_id: VersionId) -> None:
        """Remove a version's files here. Never raises."""
        self._relied_on.pop(version_id, None)
        _remove(self.folder(version_id))

    def discard_all(self, name: ModelName) -> None:
        """Remove a model's files here. Never raises."""
        shutil.rmtree(self.model(name), ignore_errors=True)

    def sweep(self, name: ModelName, committed: Collection[int], older_than: float) -> list[str]:
        """Remove copies of a model's versions that are gone, and what was cut short, unchanged that long."""
        removed = []
        for entry in sorted(atomic.names_in(self.model(name))):
            path = self.model(name) / entry
            is_copy = entry.isascii() and entry.isdigit() and int(entry) not in committed
            with suppress(OSError):
                if (is_copy or entry.endswith(atomic.TEMPORARY_SUFFIX)) and _age_seconds(path) > older_than:
                    _remove(path)
                    removed.append(str(path))
        return removed

    def touch(self, version_id: VersionId) -> None:
        """Mark a folder that a fit writes as one in use. Never raises."""
        with suppress(OSError):
            os.utime(self.folder(version_id))

    def choice_file(self, name: ModelName) -> Path:
        """Return the file that mirrors the choice of a model's code."""
        return self.model(name) / CODE_CHOICE

    def model(self, name: ModelName) -> Path:
        """Return the folder of a model's versions."""
        return self.copies / self.identify() / name.folder / name.model

    def _is_whole(self, folder: Path, digest: str, manifest: Manifest) -> bool:
        with suppress(OSError):
            same = atomic.read(folder / MARK, len(digest)) == digest.encode()
            return same and all(_is_file(folder / each.path, each.size) for each in manifest.files)
        return False

    def _take_place(self, fresh: Path, folder: Path, digest: str, manifest: Manifest) -> None:
        """Put a finished copy into its place, unless another process was faster."""
        for _ in range(MAX_PLACINGS):
            try:
                fresh.rename(folder)  # there is none, or an empty one
                return
            except OSError as error:
                if error.errno not in _OCCUPIED_ERRNOS:
                    raise
            with _opened(folder) as there:
                if self._is_whole(folder, digest, manifest):
                    return
                _empty(there)
            with suppress(OSError):  # a link or a file in its place
                folder.unlink()
        old = fresh.with_name(f"{fresh.name}.old{atomic.TEMPORARY_SUFFIX}")  # it cannot be emptied
        folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def digest_of(manifest: Manifest) -> str:
    """Return the hash by which a copy is known to be one of this manifest's version."""
    return hashlib.sha256(atomic.to_json(manifest)).hexdigest()


def _is_file(path: Path, size: int) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def _age_seconds(path: Path) -> float:
    """Return the seconds since anything in `path` changed."""
    return time.time() - max(each.lstat().st_mtime for each in (path, *path.rglob("*")))


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """Open a folder that may be removed or replaced meanwhile; None without one."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _empty(folder: int | None) -> None:
    """Remove what is in an open folder, its mark first, wherever it is by now. Never raises."""
    if folder is None:
        return
    with suppress(OSError):
        os.unlink(MARK, dir_fd=folder)
    for name in os.listdir(folder):  # noqa: PTH208 - of a descriptor
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:  # a folder
            shutil.rmtree(name, ignore_errors=True, dir_fd=folder)


def _remove(path: Path) -> None:
    """Remove a folder with what is in it now. Never raises."""
    with _opened(path) as folder:
        _empty(folder)
    with suppress(OSError):  # another process has put a copy there
        path.unlink() if path.is_symlink() or path.is_file() else path.rmdir()


def _download(bucket: Bucket, version_id: VersionId, stored: StoredFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, key = hashlib.sha256(), keys.file(version_id, stored.path)
    with target.open("xb") as file:
        for piece in bucket.pieces(key, stored.size):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != stored.sha256:
        raise StoreDamaged(
            f"{version_id} is damaged: {stored.path} in {bucket.where}/{key} is missing or has changed since it was "
            "stored. Make another version current with 'dltk models promote', or fit again."
        )
