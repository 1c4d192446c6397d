"""A fit by several workers together, on one node or several: as the front sees it, one worker.

::

    call ──> a worker for each rank ──> Fit with its place in the gang ──> rank 0's answer
         <── Listens (rank 0) ── the others are told where
         <── Kept (rank 0) ───── its state is copied to where it outlives the node
         <── an error or a loss of any rank: all end, and the text names rank and node

A node that has no room when its worker comes, because another front was quicker, ends the attempt:
all workers are given back, and wait together again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dltk_runtime.cluster.errors import NodeLost, NoRoom, RankLost
from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.pool.outcome import KILLED, Death, WorkerDied
from dltk_runtime.pool.worker import SILENT, Answer, Listener, ReadAhead, Worker
from dltk_runtime.worker.gang_messages import Gang, Kept, Listens, Trained
from dltk_runtime.worker.messages import Answered, Failed, Fit, Progress

HEARSAY = "RankLost"  # the kind of an error that only says that another rank is lost
SETTLE_SECONDS = 15.0  # after such an error, in which the loss itself is noticed
BACK_SECONDS = (0.5, 3.0)  # before workers that found no room wait again: fronts must not stay in step
LOOPBACK = "127.0.0.1"
MAX_LINE_BYTES = 64 * 1024  # of a printed line of a rank other than 0


@dataclass(frozen=True, slots=True)
class Member:
    """The worker of one rank.

    Attributes:
        folder: for the files between ranks; a node has its own.
        meet: tells it where rank 0 listens.
        pictures: folder for pictures of a rank other than 0, which nobody sees; a node has its own.
    """

    node: str
    address: str
    worker: Worker
    folder: str
    meet: Callable[[str], Awaitable[object]]
    pictures: str = ""


Lease = Callable[[str, int, Listener], AbstractAsyncContextManager[Member]]  # of a node, for a rank


class GangWorker:
    """Runs one fit by a worker on each of `places`. Implements `pool.worker.Worker`.

    `lease` makes the worker of a rank, `again` waits for places anew after there was no room.
    """

    device = ""  # each worker has its own

    def __init__(
        self, places: tuple[str, ...], lease: Lease, again: Callable[[], Awaitable[tuple[str, ...]]], listener: Listener
    ) -> None:
        self._places = places
        self._lease = lease
        self._again = again
        self._listener = listener
        self._members: list[Member] = []
        self._phases: Mapping[str, float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase of rank 0."""
        return self._phases

    def listen(self, listener: Listener) -> None:
        """Send what happens from now on to `listener`."""
        self._listener = listener

    async def call(self, message: Answered, rows: Payload = NO_ROWS, *, deadline: float, setting: str) -> Answer:
        """Fit by all workers; returns what rank 0 answers, or the error of any.

        Raises:
            NodeLost: a rank or its node is lost, or the way to it.
            WorkerDied: a worker ended, or was ended at a limit, before it answered.
        """
        if not isinstance(message, Fit):
            raise TypeError(f"workers fit together, and cannot {type(message).__name__}")
        while True:
            try:
                return await self._attempt(message, rows, deadline, setting)
            except NoRoom as error:
                self._listener.output(f"{error} The workers wait for places again.\n".encode())
            since = time.monotonic()
            await asyncio.sleep(random.uniform(*BACK_SECONDS))  # noqa: S311 - not a secret
            self._places = await self._again()
            deadline += time.monotonic() - since  # to wait for places is no part of a fit

    def read_ahead(self, rows: Buffer, expected: int) -> ReadAhead | None:  # noqa: ARG002 - of the interface
        """Return None: rows travel when they are whole."""
        return None

    async def end(self, cause: str = "") -> None:
        """End every worker."""
        self._listener = SILENT
        await asyncio.gather(*(each.worker.end(cause) for each in self._members))

    # ------------------------------------------------------------ one attempt

    async def _attempt(self, fit: Fit, rows: Payload, deadline: float, setting: str) -> Answer:
        async with AsyncExitStack() as held:
            self._members = members = []
            for rank, place in enumerate(self._places):
                members.append(await held.enter_async_context(self._lease(place, rank, self._hears(rank))))
            self._listener.output(f"{_where(self._places)}\n".encode())
            parts = [self._part(fit, rank) for rank in range(len(members))]
            calls: dict[asyncio.Future[Answer], int] = {
                asyncio.ensure_future(each.worker.call(parts[rank], rows, deadline=deadline, setting=setting)): rank
                for rank, each in enumerate(members)
            }
            try:
                return await self._ended(dict(calls))
            finally:
                self._phases = dict(members[0].worker.phases)
                under_way: list[asyncio.Future[Any]] = [*calls, *self._telling]
                for each in under_way:
                    each.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    def _address(self, member: Member) -> str:
        """Return where the other ranks reach this one; where all are on one machine, nobody else does.

        Raises:
            NodeLost: nobody says where: to listen at no address would be to listen at every one.
        """
        if len({each.node for each in self._members}) == 1:
            return LOOPBACK
        if not member.address:
            raise NodeLost(member.node, "the cluster does not say at which address others reach it", "fit", "")
        return member.address

    def _part(self, fit: Fit, rank: int) -> Fit:
        """Return the request for one rank; curves and runs are those of rank 0."""
        member = self._members[rank]
        gang = Gang(rank, len(self._members), self._address(member), member.folder)
        part = msgspec.structs.replace(fit, gang=gang, device=member.worker.device)
        if not rank:
            return part
        pictures = member.pictures or fit.pictures
        return msgspec.structs.replace(part, curves="", variables={}, pictures=pictures)

    async def _ended(self, calls: dict[asyncio.Future[Answer], int]) -> Answer:
        """Return the answer of rank 0, or the first error; of a loss and what it caused, the loss."""
        hearsay: Failed | None = None
        while calls:
            done, _ = await asyncio.wait(
                calls, timeout=SETTLE_SECONDS if hearsay else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for call in sorted(done, key=lambda each: each.exception() is None):
                rank = calls.pop(call)
                answer, results = self._answer(call, rank)
                if isinstance(answer, Failed) and answer.error.kind == HEARSAY:
                    hearsay = hearsay or answer
                elif isinstance(answer, Failed):
                    return self._named(answer, rank), results
                elif not isinstance(answer, Trained):
                    return answer, results
        said = hearsay.error.sentence if hearsay is not None else "no rank answered"
        raise RankLost("the ranks", self._members[0].node, f"lost the way to one another ({said})", "fit", "")

    def _answer(self, call: asyncio.Future[Answer], rank: int) -> Answer:
        """Return what a rank has answered.

        Raises:
            NodeLost, WorkerDied, NoRoom: it has not; the text names rank and node.
        """
        node, called = self._members[rank].node, f"rank {rank} of {len(self._members)}"
        try:
            return call.result()
        except NodeLost as error:
            raise error.of_rank(called) from error
        except WorkerDied as died:
            death = died.death
            if death.cause.endswith(KILLED) and died.saved is None:
                raise RankLost(called, node, KILLED, death.phase, death.coordinates) from died
            where = "" if f"on node '{node}'" in death.cause else f" on {node}"
            raise WorkerDied(
                Death(f"of {called}{where} {death.cause}", death.phase, death.coordinates, death.dump), died.saved
            ) from died

    def _named(self, failed: Failed, rank: int) -> Failed:
        """Return an error that says of which rank it is."""
        node, error = self._members[rank].node, failed.error
        note = " ".join(filter(None, [error.note, f"This was rank {rank} of {len(self._members)}, on '{node}'"]))
        return Failed(msgspec.structs.replace(error, note=note))

    # ------------------------------------------------------------ events

    def _hears(self, rank: int) -> Listener:
        """Return what takes the events of a rank: of those other than 0, what it prints."""
        if rank:
            return Listener(Marked(f"[rank {rank}] ".encode(), self._printed))
        return Listener(self._printed, self._entered, self._reported, rank=self._told)

    def _printed(self, data: bytes) -> None:
        self._listener.output(data)

    def _entered(self, phase: str) -> None:
        self._listener.phase(phase)

    def _reported(self, progress: Progress) -> None:
        self._listener.progress(progress)

    def _told(self, event: Listens | Kept) -> None:
        """Tell the others where rank 0 listens; what it has kept, its lease copies."""
        if isinstance(event, Listens):
            first, *others = self._members
            for each in others:
                task = asyncio.ensure_future(_meet(each, f"{self._address(first)} {event.port}"))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)


def _where(places: tuple[str, ...]) -> str:
    """Return in words where the ranks run."""
    return "Workers: " + ", ".join(f"rank {rank} on '{place}'" for rank, place in enumerate(places)) + "."


async def _meet(member: Member, text: str) -> None:
    await member.meet(text)


class Marked:
    """Passes printed text on by whole lines, each with a mark in front."""

    def __init__(self, mark: bytes, output: Callable[[bytes], object]) -> None:
        self._mark, self._output = mark, output
        self._line = b""

    def __call__(self, data: bytes) -> None:
        """Take printed text, in pieces of any length."""
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > MAX_LINE_BYTES:
            lines, self._line = [*lines, self._line], b""
        if lines:
            self._output(b"".join(self._mark + each + b"\n" for each in lines))


def heard(listener: Listener, rank: Callable[[Listens | Kept], object]) -> Listener:
    """Return a listener that also passes what is said of ranks to `rank`."""

    def both(event: Listens | Kept) -> None:
        rank(event)
        listener.rank(event)

    return replace(listener, rank=both)
