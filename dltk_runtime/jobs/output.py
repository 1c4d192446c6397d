"""The output of a job: its log, and the metrics of each step.

The log is written as text arrives, so ``tail -F`` follows it and a kill loses nothing. When it
exceeds its bound it is replaced by its head, a line about what was left out, and its tail; that is
rare enough to cost little per byte. The metrics are one JSON object a line in ``metrics.jsonl``.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.jobs.record import MetricsByStep

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
MAX_METRICS_STEPS = 10_000  # newest ones that are read
SLACK_BYTES = 64 * 1024  # by which a log may exceed its bound; else each line would rewrite it


class JobLog:
    """The log in `path`: of longer output, `limit` bytes stay, half from each end."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._head: bytes | None = None  # what stays of the start; None while the log is complete
        self._tail_start = 0  # in the file, behind the head and the line about what was left out
        self._left_out = 0
        self._lines_left_out = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | atomic.AS_OURS, 0o666)
        self._size = os.fstat(self._descriptor).st_size  # of what an earlier start of the job printed
        if self._size > atomic.MAX_RECORD_BYTES + limit:  # we write none of that size: it is cut in time
            os.ftruncate(self._descriptor, 0)
            self._size = 0

    def write(self, text: bytes) -> None:
        """Append `text`. A full disk ends the log, never the job."""
        if self._descriptor < 0:
            return
        try:
            self._append(text)
            if self._excess() > max(self._limit // 2, SLACK_BYTES):
                self._shorten()
        except OSError as error:
            logger.warning("The log %s ends here: %s", self._path, error)
            self._close_file()

    def close(self) -> None:
        """Reduce the log to its bound and close the file."""
        if self._descriptor < 0:
            return
        try:
            if self._excess() > 0:
                self._shorten()
        except OSError as error:
            logger.warning("The log %s could not be shortened: %s", self._path, error)
        self._close_file()

    def _append(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._size += len(text)

    def _excess(self) -> int:
        """Return the bytes beyond the bound: of the log, or of its tail once it was shortened."""
        bound = self._limit if self._head is None else self._limit // 2
        return self._size - self._tail_start - bound

    def _shorten(self) -> None:
        """Replace the file by its head, the line about what was left out, and its tail."""
        since = self._read(self._tail_start)
        if self._head is None:
            self._head = _whole_lines(since[: self._limit // 2])
            since = since[len(self._head) :]
        tail = _from_line_start(since, self._limit // 2)
        left_out = since[: len(since) - len(tail)]
        self._left_out += len(left_out)
        self._lines_left_out += left_out.count(b"\n")
        start = self._head + (b"\n" if self._head and not self._head.endswith(b"\n") else b"") + self._omission()
        atomic.write(self._path, start + tail, durable=False)
        self._close_file()
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | atomic.AS_OURS)
        self._tail_start, self._size = len(start), len(start) + len(tail)

    def _read(self, start: int) -> bytes:
        return os.pread(self._descriptor, self._size - start, start)

    def _omission(self) -> bytes:
        return f"[… {self._left_out:,} bytes ({self._lines_left_out:,} lines) left out …]\n".encode()

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _whole_lines(text: bytes) -> bytes:
    """Return `text` up to the end of its last whole line; all of it when it has none."""
    return text[: text.rfind(b"\n") + 1] or text


def _from_line_start(text: bytes, limit: int) -> bytes:
    """Return at most `limit` bytes of the end of `text`, from a line's start if possible."""
    if len(text) <= limit:
        return text
    cut = len(text) - limit
    start = text.find(b"\n", cut - 1) + 1
    return text[start:] if 0 < start < len(text) else text[cut:]


def add_metrics(folder: Path, step: float, metrics: Mapping[str, float]) -> None:
    """Append the metrics of one step to those in a job's folder; nothing when there are none.

    Raises:
        OSError: they cannot be written.
    """
    if metrics:
        with atomic.opened(folder / METRICS, "ab") as file:
            file.write(msgspec.json.encode({"step": step, **metrics}) + b"\n")


def read_metrics(folder: Path) -> MetricsByStep:
    """Return the metrics of all steps in order; skips a line that a kill left unfinished."""
    found: MetricsByStep = []
    with contextlib.suppress(OSError):  # none yet, or what no server has written
        for line in atomic.read(folder / METRICS).splitlines()[-MAX_METRICS_STEPS:]:
            with contextlib.suppress(ValueError):
                found.append(decoded(line, dict[str, float]))
    return found
