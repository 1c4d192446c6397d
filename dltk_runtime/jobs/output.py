"""A job's log: everything that was printed, as long as it is short; else its head, its tail, and how much was left out.

The file is written as the text comes, so that ``tail -F`` follows it and a kill loses nothing that was handed over.
When it has grown past its bound it is replaced by a shorter one; that is rare enough to cost little per byte.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dltk_runtime.files import atomic

logger = logging.getLogger(__name__)

# Bytes that a log may exceed its bound by before it is shortened: rewriting a small log for each line would be slow.
SLACK = 64 * 1024


class JobLog:
    """The log in `path`, of `limit` bytes: half of them kept from the start, half from the end."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._size = 0
        self._head: bytes | None = None  # what stays of the start; None while all of the text is there
        self._middle = 0  # where the tail begins in the file: behind the head and the line about what was left out
        self._left_out = 0
        self._lines_left_out = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def write(self, text: bytes) -> None:
        """Add `text`, any number of lines or parts of them. A full disk ends the log, never the job."""
        if self._descriptor < 0:
            return
        try:
            self._append(text)
            if self._excess() > max(self._limit // 2, SLACK):
                self._shorten()
        except OSError as error:
            logger.warning("The log %s ends here: %s", self._path, error)
            self._shut()

    def close(self) -> None:
        """Bring the log to its bound and let go of the file."""
        if self._descriptor < 0:
            return
        try:
            if self._excess() > 0:
                self._shorten()
        except OSError as error:
            logger.warning("The log %s could not be shortened: %s", self._path, error)
        self._shut()

    def _append(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._size += len(text)

    def _excess(self) -> int:
        """Bytes beyond the bound: of the whole log, or, once it has been shortened, of its tail."""
        bound = self._limit if self._head is None else self._limit // 2
        return self._size - self._middle - bound

    def _shorten(self) -> None:
        """Replace the file by head, the line about what was left out, and tail."""
        since = self._read(self._middle)
        if self._head is None:
            self._head = _whole_lines(since[: self._limit // 2])
            since = since[len(self._head) :]
        tail = _from_line_start(since, self._limit // 2)
        left_out = since[: len(since) - len(tail)]
        self._left_out += len(left_out)
        self._lines_left_out += left_out.count(b"\n")
        start = self._head + (b"\n" if self._head and not self._head.endswith(b"\n") else b"") + self._said()
        atomic.write(self._path, start + tail, durable=False)
        self._shut()
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._middle, self._size = len(start), len(start) + len(tail)

    def _read(self, start: int) -> bytes:
        return os.pread(self._descriptor, self._size - start, start)

    def _said(self) -> bytes:
        return f"[… {self._left_out:,} bytes ({self._lines_left_out:,} lines) left out …]\n".encode()

    def _shut(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _whole_lines(text: bytes) -> bytes:
    """`text` up to the end of its last whole line; all of it when it holds none."""
    return text[: text.rfind(b"\n") + 1] or text


def _from_line_start(text: bytes, limit: int) -> bytes:
    """At most `limit` bytes from the end of `text`, from the first start of a line on where there is one."""
    if len(text) <= limit:
        return text
    cut = len(text) - limit
    start = text.find(b"\n", cut - 1) + 1
    return text[start:] if 0 < start < len(text) else text[cut:]
