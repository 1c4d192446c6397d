"""Job records: one folder for each fit, ``jobs/<id>/`` with ``job.json`` and ``log``, shared by all replicas.

``job.json`` is replaced as a whole at each change. A job that has not ended is touched by its server every
`TOUCH_EVERY` seconds; whoever finds it untouched for `LOST_AFTER` seconds knows that its server is gone.
"""

from __future__ import annotations

import re
import secrets
import shutil
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
from dltk_runtime.jobs import series
from dltk_runtime.jobs.errors import JobUnknown, NotCancellable
from dltk_runtime.jobs.job import LOG, Job, OnState, tell_nobody
from dltk_runtime.jobs.record import RECORD, JobError, JobRecord, State, save
from dltk_runtime.jobs.series import Series
from dltk_runtime.jobs.submission import Claim, Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.secret_names import parameters_without_secrets

__all__ = ["LOST_AFTER", "TOUCH_EVERY", "Job", "JobError", "JobRecord", "JobStore", "State"]

TOUCH_EVERY = 10.0  # seconds
LOST_AFTER = 60.0  # seconds
CANCEL = "cancel"  # an empty file that asks for the job's end
_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}", re.ASCII)


class JobStore:
    """The jobs below `paths`; the `keep` newest stay, each with a log of at most `log_bytes`."""

    def __init__(self, paths: Paths, keep: int, log_bytes: int, on_state: OnState = tell_nobody) -> None:
        self._tell = on_state
        self._folder = paths.jobs
        self._keep = keep
        self._log_bytes = log_bytes
        # Weak, so that a job which its server has forgotten is not kept from being found lost.
        self._live: weakref.WeakSet[Job] = weakref.WeakSet()
        self._ended: dict[str, State] = {}  # of jobs whose records were read: these change no more
        self._disk = ThreadPoolExecutor(1, "job-records")  # for what no fit need wait for

    def create(
        self, name: ModelName, parameters: Mapping[str, str], request: str = "", submission: Submission | None = None
    ) -> Job:
        """A queued job; `request` is the id of the request it came with. The oldest ended jobs make room, soon.

        With a `submission` the job is asynchronous: what it needs to run lies in its folder until it ends.

        Raises:
            NotStored: the record cannot be written.
        """
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
        job = self._made(record, submission)
        self._live.add(job)
        self._on_state(record)
        self._disk.submit(self.prune)
        return job

    def flush(self) -> None:
        """Write the steps that jobs have entered since their records were written; call it twice a second or so."""
        for job in list(self._live):
            job.flush()

    def touch(self) -> None:
        """Touch every job that has not ended; a server calls this every `TOUCH_EVERY` seconds, queued jobs included."""
        for job in list(self._live):
            job.touch()

    def get(self, job: str, now: float | None = None) -> JobRecord:
        """The record as it is at `now` (seconds since the epoch; default: this moment).

        Raises:
            JobUnknown: there is none of that id, or its record cannot be read.
        """
        record = self._read(job, time.time() if now is None else now)
        if record is None:
            raise JobUnknown(job)
        return record

    def log(self, job: str) -> str:
        """What the job's code has printed so far.

        Raises:
            JobUnknown: there is none of that id.
        """
        try:
            return (self._path(job) / LOG).read_bytes().decode("utf-8", "replace")
        except OSError as error:
            raise JobUnknown(job) from error

    def prune(self) -> None:
        """Remove the oldest jobs beyond the bound; those that have not ended stay."""
        ids = self._ids()
        for job in ids[: -self._keep]:
            if self._may_go(job, time.time()):
                shutil.rmtree(self._folder / job, ignore_errors=True)

    def list(self, now: float | None = None) -> list[JobRecord]:
        """All records, the newest first."""
        moment = time.time() if now is None else now
        found = (self._read(job, moment) for job in reversed(self._ids()))
        return [record for record in found if record is not None]

    def states(self) -> Counter[State]:
        """How many jobs are in each state; reads the records only of those that had not ended at the last call."""
        ids, now = self._ids(), time.time()
        ended = {job: self._ended[job] for job in ids if job in self._ended}
        records = [record for job in ids if job not in ended and (record := self._read(job, now))]
        counted = Counter(ended.values()) + Counter(record.state for record in records)
        # One that is lost may be touched again.
        self._ended = ended | {each.id: each.state for each in records if each.state.ended and each.state != State.LOST}
        return counted

    def adopt(self, job: str) -> tuple[Job, Submission] | None:
        """Take over a queued asynchronous job whose server is gone; None when it is not to be had."""
        folder = self._path(job)
        claim = Claim.take(folder, LOST_AFTER)
        if claim is None:
            return None
        record = self._read(job, time.time())
        found = Submission.read(folder) if record is not None and record.state is State.QUEUED else None
        if record is None or found is None:
            claim.drop()
            return None
        adopted = Job(folder, record, self._log_bytes, claim, self._on_state)
        self._live.add(adopted)
        return adopted, found

    def unfinished(self, fingerprint: str) -> JobRecord | None:
        """The asynchronous job of that fingerprint that waits or runs, on any server."""
        return next((each for each in self.list() if each.fingerprint == fingerprint and not each.state.ended), None)

    def metrics(self, job: str) -> Series:
        """The metrics of each noted step.

        Raises:
            JobUnknown: there is none of that id.
        """
        self.get(job)
        return series.read(self._path(job))

    def ask_to_cancel(self, job: str) -> None:
        """Leave word that the job is to be ended, for whichever server runs it.

        Raises:
            JobUnknown: there is none of that id.
            NotCancellable: it has ended.
        """
        record = self.get(job)
        if record.state.ended:
            raise NotCancellable(job, f"has {record.state}" if record.state != State.LOST else "is lost")
        (self._path(job) / CANCEL).touch()

    def to_be_cancelled(self, job: str) -> bool:
        """Whether somebody asked for the job's end."""
        return (self._path(job) / CANCEL).exists()

    def _on_state(self, record: JobRecord) -> None:
        self._tell(record)
        if record.state.ended:  # only an end must outlive a power cut, which ends all others; nobody waits for the disk
            self._disk.submit(_sync, self._folder / record.id / RECORD)

    def _made(self, record: JobRecord, submission: Submission | None) -> Job:
        folder = self._folder / record.id
        try:
            folder.mkdir(parents=True)
            claim = None
            if submission is not None:
                claim = Claim.take(folder, 0)
                submission.write(folder)
            save(folder, record)
            return Job(folder, record, self._log_bytes, claim, self._on_state)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise atomic.not_stored("The record of a job", folder, error) from error

    def _ids(self) -> Ids:
        return sorted(filter(_ID.fullmatch, atomic.names_in(self._folder)))

    def _path(self, job: str) -> Path:
        if not _ID.fullmatch(job):
            raise JobUnknown(job)
        return self._folder / job

    def _read(self, job: str, now: float) -> JobRecord | None:
        path = self._path(job) / RECORD
        try:
            record = msgspec.json.decode(path.read_bytes(), type=JobRecord)
            untouched = now - path.stat().st_mtime
        except (OSError, msgspec.DecodeError):
            return None
        waits = record.state is State.QUEUED and record.asynchronous  # until a server adopts it
        if not record.state.ended and not waits and untouched > LOST_AFTER:
            return msgspec.structs.replace(record, state=State.LOST)
        return record

    def _may_go(self, job: str, now: float) -> bool:
        record = self._read(job, now)
        if record is not None:
            return record.state.ended
        with suppress(OSError):  # without a record: another replica makes it just now, or a kill left it
            return now - (self._folder / job).stat().st_mtime > LOST_AFTER
        return False


def _sync(record: Path) -> None:
    with suppress(OSError):  # another server has removed it
        atomic.sync(record)


# Inside JobStore, `list` is its method.
Ids = list[str]
