"""The worker interface that the pool hands out, wherever the worker's process runs.

Messages go in, messages come out; what happens meanwhile goes to a `Listener`. File descriptors,
memory files and process ids belong to an implementation (`local.LocalWorker`) and appear nowhere
above `pool/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.worker.gang_messages import Kept, Listens
from dltk_runtime.worker.messages import Answered, Counts, FromWorker, Progress

Answer = tuple[FromWorker, Payload]


def discard(_: object) -> None:
    """Ignore an event of a worker: the default of each callback of a `Listener`."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Callbacks for what a worker reports while it runs. None of them may block or raise."""

    output: Callable[[bytes], object] = discard  # printed text, in pieces of any length
    phase: Callable[[str], object] = discard  # name of the phase that begins
    progress: Callable[[Progress], object] = discard  # of a fit
    rank: Callable[[Listens | Kept], object] = discard  # of rank 0 of a gang
    counts: Callable[[Counts], object] = discard  # rows of applies, by the bins of the features' baselines


SILENT = Listener()


class ReadAhead(Protocol):
    """Rows that a worker parses while they arrive.

    This is no lease: the worker serves other calls in between.
    """

    def grown(self) -> None:
        """Note that the buffer of the rows has more of them."""
        ...

    def number_for(self, worker: Worker) -> int:
        """Return the number of this read-ahead, for `messages.Apply.ahead`.

        Returns 0 if `worker` has not read the rows.
        """
        ...

    def close(self) -> None:
        """End it: the worker has the apply for these rows, or they are no longer needed."""
        ...


class Worker(Protocol):
    """A process that runs notebook code. One call at a time, and one behind it by a `follower.Follower`."""

    @property
    def device(self) -> str:
        """The one GPU that it may use, as CUDA names it; empty where there is no choice."""
        ...

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase of the last call, in the order in which they began."""
        ...

    def listen(self, listener: Listener) -> None:
        """Send events to `listener` from now on; earlier output goes to the previous one."""
        ...

    async def call(self, message: Answered, rows: Payload = NO_ROWS, *, deadline: float, setting: str) -> Answer:
        """Send a request and wait for its answer.

        An error about missing GPU memory says which processes hold it.

        Args:
            message: the request.
            rows: the rows that belong to it.
            deadline: time of `time.monotonic` at which the worker is ended.
            setting: the variable that sets the deadline, for the error's text.

        Raises:
            WorkerDied: the worker ended, or was ended at its deadline, before it answered.
        """
        ...

    def read_ahead(self, rows: Buffer, expected: int) -> ReadAhead | None:
        """Start to parse arriving rows, about `expected` bytes; None when it cannot."""
        ...

    async def end(self, cause: str = "") -> None:
        """End the process and everything it started; a running call fails with `cause`."""
        ...
