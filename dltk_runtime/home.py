"""Lays out `DLTK_HOME` and the notebooks' folder at start: shipped files come there, edited ones stay as they are.

What was laid out is remembered by its hash, so that a later start can tell an untouched file, which it brings up to
date, from an edited one, which it leaves alone. The shipped file then lies beside it once, as ``NAME.new.ipynb``
(no name of an algorithm: the runtime ignores it). Where nothing is remembered, as on a volume that a DSDL container
wrote, every file counts as edited.
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

from dltk_runtime.errors import VolumeFull, VolumeUnwritable
from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths

MEMORY = ".shipped.json"  # in the home: path below the notebooks' folder -> SHA-256 of what a start offered there
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOT_SHIPPED = {"__pycache__", ".ipynb_checkpoints"}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a start did; paths below the notebooks' folder."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # ``NAME.new.ipynb`` of files that somebody edited

    def __str__(self) -> str:
        if not (self.added or self.updated or self.beside):
            return "nothing new"
        beside = f", beside edited ones: {', '.join(self.beside)}" if self.beside else ""
        return f"{len(self.added)} added, {len(self.updated)} updated{beside}"


def prepare(paths: Paths) -> None:
    """Make the folders that the runtime and notebooks write to, and see that they can be written.

    Raises:
        VolumeUnwritable, VolumeFull: naming the folder.
    """
    for folder in (paths.home, paths.notebooks, paths.models, paths.graphics, paths.jobs, paths.staged):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_and_remove(folder / f".write-{secrets.token_hex(8)}{atomic.TEMPORARY_SUFFIX}")
        except OSError as error:
            raise _volume_error(folder, error) from error


def lay_out(paths: Paths, shipped: Path) -> Layout:
    """Bring the files of the folder `shipped` into the notebooks' folder, never over an edited one.

    Raises:
        VolumeUnwritable, VolumeFull: naming the notebooks' folder.
    """
    memory = _remembered(paths)
    done: dict[str, list[str]] = {"added": [], "updated": [], "beside": []}
    try:
        for source in _shipped_files(shipped):
            name = source.relative_to(shipped).as_posix()
            offered = atomic.sha256(source)
            how, path = _offer(source, paths.notebooks / name, offered, memory.get(name))
            if how:
                done[how].append(path.relative_to(paths.notebooks).as_posix())
            memory[name] = offered
        atomic.write(paths.home / MEMORY, json.dumps(memory, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise _volume_error(paths.notebooks, error) from error
    return Layout(**{how: tuple(sorted(names)) for how, names in done.items()})


def free_bytes(folder: Path) -> int:
    """Space that the process's user may still write where `folder` lies."""
    return shutil.disk_usage(folder).free


def _offer(source: Path, target: Path, offered: str, before: str | None) -> tuple[str, Path]:
    """Put `source` where it belongs; how ("" for not at all), and the path.

    `offered` is its hash, `before` the hash of what an earlier start offered under this name.
    """
    if not os.path.lexists(target):
        return "added", atomic.copy(source, target)
    # A link leads to somebody else's file, whatever it holds.
    found = atomic.sha256(target) if target.is_file() and not target.is_symlink() else ""
    if found == offered:
        return "", target
    if found and found == before:
        return "updated", atomic.copy(source, target)
    beside = target.with_name(f"{target.stem}.new{target.suffix}")
    if before == offered or beside.is_dir():  # offered by an earlier start already
        return "", beside
    return "beside", atomic.copy(source, beside)


def _shipped_files(folder: Path) -> Iterator[Path]:
    for path in atomic.regular_files(folder):
        if not _NOT_SHIPPED.intersection(path.relative_to(folder).parts):
            yield path


def _remembered(paths: Paths) -> dict[str, str]:
    """What earlier starts offered; nothing when that cannot be read, and then every file counts as edited."""
    try:
        memory = json.loads((paths.home / MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in memory.items()} if isinstance(memory, dict) else {}


def _write_and_remove(path: Path) -> None:
    """Write one block to the disk itself: a full volume may take the name and refuse the content."""
    try:
        with path.open("xb", buffering=0) as file:
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)


def _volume_error(folder: Path, error: OSError) -> VolumeFull | VolumeUnwritable:
    cause = error.strerror or str(error)
    return VolumeFull(folder) if error.errno in _FULL else VolumeUnwritable(folder, cause)
