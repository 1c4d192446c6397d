"""The folder of one job.

::

    jobs/20260131T120000.000000Z-0a1b2c3d/
        job.json        the record, replaced as a whole at each change
        log             what the job's code printed
        metrics.jsonl   the metrics of each step
        cancel          empty; exists once the job's end was requested
        free-0, owned-1 who may write the record of an asynchronous job: `claim`
        claim           locked by the server that runs an asynchronous job
        meta.json, data.json or data.csv        what an asynchronous job needs, until it ends
        state-…         the newest state of a training by several machines, for another start, until it ends
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.jobs import claim, output
from dltk_runtime.jobs.claim import JobClaim
from dltk_runtime.jobs.index import RECORD, read_all
from dltk_runtime.jobs.output import JobLog
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.submission import STATE, Submission

LOG = "log"
CANCEL = "cancel"


class JobFolder:
    """Implements `place.JobPlace` by files; `claim` is that of an asynchronous job."""

    def __init__(self, path: Path, log_bytes: int, claim: JobClaim | None = None) -> None:
        self._path = path
        self._claim = claim
        self._log = JobLog(path / LOG, log_bytes)

    @classmethod
    def create(cls, path: Path, record: JobRecord, log_bytes: int) -> Self:
        """Make the folder of a new job that a search waits for.

        Raises:
            NotStored: it cannot be written; then there is no folder.
        """
        try:
            path.mkdir(parents=True)
            save(path, record)
            return cls(path, log_bytes)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise atomic.not_stored("The record of a job", path, error) from error

    def save(self, record: JobRecord, *, durable: bool = False) -> None:
        if self._claim is None:
            save(self._path, record, durable=durable)
        else:
            self._claim.write(self._path / RECORD, atomic.to_json(record), durable=durable)

    def touch(self) -> None:
        with suppress(OSError):
            if self._claim is not None:
                self._claim.touch()
            os.utime(self._path / RECORD)

    def add_metrics(self, step: float, metrics: Mapping[str, float]) -> None:
        output.add_metrics(self._path, step, metrics)

    def write_log(self, text: bytes) -> None:
        self._log.write(text)

    def close_log(self) -> None:
        self._log.close()

    @property
    def state_of_training(self) -> Path:
        return self._path / STATE

    def remove_submission(self) -> None:
        Submission.remove(self._path)

    def give_back(self) -> None:
        if self._claim is not None:
            self._claim.give_back()

    def leave(self) -> None:
        if self._claim is not None:
            self._claim.drop()


def submit(path: Path, record: JobRecord, submission: Submission) -> None:
    """Make the folder of a new asynchronous job, durably; its record comes last.

    Raises:
        NotStored: it cannot be written; then there is no folder.
    """
    try:
        path.mkdir(parents=True)
        claim.offer(path)
        (path / LOG).touch()
        submission.write(path)
        save(path, record, durable=True)
        atomic.sync_folder(path.parent)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        raise atomic.not_stored("The record of a job", path, error) from error


def save(path: Path, record: JobRecord, *, durable: bool = False) -> None:
    """Replace the record in a job's folder; `durable` makes it outlive a power failure.

    Raises:
        OSError: it cannot be written.
    """
    atomic.write(path / RECORD, atomic.to_json(record), durable=durable)


def sync(path: Path) -> None:
    """Make the record in a job's folder outlive a power failure, if it still exists."""
    with suppress(OSError):
        atomic.sync(path / RECORD)


def read(path: Path) -> tuple[JobRecord, float] | None:
    """Return the record in a job's folder and when it was touched (by the volume's time).

    None when there is none that can be read.
    """
    try:
        descriptor = os.open(path / RECORD, os.O_RDONLY | atomic.AS_OURS)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        return decoded(read_all(descriptor, status.st_size), JobRecord), status.st_mtime
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
