"""Put a backup in place: every file of it is compared with its hash before anything is written."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dltk_runtime.errors import StoreError
from dltk_runtime.files import atomic
from dltk_runtime.files.copying import Copied, Copier
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelStore, opened
from dltk_runtime.volume.errors import BackupDamaged, HomeOccupied, RestoredWrongly, StoreOccupied
from dltk_runtime.volume.record import HOME, LEFT_OUT, NOTEBOOKS, SET_ASIDE, BackupRecord, place_of, versions_of

if TYPE_CHECKING:
    from dltk_runtime.store.objects.restoring import ObjectRestoring

CUT_SHORT = ".restoring"  # in a home while it is restored


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restoration did: the folders for what was in its place."""

    set_aside: tuple[Path, ...] = ()


def check(folder: Path, record: BackupRecord) -> None:
    """Compare every file of a backup with its record.

    Raises:
        BackupDamaged: one is missing or has changed, or lies behind a link.
    """
    names = [*(each.path for each in record.files), *record.folders]
    if links := [each for each in _folders_of(folder, names) if each.is_symlink()]:
        raise BackupDamaged(folder, [f"{each} is a link, and a backup has none" for each in links])
    if problems := list(_problems(record.files, lambda path: folder / path)):
        raise BackupDamaged(folder, problems)


def restore(folder: Path, record: BackupRecord, paths: Paths, *, set_aside: bool) -> Restored:
    """Copy a backup, which `check` has passed, into the home and the notebooks of `paths`.

    With `set_aside`, what is there is moved into a hidden folder beside it first.

    Raises:
        HomeOccupied: something is there.
        StoreOccupied: the object store has other versions of the same models.
        RestoredWrongly: a file changed while it was copied.
        NotStored: it cannot be written.
        StoreUnusable, StoreUnreachable: the object store does not answer.
    """
    objects = _objects(folder, paths)
    if objects is not None and (occupied := objects.occupied()):
        raise StoreOccupied(paths.objects, occupied)
    moved = []
    for root in dict.fromkeys((paths.notebooks, paths.home)):  # the notebooks may lie deep in the home
        if names := _occupants(root, paths):
            if not set_aside:
                raise HomeOccupied(root, names, (paths.home / CUT_SHORT).exists())
            moved.append((root, names))
    if objects is not None:
        objects.prove()
    try:
        aside = tuple(_set_aside(root, names) for root, names in moved)
        _copy(folder, record, paths, objects)
    except OSError as error:
        raise atomic.not_stored("The backup's content", paths.home, error) from error
    return Restored(aside)


def verify(folder: Path, record: BackupRecord, paths: Paths) -> None:
    """Read every restored file again, and compare each version with its manifest.

    Versions that were damaged in the backup are those of its `problems`; they are not compared.

    Raises:
        RestoredWrongly: one differs.
    """
    objects = _objects(folder, paths)
    problems = list(_problems(_on_disk(record, paths), lambda path: place_of(path, paths)))
    problems += objects.differences() if objects is not None else ()
    if not record.problems:
        store = ModelStore.open(paths, keep=1)
        for name in store.models():
            for version in store.versions(name):
                try:
                    version.verify(hashes=True)
                except StoreError as error:
                    problems.append(error.sentence)
    if problems:
        raise RestoredWrongly(problems)


def _objects(folder: Path, paths: Paths) -> ObjectRestoring | None:
    """Return what restores a backup's versions to the object store of `paths`; None without one."""
    if not paths.objects:
        return None
    place = opened(paths)
    from dltk_runtime.store.objects.restoring import ObjectRestoring

    return ObjectRestoring(place, Paths(folder / HOME, folder / NOTEBOOKS))


def _on_disk(record: BackupRecord, paths: Paths) -> list[Copied]:
    """Return the files that belong into the home or to the notebooks: not those of versions in an object store."""
    return [each for each in record.files if not (paths.objects and each.path.startswith(f"{versions_of(paths)}/"))]


def _folders_of(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return every folder of a backup that leads to one of its files, and those it names, from the top down."""
    parts = {part for name in names for part in (PurePosixPath(name), *PurePosixPath(name).parents)}
    return [folder / part for part in sorted(parts) if part.name]


def _problems(files: list[Copied], place: Callable[[str], Path]) -> Iterator[str]:
    for each in files:
        path = place(each.path)
        try:
            status = path.lstat()  # a pipe would be waited for
            same = stat.S_ISREG(status.st_mode) and status.st_size == each.size
            if not same or atomic.sha256(path) != each.sha256:
                yield f"{path} is not as it was backed up"
        except OSError as error:
            yield f"{path} cannot be read ({error.strerror})"


def _occupants(root: Path, paths: Paths) -> list[str]:
    """Return the entries of a folder that a restoration would meet."""
    ignored = set(LEFT_OUT) if root == paths.home else set()
    found = [name for name in atomic.names_in(root) if name not in ignored and not name.startswith(SET_ASIDE)]
    return sorted(name for name in found if root / name != paths.notebooks)


def _set_aside(root: Path, names: list[str]) -> Path:
    stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = root / f"{SET_ASIDE}{stamp}"
    aside.mkdir()
    for name in names:
        (root / name).rename(aside / name)
    return aside


def _copy(folder: Path, record: BackupRecord, paths: Paths, objects: ObjectRestoring | None) -> None:
    paths.home.mkdir(parents=True, exist_ok=True)
    paths.notebooks.mkdir(parents=True, exist_ok=True)
    marker = paths.home / CUT_SHORT
    marker.touch()
    for name in record.folders:
        place_of(name, paths).mkdir(parents=True, exist_ok=True)
    copiers = {paths.home: Copier(paths.home), paths.notebooks: Copier(paths.notebooks)}
    changed, files = [], _on_disk(record, paths)
    for each in files:
        root = paths.home if each.path.startswith(HOME + "/") else paths.notebooks
        copied = copiers[root].file(folder / each.path, each.path.partition("/")[2])
        if copied is None or (copied.size, copied.sha256) != (each.size, each.sha256):
            changed.append(f"{folder / each.path} changed while it was restored")
    if changed:
        raise RestoredWrongly(changed)
    for written in sorted({place_of(each.path, paths).parent for each in files}):
        atomic.sync_folder(written)
    if objects is not None:
        objects.put()
    marker.unlink()
