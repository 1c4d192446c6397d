"""The checks of ``dltk doctor`` that cost little, for the console: run when somebody looks, and remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from dltk_runtime import logs

KEPT_SECONDS = 300.0  # for which findings are not looked for again


class CheckResult(msgspec.Struct, frozen=True):
    """A finding: `severity` is ok, skipped, warning or error; `advice` is the next step."""

    check: str
    severity: str
    text: str
    advice: str = ""


class CheckList(msgspec.Struct, frozen=True):
    """The findings of `time` (UTC); null while the first ones are looked for."""

    time: datetime | None
    findings: list[CheckResult]


Run = Callable[[], Iterable[CheckResult]]


class Checks:
    """The findings of one server; `run` looks for them. Any thread may ask."""

    def __init__(self, run: Run = tuple) -> None:
        self._run = run
        self._last = CheckList(None, [])
        self._until = 0.0
        self._lock = threading.Lock()

    def latest(self) -> CheckList:
        """Return the findings that are known, at once; when they are old, others are looked for meanwhile."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._until = time.monotonic() + KEPT_SECONDS
                threading.Thread(target=self._look, name="checks", daemon=True).start()
        return self._last

    def _look(self) -> None:
        with logs.RecurringFailures().logged("checks"):
            self._last = CheckList(datetime.now(UTC), list(self._run()))
