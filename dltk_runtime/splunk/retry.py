"""Tries again what may succeed later, with growing pauses, and comes to an end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from dltk_runtime.splunk.errors import SplunkBusy, SplunkUnreachable

T = TypeVar("T")
FIRST, LONGEST = 0.2, 15.0  # seconds of the first pause, and of the longest


def pauses(first: float = FIRST, longest: float = LONGEST) -> Iterator[float]:
    """Seconds to wait: doubled each time, and each shortened by chance so that many clients do not come at once."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(2 * pause, longest)


def again(call: Callable[[], T], patience: float, stop: threading.Event | None = None) -> T:
    """What `call` returns. While nobody answers or Splunk is busy it is tried again, until `patience` seconds
    have passed since the first failure.

    A `stop` that is set ends the waiting at once.

    Raises:
        SplunkUnreachable, SplunkBusy: it did not succeed in that time.
        Whatever else `call` raises, at once.
    """
    stop = stop or threading.Event()
    waits = pauses()
    failed = None  # when it did for the first time
    while True:
        try:
            return call()
        except (SplunkUnreachable, SplunkBusy) as error:
            now = time.monotonic()
            failed = now if failed is None else failed
            wait = max(next(waits), error.pause if isinstance(error, SplunkBusy) else 0.0)
            if now + wait > failed + patience or stop.wait(wait):
                raise error.after(now - failed) from error
