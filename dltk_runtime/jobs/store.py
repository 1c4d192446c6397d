"""Job records in folders that all replicas share: ``jobs/<id>/``, see `folder`.

A job that has not ended is touched by its server every `TOUCH_SECONDS`. One that was not touched
for `LOST_SECONDS` has lost its server.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
import weakref
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import cut
from dltk_runtime.files import atomic
from dltk_runtime.jobs import folder, output
from dltk_runtime.jobs.errors import JobUnknown, NotCancellable
from dltk_runtime.jobs.folder import CANCEL, LOG, JobFolder
from dltk_runtime.jobs.interface import TOUCH_SECONDS
from dltk_runtime.jobs.job import Job, OnState
from dltk_runtime.jobs.record import JobError, JobRecord, MetricsByStep, State
from dltk_runtime.jobs.submission import Claim, Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.secret_names import parameters_without_secrets

__all__ = ["LOST_SECONDS", "TOUCH_SECONDS", "Job", "JobError", "JobRecord", "JobStore", "State"]

LOST_SECONDS = 60.0  # without a touch, after which a job's server is taken for gone
_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}", re.ASCII)


class JobStore:
    """Implements `interface.JobRecords` below `paths`.

    The `keep` newest jobs stay, each with a log of at most `log_bytes`. `on_state` is called with
    each new state of this server's jobs.
    """

    def __init__(self, paths: Paths, keep: int, log_bytes: int, on_state: OnState | None = None) -> None:
        self._listener = on_state
        self._folder = paths.jobs
        self._keep = keep
        self._log_bytes = log_bytes
        # Weak: a job that its server has dropped is no longer touched, and so is found lost.
        self._live: weakref.WeakSet[Job] = weakref.WeakSet()
        self._ended: dict[str, State] = {}  # of jobs whose records were read; these no longer change
        self._closing = threading.Event()
        self._disk = ThreadPoolExecutor(1, "job-records")  # for work that no fit waits for

    # ------------------------------------------------------------ read

    def get(self, job: str, now: float | None = None) -> JobRecord:
        """Return the record as it is at `now` (seconds since the epoch; default: this moment)."""
        record = self._read(job, time.time() if now is None else now)
        if record is None:
            raise JobUnknown(job)
        return record

    def list(self, now: float | None = None) -> list[JobRecord]:
        """Return all records as they are at `now` (as for `get`), newest first."""
        moment = time.time() if now is None else now
        found = (self._read(job, moment) for job in reversed(self._ids()))
        return [record for record in found if record is not None]

    def states(self) -> Counter[State]:
        # Reads the records only of jobs that had not ended at the last call.
        ids, now = self._ids(), time.time()
        ended = {job: self._ended[job] for job in ids if job in self._ended}
        records = [record for job in ids if job not in ended and (record := self._read(job, now))]
        counted = Counter(ended.values()) + Counter(record.state for record in records)
        # A lost one may be touched again.
        self._ended = ended | {each.id: each.state for each in records if each.state.ended and each.state != State.LOST}
        return counted

    def unfinished(self, fingerprint: str) -> JobRecord | None:
        return next((each for each in self.list() if each.fingerprint == fingerprint and not each.state.ended), None)

    def log(self, job: str) -> str:
        try:
            return (self._path(job) / LOG).read_bytes().decode("utf-8", "replace")
        except OSError as error:
            raise JobUnknown(job) from error

    def metrics(self, job: str) -> MetricsByStep:
        self.get(job)
        return output.read_metrics(self._path(job))

    # ------------------------------------------------------------ write

    def create(
        self, name: ModelName, parameters: Mapping[str, str], request: str = "", submission: Submission | None = None
    ) -> Job:
        now = datetime.now(UTC)
        record = JobRecord(
            id=f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}",
            algorithm=name.algorithm,
            model=name.model,
            state=State.QUEUED,
            created=now,
            parameters={key: cut(value) for key, value in parameters_without_secrets(parameters).items()},
            request=request,
            asynchronous=submission is not None,
            fingerprint=submission.fingerprint if submission else "",
        )
        place = JobFolder.create(self._folder / record.id, record, submission, self._log_bytes)
        self._on_state(record)
        self._disk.submit(self.prune)
        return self._registered(Job(place, record, self._on_state))

    def adopt(self, job: str) -> tuple[Job, Submission] | None:
        path = self._path(job)
        claim = Claim.take(path, LOST_SECONDS)
        if claim is None:
            return None
        record = self._read(job, time.time())
        found = Submission.read(path) if record is not None and record.state is State.QUEUED else None
        if record is None or found is None:
            claim.drop()
            return None
        place = JobFolder(path, self._log_bytes, claim)
        return self._registered(Job(place, record, self._on_state)), found

    def ask_to_cancel(self, job: str) -> None:
        record = self.get(job)
        if record.state.ended:
            raise NotCancellable(job, f"has {record.state}" if record.state != State.LOST else "is lost")
        (self._path(job) / CANCEL).touch()

    def to_be_cancelled(self, job: str) -> bool:
        return (self._path(job) / CANCEL).exists()

    def touch(self) -> None:
        for job in list(self._live):
            job.touch()

    def flush(self) -> None:
        for job in list(self._live):
            job.flush()

    def prune(self) -> None:
        ids = self._ids()
        for job in ids[: -self._keep]:
            if self._closing.is_set():
                return
            if self._may_go(job, time.time()):
                shutil.rmtree(self._folder / job, ignore_errors=True)

    def close(self) -> None:
        self._closing.set()

    # ------------------------------------------------------------ helpers

    def _registered(self, job: Job) -> Job:
        self._live.add(job)
        return job

    def _on_state(self, record: JobRecord) -> None:
        if self._listener is not None:
            self._listener(record)
        if record.state.ended:  # the other states need not outlive a power failure, which ends the job
            self._disk.submit(folder.sync, self._folder / record.id)

    def _ids(self) -> Ids:
        return sorted(filter(_ID.fullmatch, atomic.names_in(self._folder)))

    def _path(self, job: str) -> Path:
        if not _ID.fullmatch(job):
            raise JobUnknown(job)
        return self._folder / job

    def _read(self, job: str, now: float) -> JobRecord | None:
        found = folder.read(self._path(job))
        if found is None:
            return None
        record, touched = found
        waits = record.state is State.QUEUED and record.asynchronous  # until a server adopts it
        if not record.state.ended and not waits and now - touched > LOST_SECONDS:
            return msgspec.structs.replace(record, state=State.LOST)
        return record

    def _may_go(self, job: str, now: float) -> bool:
        record = self._read(job, now)
        if record is not None:
            return record.state.ended
        with suppress(OSError):  # no record: a replica is creating it, or a kill left the folder
            return now - (self._folder / job).stat().st_mtime > LOST_SECONDS
        return False


# Inside JobStore, `list` is its method.
Ids = list[str]
