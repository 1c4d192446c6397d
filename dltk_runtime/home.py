"""Prepare `DLTK_HOME` and the notebooks' folder at start: install and update the shipped files.

The hash of each installed file is recorded. A later start updates files whose hash is unchanged,
and never overwrites edited ones: their new version is written once as ``NAME.new.ipynb``, which
the runtime ignores. Files without a recorded hash, as on a volume of a DSDL container, count as
edited.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.errors import FolderMissing, VolumeFull, VolumeUnwritable
from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths

# In the home: the SHA-256 of each file's last shipped version, by path in the notebooks' folder.
SHIPPED_HASHES_FILE = ".shipped.json"
_VOLUME_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}
_NO_FOLDER_ERRNOS = {errno.EEXIST, errno.ENOTDIR, errno.ELOOP}
_PROBE_BYTES = 4096  # one block
_NOT_SHIPPED = {"__pycache__", ".ipynb_checkpoints"}


@dataclass(frozen=True, slots=True)
class Layout:
    """The files that a start installed, as paths below the notebooks' folder."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # ``NAME.new.ipynb``, beside edited files

    def __str__(self) -> str:
        if not (self.added or self.updated or self.beside):
            return "no changes"
        beside = f", new versions beside edited files: {', '.join(self.beside)}" if self.beside else ""
        return f"{len(self.added)} added, {len(self.updated)} updated{beside}"


def prepare(paths: Paths) -> None:
    """Create the folders that the runtime and notebooks write to; check that they are writable.

    Raises:
        VolumeUnwritable, VolumeFull: with the folder.
    """
    for folder in (paths.home, paths.notebooks, paths.models, paths.graphics, paths.jobs, paths.staged):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_and_remove(folder / f".write-{secrets.token_hex(8)}{atomic.TEMPORARY_SUFFIX}")
        except OSError as error:
            raise _volume_error(folder, error) from error


def lay_out(paths: Paths, shipped: Path) -> Layout:
    """Install the files of the folder `shipped` into the notebooks' folder; keep edited files.

    Raises:
        VolumeUnwritable, VolumeFull: with the notebooks' folder.
    """
    hashes = _recorded_hashes(paths)
    done: dict[str, list[str]] = {"added": [], "updated": [], "beside": []}
    try:
        for source in _shipped_files(shipped):
            name = source.relative_to(shipped).as_posix()
            digest = atomic.sha256(source)
            how, path = _install(source, paths.notebooks / name, digest, hashes.get(name))
            if how:
                done[how].append(path.relative_to(paths.notebooks).as_posix())
            hashes[name] = digest
        atomic.write(paths.home / SHIPPED_HASHES_FILE, json.dumps(hashes, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise _volume_error(paths.notebooks, error) from error
    return Layout(**{how: tuple(sorted(names)) for how, names in done.items()})


def free_bytes(folder: Path) -> int:
    """Return the bytes that this user may still write to the file system of `folder`."""
    return shutil.disk_usage(folder).free


def _install(source: Path, target: Path, digest: str, previous: str | None) -> tuple[str, Path]:
    """Copy `source` to `target`, or beside it if `target` was edited.

    Args:
        source: The shipped file.
        target: Its path in the notebooks' folder.
        digest: The SHA-256 of `source`.
        previous: The SHA-256 of the version that an earlier start shipped; None for none.

    Returns:
        The field of `Layout` ("" if nothing was written) and the path.
    """
    if not os.path.lexists(target):
        return "added", atomic.copy(source, target)
    # A symbolic link counts as edited: its target belongs to the user.
    found = atomic.sha256(target) if target.is_file() and not target.is_symlink() else ""
    if found == digest:
        return "", target
    if found and found == previous:
        return "updated", atomic.copy(source, target)
    beside = target.with_name(f"{target.stem}.new{target.suffix}")
    if previous == digest or beside.is_dir():  # written by an earlier start
        return "", beside
    return "beside", atomic.copy(source, beside)


def _shipped_files(folder: Path) -> Iterator[Path]:
    for path in atomic.regular_files(folder):
        if not _NOT_SHIPPED.intersection(path.relative_to(folder).parts):
            yield path


def _recorded_hashes(paths: Paths) -> dict[str, str]:
    """Read the hashes that the last start recorded; empty if the file is missing or invalid."""
    try:
        hashes = json.loads((paths.home / SHIPPED_HASHES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(digest) for name, digest in hashes.items()} if isinstance(hashes, dict) else {}


def _write_and_remove(path: Path) -> None:
    """Write one block and sync it: a full volume may accept the name and refuse the content."""
    try:
        with path.open("xb", buffering=0) as file:
            file.write(b"\0" * _PROBE_BYTES)
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)


def _volume_error(folder: Path, error: OSError) -> VolumeUnwritable:
    cause = error.strerror or str(error)
    if error.errno in _NO_FOLDER_ERRNOS:
        return FolderMissing(folder)
    return VolumeFull(folder) if error.errno in _VOLUME_FULL_ERRNOS else VolumeUnwritable(folder, cause)
