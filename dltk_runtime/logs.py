"""The server's log: one JSON object a line on stderr."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from dltk_runtime.errors import FULL_TEXTS

MAX_LINE_BYTES = 2000  # of a printed line that are logged
log = logging.getLogger("dltk")
# Python's own JSON: ASCII, so that no printed text can break a terminal or an encoding.
_json = json.JSONEncoder(default=str)


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time (UTC), level, event, then the event's own fields.

    `texts` is `DLTK_ERROR_TEXTS`: by "place" a traceback is its frames and the exception's type.
    """

    def __init__(self, texts: str = FULL_TEXTS) -> None:
        super().__init__()
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self._traceback(*record.exc_info)
        return _json.encode(line)

    def _traceback(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> str:
        if self._texts == FULL_TEXTS or kind is None:
            return "".join(traceback.format_exception(kind, error, frames))
        return "".join(traceback.format_tb(frames)) + kind.__name__


def start(level: str = "info", texts: str = FULL_TEXTS) -> None:
    """Send log records of `level` and above, uvicorn's too, to stderr as JSON lines.

    `texts` is what of exceptions' texts goes out: `DLTK_ERROR_TEXTS`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(texts))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # No line shows these, and each would be looked up for every line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - as logging's "Optimization" says: no search for the caller
    logging.captureWarnings(True)
    logging.getLogger("uvicorn.access").disabled = True  # `event` lines say more
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, logging.root.level))


class EventRecord(logging.LogRecord):
    """The record of an event: without place in the code, thread and process, which no line shows.

    To gather what `logging` notes of each record takes longer than to write the line.
    """

    def __init__(self, name: str, level: int, fields: dict[str, Any]) -> None:
        now = time.time()
        self.__dict__ |= _UNKNOWN
        self.name, self.msg, self.fields = log.name, name, fields
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.created, self.msecs = now, now % 1 * 1000


# What a record holds as `logging` makes it.
_UNKNOWN = {**vars(logging.makeLogRecord({})), "args": (), "pathname": "(unknown file)", "filename": "(unknown file)"}


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event with its fields; those that are None are omitted."""
    if log.isEnabledFor(level):
        log.handle(EventRecord(name, level, {key: value for key, value in fields.items() if value is not None}))


class RecurringFailures:
    """Logs what a periodic task raises: once, until it raises something else or succeeds."""

    def __init__(self) -> None:
        self._logged: dict[str, str] = {}

    @contextlib.contextmanager
    def logged(self, task: str) -> Iterator[None]:
        """Log an exception of this round of `task` and go on; the next round tries again."""
        try:
            yield
        except Exception as error:
            if self._logged.get(task) != repr(error):
                log.exception("a periodic task failed", extra={"fields": {"task": task}})
            self._logged[task] = repr(error)
        else:
            self._logged.pop(task, None)


class PrintedLines:
    """Logs what notebook code prints, line by line, up to `most` lines."""

    def __init__(self, most: int = 200, **fields: Any) -> None:
        self._most = most
        self._fields = fields
        self._logged = 0
        self._rest = b""

    def write(self, text: bytes) -> None:
        """Take a piece of output; whole lines are logged, an unfinished one waits."""
        if self._logged >= self._most:
            return
        *lines, self._rest = (self._rest + text).split(b"\n", self._most - self._logged)
        for line in lines:
            event("printed", text=line[:MAX_LINE_BYTES].decode("utf-8", "replace"), **self._fields)
        self._logged += len(lines)
        if self._logged >= self._most:
            self._rest = b""
            event("printed", text=f"({self._most} lines are logged; the job's own log has more)", **self._fields)
        elif len(self._rest) > MAX_LINE_BYTES:
            self.write(b"\n")
