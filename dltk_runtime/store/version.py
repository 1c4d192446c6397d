"""A version whose files are in a folder of its own; `layout` shows them."""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic, lines
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.errors import VersionRemoved
from dltk_runtime.store.handles import Location
from dltk_runtime.store.later import Notice, Score
from dltk_runtime.store.layout import (
    CARD,
    CODE,
    DESCRIPTION,
    KEPT_MODEL,
    LATER,
    MANIFEST,
    MAX_VERSIONS,
    NOTICES,
    PICTURES,
    SEEN,
    UNDECIDED,
    USED,
    load_name,
)
from dltk_runtime.store.manifest import Brief, Manifest, StoredFile, parse

Kept = TypeVar("Kept")
USED_STEP_SECONDS = 600.0  # between two notes of a use
ABANDONED_SECONDS = 86400.0  # after which what a fit left unfinished counts as abandoned


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A version in `folder`; number 0 has none, and its files are in the models' folder."""

    id: VersionId
    folder: Path

    def __str__(self) -> str:
        return str(self.id)

    @property
    def name(self) -> ModelName:
        return self.id.name

    @property
    def number(self) -> int:
        return self.id.number

    @property
    def where(self) -> str:
        models = self.folder.parents[3]
        return str(self.folder if self.number else models)

    def code(self) -> bytes:
        return self._read(CODE)

    def description(self) -> bytes:
        return self._read(DESCRIPTION)

    def card(self) -> bytes:
        has_one = any(stored.path == CARD for stored in self.manifest().files)
        return self._read(CARD) if has_one else b""

    def location(self) -> Location:
        if self.number == 0:
            return Location(load_name(self.id))
        place, manifest = self.place(), self.manifest()
        knows_rows = any(stored.path == SEEN for stored in manifest.files)
        return replace(
            place,
            kept_model=place.kept_model if manifest.kept_by_runtime else "",
            seen=place.seen if knows_rows else "",
        )

    def notices(self) -> list[str]:
        return [*self.brief().notices, *self.added()]

    def added(self) -> list[str]:
        return [each.text for each in lines.read(f"{self.folder}/{NOTICES}", Notice)]

    def scores(self) -> list[Score]:
        return lines.read(f"{self.folder}/{LATER}", Score)

    def place(self) -> Location:
        """Return where a fit's worker writes the version's files."""
        paths = (self.folder, self.folder / CODE, self.folder / KEPT_MODEL, self.folder / SEEN, self.folder / PICTURES)
        return Location(load_name(self.id), *map(str, paths))

    def manifest(self) -> Manifest:
        return self._kept(_parsed)

    def brief(self) -> Brief:
        return self._kept(_brief)

    def _kept(self, known: Callable[[str, int, int, int], Kept]) -> Kept:
        """Return what is known of the manifest as its file is now."""
        path = _manifest_path(self.folder)
        try:
            status = os.stat(path)  # noqa: PTH116 - see `_manifest_path`
            return known(path, status.st_mtime_ns, status.st_ino, status.st_size)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise VersionRemoved(self.id, self.where) from error
        except OSError as error:
            raise StoreDamaged(
                f"{path} cannot be read: {error.strerror}. Check the volume and its permissions."
            ) from error

    def verify(self, *, hashes: bool = False) -> None:
        for stored in self.brief().files:
            if problem := _problem(self.folder, stored, hashes):
                raise StoreDamaged(
                    f"{self} is damaged: {stored.path} in {self.folder} {problem}. "
                    "Make another version current with 'dltk models promote', or fit again."
                )

    def use(self) -> None:
        """Set the time of its last use, at most once in `USED_STEP_SECONDS`."""
        if not self.used_within(USED_STEP_SECONDS):
            with suppress(OSError):
                (self.folder / USED).touch()

    def used_within(self, seconds: float) -> bool:
        with suppress(OSError):
            return time.time() - (self.folder / USED).stat().st_mtime < seconds
        return False

    def is_undecided(self) -> bool:
        """Return whether its fit has neither promoted it nor kept it back, for less than a day."""
        with suppress(OSError):
            return time.time() - (self.folder / UNDECIDED).stat().st_mtime < ABANDONED_SECONDS
        return False

    def decide(self) -> None:
        """Record that its fit has promoted it or kept it back."""
        with suppress(OSError):  # the mark loses its meaning after a day
            (self.folder / UNDECIDED).unlink(missing_ok=True)

    def _read(self, file: str) -> bytes:
        try:
            return atomic.read(self.folder / file)
        except OSError as error:
            raise StoreDamaged(
                f"{self} is damaged: {file} in {self.folder} cannot be read ({error.strerror}). "
                "Make another version current with 'dltk models promote', or fit again."
            ) from error


@functools.lru_cache(maxsize=MAX_VERSIONS)  # as `layout` says
def _manifest_path(folder: Path) -> str:
    return str(folder / MANIFEST)


@functools.lru_cache(maxsize=512)
def _parsed(path: str, mtime_ns: int, inode: int, size: int) -> Manifest:  # noqa: ARG001 - they are the cache's key
    return parse(atomic.read(path), path)


@functools.lru_cache(maxsize=MAX_VERSIONS)
def _brief(path: str, mtime_ns: int, inode: int, size: int) -> Brief:  # noqa: ARG001 - they are the cache's key
    return Brief.of(parse(atomic.read(path), path))


def _problem(folder: Path, stored: StoredFile, hashes: bool) -> str:
    path = f"{folder}/{stored.path}"
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or (hashes and Path(path).resolve() != folder.resolve() / stored.path):
            return "is a link, or behind one, and was a file when it was stored"
        size = status.st_size
        if size != stored.size:
            return f"has {size:,} bytes, and had {stored.size:,} when it was stored"
        if hashes and atomic.sha256(Path(path)) != stored.sha256:
            return "has changed since it was stored"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""
