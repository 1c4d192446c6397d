"""Copy job records while jobs begin, run and end."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.files import atomic
from dltk_runtime.files.copying import Copier, entries
from dltk_runtime.files.records import decoded
from dltk_runtime.jobs.index import ID, RECORD
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.submission import Submission

MAX_TRIES = 3  # for a job that ends while it is copied


def copy_jobs(jobs: Path, copier: Copier, root: str) -> int:
    """Copy every job in the folder `jobs` to `root`; return their number.

    Of a job's files the record is copied last. So an asynchronous job that is unfinished by its
    record has its rows in the copy, unless they are gone in the original, too.

    Raises:
        OSError: the copy cannot be written.
    """
    return sum(_copied(jobs / job, copier, f"{root}/{job}") for job in sorted(filter(ID.fullmatch, _names(jobs))))


def _names(jobs: Path) -> list[str]:
    return atomic.names_in(jobs)


def _copied(job: Path, copier: Copier, to: str) -> bool:
    for _ in range(MAX_TRIES):
        copier.drop(to)
        for path, is_folder in entries(job, frozenset({job / RECORD}), copier.not_listed):
            if is_folder:
                copier.folder(f"{to}/{path}")  # whose name says who may run the job
            else:
                copier.file(job / path, f"{to}/{path}")
        if copier.file(job / RECORD, f"{to}/{RECORD}") is None:  # removed meanwhile, or being made
            copier.drop(to)
            return False
        if not _lacks_rows(copier.target / to):
            break
    return True


def _lacks_rows(copy: Path) -> bool:
    """Return whether a copied job waits or runs and its rows were removed: it has ended since."""
    try:
        record = decoded((copy / RECORD).read_bytes(), JobRecord)
    except (OSError, ValueError):
        return False
    return record.asynchronous and not record.state.ended and Submission.read(copy) is None
