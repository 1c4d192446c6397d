"""Queue of lines on disk that outlives the process.

::

    <folder>/<name>/lock          held by the process that uses this queue
                    000001.jsonl  segments, append-only; one event per line
                    000001.done   bytes of that segment that were removed

A line is written with one system call and without fsync: it survives a kill, but not a power
failure.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dltk_runtime.files import atomic

SEGMENT_BYTES = 1024**2  # size above which a new segment is started


@dataclass(slots=True)
class Spool:
    """A queue of lines: any thread may call `put`, one thread calls `peek` and `take`."""

    folder: Path
    _lock_file: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _number: int = 0  # of the current segment
    _file: int = -1
    _written: int = 0  # bytes of the current segment
    _taken: dict[int, int] = field(default_factory=dict)  # removed bytes per segment, also kept in its .done file
    size: int = 0  # bytes of all lines in the queue

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Create a queue below `folder`.

        Raises:
            OSError: the folder cannot be written.
        """
        while True:
            own = folder / secrets.token_hex(8)
            own.mkdir(parents=True)
            if (lock := _locked(own)) is not None:  # else another process took it over
                return cls(own, lock)

    @classmethod
    def left_behind(cls, folder: Path) -> Iterator[Self]:
        """Take over the queues below `folder` whose processes have ended."""
        for name in sorted(atomic.names_in(folder)):
            lock = _locked(folder / name)
            if lock is not None:
                spool = cls(folder / name, lock)
                spool._mend()
                yield spool

    def put(self, line: bytes) -> None:
        """Append one line, which ends in a newline and contains no other.

        Raises:
            OSError: the line cannot be written; the queue is unchanged.
        """
        with self._lock:
            if self._file < 0 or self._written >= SEGMENT_BYTES:
                self._begin_segment()
            count = os.write(self._file, line)
            if count < len(line):  # the disk is full
                os.ftruncate(self._file, self._written)
                raise OSError(f"only {count} of {len(line)} bytes could be written")
            self._written += count
            self.size += count

    def peek(self, most: int) -> list[bytes]:
        """Return the oldest lines, at most `most` and from one segment, or an empty list."""
        for number in self._segments():
            lines = self._read(number, most)
            if not lines and number >= self._number:
                return []  # the current segment, or one that `put` is about to use
            lines = lines or self._read(number, most)  # `put` may have filled the segment since
            if lines:
                return lines
            self._remove(number)
        return []

    def take(self, lines: list[bytes]) -> None:
        """Remove the lines that `peek` returned."""
        number = self._segments()[0]
        count = sum(map(len, lines))
        with self._lock:
            taken = self._taken[number] = self._position(number) + count
            self.size -= count
            finished = number != self._number and taken >= self._path(number).stat().st_size
        if finished:
            self._remove(number)
        else:
            atomic.write(self._done(number), str(taken).encode(), durable=False)

    def close(self) -> None:
        """Release the queue to the next process, or remove it when it is empty."""
        if not self.peek(1):
            for path in self.folder.iterdir():
                path.unlink()
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        if self._file >= 0:
            os.close(self._file)
        os.close(self._lock_file)

    def _begin_segment(self) -> None:
        file = os.open(
            self._path(self._number + 1), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666
        )
        if self._file >= 0:
            os.close(self._file)
        self._file, self._number, self._written = file, self._number + 1, 0

    def _segments(self) -> list[int]:
        return sorted(
            int(path.stem) for path in self.folder.glob("*.jsonl") if path.is_file() and not path.is_symlink()
        )

    def _read(self, number: int, most: int) -> list[bytes]:
        """Return the oldest whole lines of a segment."""
        with atomic.opened(self._path(number), "rb") as file:
            file.seek(self._position(number))
            return [line for line, _ in zip(file, range(most), strict=False) if line.endswith(b"\n")]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.jsonl"

    def _done(self, number: int) -> Path:
        return self.folder / f"{number:06}.done"

    def _position(self, number: int) -> int:
        """Return the removed bytes of a segment."""
        if number not in self._taken:
            try:
                self._taken[number] = int(atomic.read_short(self._done(number)))
            except FileNotFoundError:
                self._taken[number] = 0
        return self._taken[number]

    def _mend(self) -> None:
        """Cut off a line that a kill left unfinished, and count the waiting bytes."""
        segments = self._segments()
        for number in segments:
            with atomic.opened(self._path(number), "r+b") as file:
                whole = file.read().rpartition(b"\n")
                file.truncate(len(whole[0]) + len(whole[1]))
            self.size += len(whole[0]) + len(whole[1]) - self._position(number)
        self._number = max(segments, default=0)

    def _remove(self, number: int) -> None:
        self._path(number).unlink()
        self._done(number).unlink(missing_ok=True)


def replace_lines(folder: Path, chosen: Callable[[bytes], bool], filler: Callable[[int], bytes]) -> int:
    """Overwrite the chosen lines of every queue below `folder`, in use or not; return their number.

    `filler` gets the bytes of a line with its newline and returns as many, so that a process which uses the
    queue goes on where it was. Lines that Splunk has accepted are chosen too while their segment exists.

    Raises:
        OSError: a segment cannot be written.
    """
    count = 0
    for path in sorted(folder.glob("*/*.jsonl")):
        with contextlib.suppress(FileNotFoundError), atomic.opened(path, "r+b") as file:  # sent and removed meanwhile
            position = 0
            for line in list(file):
                if line.endswith(b"\n") and chosen(line):
                    os.pwrite(file.fileno(), filler(len(line)), position)
                    count += 1
                position += len(line)
            os.fsync(file.fileno())
    return count


def _locked(folder: Path) -> int | None:
    """Lock a queue; None if another process holds it. The end of the process releases the lock."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except (FileNotFoundError, NotADirectoryError):
        return None  # removed by another process meanwhile, or not a queue
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    if (folder / "lock").exists():
        return descriptor
    os.close(descriptor)
    return None
