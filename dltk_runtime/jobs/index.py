"""What is known of all records, so that no listing reads one again that has not changed.

The records are the truth; nothing of this is stored. The record of a job that has ended does not
change any more: it is read once. Those of other jobs are opened at each look, which also makes a
network disk ask its server, and are read when the file is another one than before.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import msgspec

from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.units import MIB

RECORD = "job.json"
MAX_KEPT_BYTES = 32 * MIB  # of the records of ended jobs that are kept in memory
ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}", re.ASCII)

Stamp = tuple[int, int, int]  # inode, size in bytes, mtime in ns


class SeenRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it was read, and when its server touched it last, by the volume's time."""

    record: JobRecord
    touched: float
    stamp: Stamp
    size: int  # bytes


class JobIndex:
    """The records in a jobs' folder. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._ended: dict[str, State] = {}
        self._open: dict[str, SeenRecord] = {}
        self._damaged: dict[str, Stamp] = {}
        self._missing: set[str] = set()
        self._with_rows: set[str] = set()  # ended asynchronous jobs, until `take_ended` gave them
        self._kept: OrderedDict[str, SeenRecord] = OrderedDict()
        self._kept_bytes = 0

    def look(self) -> None:
        """Read the records that appeared or changed since the last look."""
        with self._lock:
            names = atomic.names_in(self._folder)
            others = {job for job in names if job not in self._ended}
            if len(names) - len(others) < len(self._ended):  # else no need to compare thousands of names
                for job in self._ended.keys() - set(names):
                    self._forget(job)
            for job in (self._open.keys() | self._damaged.keys()) - others:
                self._forget(job)
            self._missing &= others
            for job in sorted(others):
                if ID.fullmatch(job):
                    self._examine(job)

    def ids(self) -> list[str]:
        """Return all jobs with a record that could be read, oldest first."""
        with self._lock:
            return sorted([*self._ended, *self._open])

    def ended(self) -> dict[str, State]:
        """Return the states of ended jobs."""
        with self._lock:
            return dict(self._ended)

    def unfinished(self) -> list[SeenRecord]:
        """Return the records of jobs that have not ended, oldest first."""
        with self._lock:
            return [self._open[job] for job in sorted(self._open)]

    def without_record(self) -> tuple[list[str], list[str]]:
        """Return the folders that hold no record, and those whose record cannot be read."""
        with self._lock:
            return sorted(self._missing), sorted(self._damaged)

    def take_ended(self) -> list[str]:
        """Return the asynchronous jobs that ended since the last call."""
        with self._lock:
            found, self._with_rows = sorted(self._with_rows), set()
            return found

    def record(self, job: str) -> SeenRecord | None:
        """Return the record of a job; None when there is none that can be read."""
        with self._lock:
            if (known := self._open.get(job) or self._kept.get(job)) is not None:
                return known
            seen = self._read(job, None)
            if isinstance(seen, SeenRecord) and job in self._ended:
                self._keep(job, seen)
            return seen if isinstance(seen, SeenRecord) else None

    def forget(self, job: str) -> None:
        """Note that a job was removed."""
        with self._lock:
            self._forget(job)

    def _examine(self, job: str) -> None:
        before = self._open.get(job)
        seen = self._read(job, before.stamp if before is not None else self._damaged.get(job))
        if seen is None:
            self._forget(job)
            self._missing.add(job)
        elif isinstance(seen, SeenRecord):
            self._forget(job)
            self._add(job, seen)
        elif before is None or before.stamp != seen:
            self._forget(job)
            self._damaged[job] = seen

    def _add(self, job: str, seen: SeenRecord) -> None:
        if not seen.record.state.ended:
            self._open[job] = seen
            return
        self._ended[job] = seen.record.state
        if seen.record.asynchronous:
            self._with_rows.add(job)
        self._keep(job, seen)

    def _read(self, job: str, known: Stamp | None) -> SeenRecord | Stamp | None:
        """Read a record; only its stamp if that is `known` or it is damaged; None without one."""
        try:
            descriptor = os.open(f"{self._folder}/{job}/{RECORD}", os.O_RDONLY | atomic.AS_OURS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return 0, 0, 0
        try:
            status = os.fstat(descriptor)
            stamp = status.st_ino, status.st_size, status.st_mtime_ns
            if stamp == known:
                return stamp
            with suppress(OSError, ValueError):
                text = read_all(descriptor, status.st_size)
                return SeenRecord(decoded(text, JobRecord), status.st_mtime, stamp, len(text))
            return stamp
        finally:
            os.close(descriptor)

    def _keep(self, job: str, seen: SeenRecord) -> None:
        self._kept[job] = seen
        self._kept_bytes += seen.size
        while self._kept_bytes > MAX_KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popitem(last=False)[1].size

    def _forget(self, job: str) -> None:
        self._ended.pop(job, None)
        self._open.pop(job, None)
        self._damaged.pop(job, None)
        self._missing.discard(job)
        self._with_rows.discard(job)
        if (kept := self._kept.pop(job, None)) is not None:
            self._kept_bytes -= kept.size


def read_all(descriptor: int, size: int) -> bytes:
    """Return the content of an open file of `size` bytes.

    Raises:
        OSError: it cannot be read, or is no record by its size.
    """
    if size > atomic.MAX_RECORD_BYTES:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes")
    text = b""
    while len(text) < size and (piece := os.read(descriptor, size - len(text))):
        text += piece
    return text
