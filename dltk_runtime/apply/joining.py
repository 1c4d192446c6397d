"""Small applies of a row-wise version that come while its worker is busy: the worker gets them as one.

::

    first request ──> waits for the worker ──┐
    later ones, alike in all but their rows ─┴──> the worker has a turn for them ──> one call, an answer each

A request that finds its worker idle has it for itself at once, but for the first one after a call for
several: their clients come back one by one, and it waits for them, a moment and once. What
`messages.AppliedTogether` holds is decided in the worker (`worker/row_wise.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

from dltk_runtime.call import Call
from dltk_runtime.errors import Busy
from dltk_runtime.names import VersionId
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import WorkerDied, expect
from dltk_runtime.pool.worker import Worker
from dltk_runtime.store.store import Version
from dltk_runtime.worker import messages

MAX_REQUESTS = 64  # that a worker gets as one
MAX_REQUEST_BYTES = 32 * 1024  # of rows; larger requests are applied by themselves
MAX_BYTES = 256 * 1024  # of the rows of all of them
MAX_VERSIONS = 1024  # of which it is remembered whether they are row-wise
MAX_RETURN_SECONDS = 0.002  # that a request waits for the other clients of the call before
SETTING = "DLTK_APPLY_TIMEOUT"  # sets the deadlines

Output = Callable[[bytes], object]
_Answer = tuple[messages.Applied | messages.Failed, Payload]
Leased = tuple[Worker, messages.Loaded]
Starts = Callable[[], object]
Lease = Callable[[Version, Output, float, Call, None, Starts], AbstractAsyncContextManager[Leased]]


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
    answer: asyncio.Future[Joined] = field(init=False)  # another one for each batch
    began: float = field(default_factory=time.monotonic)


class _Key(NamedTuple):
    """What requests must have in common."""

    version: VersionId
    message: messages.Apply
    escaped: bool


class _Last(NamedTuple):
    """The last call of a version, which was for several requests."""

    requests: int
    seconds: float


@dataclass(eq=False)
class _Batch:
    """Requests that wait together for one lease."""

    parts: list[_Part] = field(default_factory=list)
    last: _Last | None = None  # whose clients it waits for
    complete: asyncio.Event = field(default_factory=asyncio.Event)  # they are there, or it has no room for more
    task: asyncio.Task[None] | None = None
    joined: int = 0  # requests that wait behind another, as `wait` was told
    begun: int = 0  # requests that the worker has got
    closed: bool = False  # none of them waits any longer
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of those that are applied alone afterwards

    def has_room(self, part: _Part) -> bool:
        """Return whether a request may be added: the first one waits, and not for longer than this one may."""
        first, size = self.parts[0], sum(len(each.rows) for each in self.parts)
        room = len(self.parts) < MAX_REQUESTS and size + len(part.rows) <= MAX_BYTES
        return room and first.call.waiting and first.deadline <= part.deadline

    def was_late_for(self, part: _Part) -> bool:
        """Return whether it waited until the deadline of its first request, before that of this one."""
        return not self.begun and self.parts[0].deadline <= time.monotonic() < part.deadline

    def waiting(self) -> list[_Part]:
        """Return the requests whose clients still wait."""
        return [each for each in self.parts if not each.answer.done()]


class Joining:
    """Joins requests.

    `lease` yields the worker that serves a version, with the model loaded, and calls what it is given
    if one has to start; `wait` is told how many more requests wait behind another.
    """

    def __init__(self, lease: Lease, wait: Callable[[int], object]) -> None:
        self._lease = lease
        self._wait = wait
        self._row_wise: OrderedDict[VersionId, bool] = OrderedDict()
        self._last: OrderedDict[VersionId, _Last] = OrderedDict()  # until another request has waited for its clients
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
        part = _Part(bytes(rows.view()), call, output, deadline)
        key = _Key(version.id, message, rows.escaped)
        while True:
            batch = self._batch_for(key, part)
            try:
                return await self._answered(batch, part, key, version)
            except (Busy, WorkerDied) as error:
                if batch.begun > 1:
                    return await self._alone(batch, part, key, version, error)
                if not batch.was_late_for(part):
                    raise

    def _batch_for(self, key: _Key, part: _Part) -> _Batch:
        batch = self._open.get(key)
        if batch is None or not batch.has_room(part):
            if batch is not None:
                batch.complete.set()
            batch = self._open[key] = _Batch(last=self._last.pop(key.version, None))
        return batch

    async def _alone(self, batch: _Batch, part: _Part, key: _Key, version: Version, error: Exception) -> Joined:
        """Apply a request of a batch that ended its worker once more: the rows of another one may have done that.

        One comes after another, as all of them at once would be more than may wait.
        """
        seconds = part.deadline - time.monotonic()
        if seconds <= 0:
            raise error
        try:
            async with asyncio.timeout(seconds):
                await batch.turn.acquire()
        except TimeoutError:
            raise error from None
        try:
            return await self._answered(_Batch(), part, key, version)
        finally:
            batch.turn.release()

    async def _answered(self, batch: _Batch, part: _Part, key: _Key, version: Version) -> Joined:
        part.answer = asyncio.get_running_loop().create_future()
        batch.parts.append(part)
        if batch.task is None:
            batch.task = asyncio.create_task(self._run(batch, key, version))
        elif batch.last is not None and len(batch.waiting()) >= batch.last.requests:
            batch.complete.set()
        self._tell(batch)
        try:
            return await part.answer
        except asyncio.CancelledError:  # its client hung up
            self._tell(batch)
            if not batch.begun and not batch.waiting():
                self._close(key, batch)
                batch.task.cancel()
            raise

    async def _run(self, batch: _Batch, key: _Key, version: Version) -> None:
        first = batch.parts[0]
        try:
            if batch.last is not None:
                await _others(batch, batch.last)
            shut = functools.partial(self._shut, key, batch)  # another worker may be free before one has started
            async with self._lease(version, first.output, first.deadline, first.call, None, shut) as (worker, loaded):
                self._close(key, batch)
                parts = batch.waiting()
                batch.begun = len(parts)
                # The code may have been edited since the version was found to be row-wise.
                for group in [parts] if loaded.row_wise else [[each] for each in parts]:
                    if any(not each.answer.done() for each in group):
                        began = time.monotonic()
                        answers = await _answers(worker, key, group, first)
                        self._note(version.id, _Last(len(group), time.monotonic() - began))
                        _tell_each(group, answers, loaded)
        except Exception as error:  # noqa: BLE001 - each request raises it in its own place
            for part in batch.waiting():
                part.answer.set_exception(error)
        finally:
            self._close(key, batch)
            for part in batch.waiting():  # this task was cancelled: the server ends
                part.answer.cancel()

    def _note(self, version: VersionId, last: _Last) -> None:
        """Remember a call that was for several requests."""
        if last.requests > 1:
            self._last[version] = last
            if len(self._last) > MAX_VERSIONS:
                self._last.popitem(last=False)

    def _close(self, key: _Key, batch: _Batch) -> None:
        """Note that none of its requests waits any longer."""
        batch.closed = True
        self._tell(batch)
        self._shut(key, batch)

    def _shut(self, key: _Key, batch: _Batch) -> None:
        """Let later requests begin another batch."""
        if self._open.get(key) is batch:
            del self._open[key]

    def _tell(self, batch: _Batch) -> None:
        """Tell how many requests of a batch wait behind another one."""
        joined = 0 if batch.closed else max(len(batch.waiting()) - 1, 0)
        self._wait(joined - batch.joined)
        batch.joined = joined


async def _others(batch: _Batch, last: _Last) -> None:
    """Wait for the clients of the call before, no longer than it took."""
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(min(last.seconds, MAX_RETURN_SECONDS)):
            await batch.complete.wait()
    batch.parts[0].call.spent({"queue": time.monotonic() - began})


def _tell_each(parts: Sequence[_Part], answers: Sequence[_Answer], loaded: messages.Loaded) -> None:
    for part, (answer, results) in zip(parts, answers, strict=True):
        if not part.answer.done():
            part.answer.set_result(Joined(answer, results, loaded, len(parts)))


async def _answers(worker: Worker, key: _Key, parts: Sequence[_Part], first: _Part) -> list[_Answer]:
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


async def _sent(worker: Worker, key: _Key, parts: Sequence[_Part]) -> list[_Answer]:
    deadline = min(each.deadline for each in parts)
    if len(parts) == 1:
        rows = Payload(parts[0].rows, escaped=key.escaped)
        answer, results = await worker.call(key.message, rows, deadline=deadline, setting=SETTING)
        return [(answer if isinstance(answer, messages.Failed) else expect(answer, messages.Applied), results)]
    message = messages.ApplyTogether(key.message, tuple(each.rows for each in parts), key.escaped)
    reply, _ = await worker.call(message, deadline=deadline, setting=SETTING)
    if isinstance(reply, messages.Failed):
        return [(reply, NO_ROWS)] * len(parts)
    together = expect(reply, messages.AppliedTogether)
    return [
        (answer, Payload(results, escaped=True))
        for answer, results in zip(together.answers, together.results, strict=True)
    ]
