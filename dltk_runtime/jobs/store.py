"""Job records in folders that all replicas share: ``jobs/<id>/``, see `folder`.

A job that has not ended is touched by its server every `TOUCH_SECONDS`. One that was not touched
for `LOST_SECONDS` has lost its server. Both times are the volume's.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from dltk_runtime.access.actor import NOBODY, Actor
from dltk_runtime.errors import cut
from dltk_runtime.files import atomic, clock
from dltk_runtime.files.state import stamp_of
from dltk_runtime.jobs import folder, output
from dltk_runtime.jobs.claim import ClaimLost, JobClaim
from dltk_runtime.jobs.errors import JobDamaged, JobUnknown, NotCancellable
from dltk_runtime.jobs.folder import CANCEL, LOG, JobFolder
from dltk_runtime.jobs.index import ID, RECORD, JobIndex
from dltk_runtime.jobs.interface import TOUCH_SECONDS
from dltk_runtime.jobs.job import Job, OnState
from dltk_runtime.jobs.record import JobError, JobRecord, MetricsByStep, State
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.secret_names import parameters_without_secrets

__all__ = ["LOST_SECONDS", "TOUCH_SECONDS", "Job", "JobError", "JobRecord", "JobStore", "State"]

LOST_SECONDS = 60.0  # without a touch, after which a job's server is taken for gone
MAX_REMOVED = 100  # jobs that one `prune` removes


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
        self._owing: set[Job] = set()  # jobs that ended while their record could not be written
        self._index = JobIndex(paths.jobs)
        self._closing = threading.Event()
        self._to_prune = threading.Event()
        self._disk = ThreadPoolExecutor(1, "job-records")  # for work that no fit waits for

    # ------------------------------------------------------------ read

    def get(self, job: str, now: float | None = None) -> JobRecord:
        """Return the record as it is at `now` (the volume's time; default: this moment)."""
        found = folder.read(self._path(job))
        if found is None:
            record = self._path(job) / RECORD
            raise JobDamaged(record) if record.exists() else JobUnknown(job)
        return self._as_of(*found, now)

    def list(
        self,
        limit: int | None = None,
        state: State | None = None,
        now: float | None = None,
        shown: Callable[[JobRecord], bool] | None = None,
    ) -> list[JobRecord]:
        """Return records as they are at `now` (as for `get`), newest first."""
        self._index.look()
        return list(islice(filter(shown, self._newest(state, now)), limit))

    def states(self) -> Counter[State]:
        self._index.look()
        return Counter(self._index.ended().values()) + Counter(each.state for each in self._unfinished(None))

    def unfinished(self) -> Records:
        self._index.look()
        return [record for record in self._unfinished(None) if not record.state.ended]

    def log(self, job: str) -> str:
        try:
            return atomic.read(self._path(job) / LOG).decode("utf-8", "replace")
        except OSError as error:
            raise JobUnknown(job) from error

    def metrics(self, job: str) -> MetricsByStep:
        self.get(job)
        return output.read_metrics(self._path(job))

    def printed(self, job: str) -> Hashable:
        path = self._path(job)
        return stamp_of(path / LOG), stamp_of(path / output.METRICS)

    # ------------------------------------------------------------ write

    def create(self, name: ModelName, parameters: Mapping[str, str], request: str = "", actor: Actor = NOBODY) -> Job:
        record = _new(name, parameters, request, actor)
        place = JobFolder.create(self._folder / record.id, record, self._log_bytes)
        self._on_state(record)
        self._prune_soon()
        return self._registered(place, record)

    def submit(
        self,
        name: ModelName,
        parameters: Mapping[str, str],
        submission: Submission,
        request: str = "",
        actor: Actor = NOBODY,
    ) -> JobRecord:
        new = _new(name, parameters, request, actor)
        record = msgspec.structs.replace(new, asynchronous=True, fingerprint=submission.fingerprint)
        folder.submit(self._folder / record.id, record, submission)
        self._on_state(record)
        self._prune_soon()
        return record

    def adopt(self, job: str) -> Job | None:
        path = self._path(job)
        before = folder.read(path)
        if before is None or before[0].state.ended or not before[0].asynchronous:
            return None
        claim = JobClaim.take(path, lambda: self._is_abandoned(path))
        if claim is None:
            return None
        found = folder.read(path)
        if found is None or found[0].state.ended:
            claim.drop()
            return None
        try:
            place = JobFolder(path, self._log_bytes, claim)
        except OSError:
            claim.give_back()
            raise
        try:
            place.touch()
        except ClaimLost:  # taken from this server in the same moment, on a volume without locks
            return None
        return self._registered(place, found[0])

    def submission(self, job: str) -> Submission | None:
        return Submission.read(self._path(job))

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
            if not job.owes_its_end:
                self._owing.discard(job)

    def prune(self) -> None:
        self._to_prune.clear()
        self._index.look()
        for job in self._index.take_ended():
            Submission.remove(self._folder / job)
        for number, job in enumerate(self._removable()):
            if self._closing.is_set() or number >= MAX_REMOVED:
                return
            shutil.rmtree(self._folder / job, ignore_errors=True)
            self._index.forget(job)

    def remove(self, job: str) -> None:
        """Remove a job that has ended, with its log.

        Raises:
            JobUnknown: there is none of that name.
            NotStored: it cannot be removed.
        """
        path = self._path(job)
        try:
            shutil.rmtree(path)
        except FileNotFoundError as error:
            raise JobUnknown(job) from error
        except OSError as error:
            raise atomic.not_stored(f"The removal of job {job}", path, error) from error
        self._index.forget(job)

    def close(self) -> None:
        self._closing.set()

    # ------------------------------------------------------------ helpers

    def _registered(self, place: JobFolder, record: JobRecord) -> Job:
        job = Job(place, record, self._on_state, self._owing.add)
        self._live.add(job)
        return job

    def _on_state(self, record: JobRecord) -> None:
        if self._listener is not None:
            self._listener(record)
        if record.state.ended:  # the other states need not outlive a power failure, which ends the job
            self._disk.submit(folder.sync, self._folder / record.id)

    def _path(self, job: str) -> Path:
        if not ID.fullmatch(job):
            raise JobUnknown(job)
        return self._folder / job

    def _newest(self, state: State | None, now: float | None) -> Iterator[JobRecord]:
        ended, others = self._index.ended(), {each.id: each for each in self._unfinished(now)}
        for job in reversed(self._index.ids()):
            if state is not None and state != (others[job].state if job in others else ended.get(job)):
                continue
            if job in others:
                yield others[job]
            elif (seen := self._index.record(job)) is not None:
                yield seen.record

    def _unfinished(self, now: float | None) -> Iterator[JobRecord]:
        for seen in self._index.unfinished():
            yield self._as_of(seen.record, seen.touched, now)

    def _as_of(self, record: JobRecord, touched: float, now: float | None) -> JobRecord:
        """Return the record; that of a fit which a search waits for may be lost by now."""
        if record.state.ended or record.asynchronous:  # a server adopts it
            return record
        moment = clock.now(self._folder) if now is None else now
        return msgspec.structs.replace(record, state=State.LOST) if moment - touched > LOST_SECONDS else record

    def _is_abandoned(self, path: Path) -> bool:
        found = folder.read(path)
        return found is not None and clock.now(self._folder) - found[1] > LOST_SECONDS

    # ------------------------------------------------------------ removal

    def _prune_soon(self) -> None:
        if not self._to_prune.is_set():
            self._to_prune.set()
            self._disk.submit(self.prune)

    def _removable(self) -> Iterator[str]:
        """Yield the oldest ended jobs beyond the bound, and what a server that ended has left."""
        missing, damaged = self._index.without_record()
        jobs = sorted([*self._index.ids(), *missing, *damaged])
        beyond = set(jobs[: -self._keep])
        ended = self._index.ended().keys() | {each.id for each in self._unfinished(None) if each.state.ended}
        yield from (job for job in jobs if job in beyond and job in ended)
        now = clock.now(self._folder)
        for job in (*missing, *(each for each in damaged if each in beyond)):
            with suppress(OSError):  # a replica may be creating it
                if now - (self._folder / job).stat().st_mtime > LOST_SECONDS:
                    yield job


def _new(name: ModelName, parameters: Mapping[str, str], request: str, actor: Actor) -> JobRecord:
    now = datetime.now(UTC)
    return JobRecord(
        id=f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}",
        algorithm=name.algorithm,
        model=name.model,
        state=State.QUEUED,
        created=now,
        parameters={key: cut(value) for key, value in parameters_without_secrets(parameters).items()},
        request=request,
        owner=actor.owner,
        person=actor.person,
        sid=actor.sid,
    )


# Inside JobStore, `list` is its method.
Records = list[JobRecord]
