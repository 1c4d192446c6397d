"""Copy a home and its notebooks into a folder, while servers fit, promote and answer.

Versions never change and come first; then everything else; then the jobs; then the pointers of the
models, which name versions that are in the copy; and the record as the last file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dltk_runtime import __version__
from dltk_runtime.errors import DltkError
from dltk_runtime.files import atomic
from dltk_runtime.files.copying import Copier, entries
from dltk_runtime.jobs.backup import copy_jobs
from dltk_runtime.paths import Paths
from dltk_runtime.store.backup import ModelsCopy, StoreCopy
from dltk_runtime.store.store import opened
from dltk_runtime.volume.errors import TargetRefused
from dltk_runtime.volume.record import HOME, LEFT_OUT, NOTEBOOKS, RECORD, SET_ASIDE, BackupRecord, versions_of

_CACHES = ("__pycache__", ".ipynb_checkpoints")


def back_up(paths: Paths, target: Path) -> BackupRecord:
    """Copy the home and the notebooks of `paths` into the folder `target`; return the record.

    Raises:
        TargetRefused: `target` is not empty, or inside of what is copied.
        NotStored: it cannot be written; then it has no record, and is no backup.
        StoreUnusable, StoreUnreachable: the versions are in an object store, and it does not answer.
    """
    _check_target(paths, target)
    copier = Copier(target)
    store = _copy_of(paths, copier)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for root in (HOME, NOTEBOOKS):
            (target / root).mkdir()
        store.copy_versions()
        _copy_rest(paths, copier)
        jobs = copy_jobs(paths.jobs, copier, f"{HOME}/{paths.jobs.relative_to(paths.home).as_posix()}")
        store.copy_pointers()
        record = _record(copier, store, jobs)
        for folder, is_folder in entries(target):
            if is_folder:
                atomic.sync_folder(target / folder)
        atomic.write(target / RECORD, atomic.to_json(record))
    except OSError as error:
        raise atomic.not_stored("The backup", target, error) from error
    return record


def _copy_of(paths: Paths, copier: Copier) -> ModelsCopy:
    root = versions_of(paths)
    if not paths.objects:
        return StoreCopy(paths.versions, copier, root)
    place = opened(paths)
    from dltk_runtime.store.objects.backup import ObjectCopy

    if paths.versions.exists():  # from before: the object store has the place of these
        copier.links.append(root)
    return ObjectCopy(place, copier, root)


def _check_target(paths: Paths, target: Path) -> None:
    where = target.resolve()
    for root in (paths.home.resolve(), paths.notebooks.resolve()):
        if where == root or root in where.parents:
            raise TargetRefused(target, f"is inside {root}, which is to be copied")
    if not paths.home.is_dir():
        raise DltkError(f"Nothing was backed up: {paths.home}, the folder of DLTK_HOME, does not exist.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TargetRefused(target, "is not empty" if target.is_dir() else "is a file")


def _copy_rest(paths: Paths, copier: Copier) -> None:
    """Copy the home without versions, jobs and `LEFT_OUT`, and the notebooks."""
    skipped = {paths.home / name for name in LEFT_OUT} | {paths.versions, paths.jobs, paths.notebooks, paths.home}
    if paths.objects:
        skipped.add(paths.copies)
    for root, name in ((paths.home, HOME), (paths.notebooks, NOTEBOOKS)):
        for path, is_folder in entries(root, frozenset(skipped - {root}), copier.not_listed):
            if path.startswith(SET_ASIDE) or any(each in _CACHES for each in path.split("/")):
                continue
            if is_folder:
                copier.folder(f"{name}/{path}")
            else:
                copier.file(root / path, f"{name}/{path}")


def _record(copier: Copier, store: ModelsCopy, jobs: int) -> BackupRecord:
    return BackupRecord(
        runtime=__version__,
        time=datetime.now(UTC),
        models=store.models,
        versions=store.versions,
        jobs=jobs,
        files=copier.files,
        folders=copier.folders,
        left_out=sorted(copier.links),
        problems=[*store.problems, *copier.problems],
    )
