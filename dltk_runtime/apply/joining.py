"""Small applies of a row-wise version that come while its worker is busy: the worker gets them as one.

::

    first request ──> waits for the worker ──┐
    later ones, alike in all but their rows ─┴──> the worker has a turn for them ──> one call, an answer each

Nobody waits longer for it: a request that finds its worker idle has it for itself at once. What
`messages.AppliedTogether` holds is decided in the worker (`worker/row_wise.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

from dltk_runtime.call import Call
from dltk_runtime.names import VersionId
from dltk_runtime.payload import Payload
from dltk_runtime.pool.outcome import WorkerDied, expect, failed
from dltk_runtime.pool.worker import Worker
from dltk_runtime.store.store import Version
from dltk_runtime.worker import messages

MAX_REQUESTS = 64  # that a worker gets as one
MAX_REQUEST_BYTES = 32 * 1024  # of rows; larger requests are applied by themselves
MAX_BYTES = 256 * 1024  # of the rows of all of them
MAX_VERSIONS = 1024  # of which it is remembered whether they are row-wise
SETTING = "DLTK_APPLY_TIMEOUT"  # sets the deadlines

Output = Callable[[bytes], object]
Leased = tuple[Worker, messages.Loaded]
Lease = Callable[[Version, Output, float, Call], AbstractAsyncContextManager[Leased]]


class Joined(NamedTuple):
    """The answer to one request, and the number of requests that the worker got as one."""

    answer: messages.Applied | messages.Failed
    results: Payload
    loaded: messages.Loaded
    together: int


@dataclass(eq=False)
class _Part:
    """One request: its rows, and until when its client waits."""

    rows: bytes
    call: Call
    output: Output
    deadline: float
    answer: asyncio.Future[Joined]
    began: float = field(default_factory=time.monotonic)


class _Key(NamedTuple):
    """What requests must have in common."""

    version: VersionId
    message: messages.Apply
    escaped: bool


@dataclass(eq=False)
class _Batch:
    """Requests that wait together for one lease."""

    parts: list[_Part] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    joined: int = 0  # requests that wait behind the first
    begun: int = 0  # requests that the worker has got

    def has_room(self, size: int) -> bool:
        """Return whether rows of `size` bytes may be added."""
        return len(self.parts) < MAX_REQUESTS and size + sum(len(each.rows) for each in self.parts) <= MAX_BYTES

    def waiting(self) -> list[_Part]:
        """Return the requests whose clients still wait."""
        return [each for each in self.parts if not each.answer.done()]


class Joining:
    """Joins requests.

    `lease` yields the worker that serves a version, with the model loaded; `wait` is told how many
    more requests wait behind another.
    """

    def __init__(self, lease: Lease, wait: Callable[[int], object]) -> None:
        self._lease = lease
        self._wait = wait
        self._row_wise: OrderedDict[VersionId, bool] = OrderedDict()
        self._open: dict[_Key, _Batch] = {}

    def learn(self, version: VersionId, loaded: messages.Loaded) -> None:
        """Note whether a version is row-wise with the code that was loaded for it last."""
        self._row_wise[version] = loaded.row_wise
        self._row_wise.move_to_end(version)
        if len(self._row_wise) > MAX_VERSIONS:
            self._row_wise.popitem(last=False)

    def takes(self, version: VersionId, message: messages.Apply, rows: Payload, call: Call) -> bool:
        """Return whether a request may be joined with others."""
        small = isinstance(rows.data, bytes | memoryview) and len(rows) <= MAX_REQUEST_BYTES
        return small and message.door is None and not call.background and self._row_wise.get(version, False)

    async def apply(
        self, version: Version, message: messages.Apply, rows: Payload, call: Call, output: Output, deadline: float
    ) -> Joined:
        """Apply a version to a request's rows, with those of others that wait for the same.

        What it prints goes to the `output` of the first of them.

        Raises:
            DltkError: the version cannot be loaded, or no worker was free before `deadline`.
            WorkerDied: the worker ended, with this request alone.
        """
        loop = asyncio.get_running_loop()
        part = _Part(bytes(rows.view()), call, output, deadline, loop.create_future())
        key = _Key(version.id, message, rows.escaped)
        batch = self._open.get(key)
        if batch is None or not batch.has_room(len(part.rows)):
            batch = self._open[key] = _Batch()
        try:
            return await self._answered(batch, part, key, version)
        except WorkerDied:
            if batch.begun <= 1:
                raise
        # The rows of another request may have ended the worker: each is applied alone, once.
        part.answer = loop.create_future()
        return await self._answered(_Batch(), part, key, version)

    async def _answered(self, batch: _Batch, part: _Part, key: _Key, version: Version) -> Joined:
        batch.parts.append(part)
        if batch.task is None:
            batch.task = asyncio.create_task(self._run(batch, key, version))
        else:
            self._wait(1)
            batch.joined += 1
        try:
            return await part.answer
        except asyncio.CancelledError:  # its client hung up
            if not batch.begun and not batch.waiting():
                self._close(key, batch)
                batch.task.cancel()
            raise

    async def _run(self, batch: _Batch, key: _Key, version: Version) -> None:
        first = batch.parts[0]
        try:
            async with self._lease(version, first.output, first.deadline, first.call) as (worker, loaded):
                self._close(key, batch)
                parts = batch.waiting()
                batch.begun = len(parts)
                answers = await _answers(worker, key, parts, first) if parts else []
            for part, (answer, results) in zip(parts, answers, strict=True):
                if not part.answer.done():
                    part.answer.set_result(Joined(answer, results, loaded, len(parts)))
        except Exception as error:  # noqa: BLE001 - each request raises it in its own place
            for part in batch.waiting():
                part.answer.set_exception(error)
        finally:
            self._close(key, batch)
            for part in batch.waiting():  # this task was cancelled: the server ends
                part.answer.cancel()

    def _close(self, key: _Key, batch: _Batch) -> None:
        """Let later requests begin another batch; none of this one waits any longer."""
        self._wait(-batch.joined)
        batch.joined = 0
        if self._open.get(key) is batch:
            del self._open[key]


async def _answers(
    worker: Worker, key: _Key, parts: Sequence[_Part], first: _Part
) -> list[tuple[messages.Applied | messages.Failed, Payload]]:
    now = time.monotonic()
    for part in parts:
        if part is not first:  # whose lease has noted it
            part.call.runs()
            part.call.spent({"queue": now - part.began})
    try:
        return await _sent(worker, key, parts)
    finally:
        for part in parts:
            part.call.spent(worker.phases)


async def _sent(
    worker: Worker, key: _Key, parts: Sequence[_Part]
) -> list[tuple[messages.Applied | messages.Failed, Payload]]:
    deadline = min(each.deadline for each in parts)
    if len(parts) == 1:
        rows = Payload(parts[0].rows, escaped=key.escaped)
        answer, results = await worker.call(key.message, rows, deadline=deadline, setting=SETTING)
        return [(answer if isinstance(answer, messages.Failed) else expect(answer, messages.Applied), results)]
    message = messages.ApplyTogether(key.message, tuple(each.rows for each in parts), key.escaped)
    reply, _ = await worker.call(message, deadline=deadline, setting=SETTING)
    if isinstance(reply, messages.Failed):
        raise failed(reply.error)
    together = expect(reply, messages.AppliedTogether)
    return [
        (answer, Payload(results, escaped=True))
        for answer, results in zip(together.answers, together.results, strict=True)
    ]
