"""Repeat calls that may succeed later, with growing pauses, up to a time limit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from dltk_runtime.splunk.errors import SplunkBusy, SplunkUnreachable

T = TypeVar("T")
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 15.0


def pauses(first: float = FIRST_PAUSE_SECONDS, longest: float = MAX_PAUSE_SECONDS) -> Iterator[float]:
    """Yield seconds to wait, doubled each time and shortened at random to spread out clients."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(2 * pause, longest)


def retry(call: Callable[[], T], patience: float, stop: threading.Event | None = None) -> T:
    """Return the result of `call`, repeated while Splunk is unreachable or busy.

    Args:
        call: must be safe to repeat.
        patience: seconds after the first failure in which it is repeated; 0 for a single attempt.
        stop: ends the pauses when it is set.

    Raises:
        SplunkUnreachable, SplunkBusy: the last failure, when the time is over.
        Exception: anything else that `call` raises, at once.
    """
    stop = stop or threading.Event()
    waits = pauses()
    first_failure: float | None = None
    while True:
        try:
            return call()
        except (SplunkUnreachable, SplunkBusy) as error:
            now = time.monotonic()
            first_failure = now if first_failure is None else first_failure
            wait = max(next(waits), error.pause if isinstance(error, SplunkBusy) else 0.0)
            if now + wait > first_failure + patience or stop.wait(wait):
                raise error.after(now - first_failure) from error
