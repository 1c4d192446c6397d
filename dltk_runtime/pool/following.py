"""A request that is handed to a busy worker, so that it begins without a wake-up of either process.

::

    the request that runs ── answer ──┐
    the one that follows it ──────────┴─> begins at once

It waits in the worker's socket, from which the front process takes it back (`Requests.take_back`)
when the one ahead of it is slow, ends the worker or is cancelled. Then it waits for a worker once
more, ahead of those that came later, and follows none again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dltk_runtime.payload import Payload
from dltk_runtime.pool.worker import discard
from dltk_runtime.worker.channel import MAX_INLINE_BYTES

QUICK_SECONDS = 0.02  # that a request may take for another one to follow it
PATIENCE_SECONDS = 0.05  # after which one that follows is taken back


class Moved(Exception):
    """A request was taken back from the worker that it should have followed another one in: it did not run."""


class Place(NamedTuple):
    """The place of a request in the line for a model."""

    turn: int  # of its client
    number: int  # in the order in which they came


@dataclass(eq=False)
class Following:
    """A request that may follow another one.

    Attributes:
        output: takes what it prints.
        begins: called when it is known to run.
        handed: called when a worker has it that runs another one, with what takes it back unless it has begun;
            then `begins` has been called.
        now: whether it follows one.
        place: that it keeps when it is moved; from then on it follows none.
    """

    output: Callable[[bytes], object]
    begins: Callable[[], object]
    handed: Callable[[Callable[[], object]], object] = discard
    now: bool = False
    place: Place | None = None


def may_follow(rows: Payload) -> bool:
    """Return whether such rows can wait in a worker's socket, which is sent to without a wait."""
    return isinstance(rows.data, bytes | memoryview) and len(rows) <= MAX_INLINE_BYTES
