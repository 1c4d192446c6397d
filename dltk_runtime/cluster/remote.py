"""A fit's worker on another node, as the front sees it. Implements `pool.worker.Worker`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dltk_runtime.cluster.errors import NodeLost, NoRoom
from dltk_runtime.cluster.messages import Begin, Cancel, Ended, Event, FromHelper, Lost, Meet, Printed
from dltk_runtime.cluster.placement import Need
from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.phases import PhaseClock
from dltk_runtime.pool.worker import SILENT, Answer, Listener, ReadAhead
from dltk_runtime.worker.gang_messages import Kept, Listens
from dltk_runtime.worker.messages import Answered, Entered, Fit, Progress

LATE_SECONDS = 60.0  # after its deadline that a fit's end may take to arrive

Send = Callable[[Begin | Cancel | Meet, Payload], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Order:
    """A fit for another node: where, what for, and what it takes along."""

    key: str
    node: str
    need: Need
    code: bytes
    imports: tuple[str, ...]
    work: str
    keep: str = ""  # as `Begin.keep`


class RemoteWorker:
    """Runs one fit. What its node sends is passed to `take`."""

    device = ""  # its own node decides

    def __init__(self, order: Order, send: Send, listener: Listener) -> None:
        self.order = order
        self._send = send
        self._listener = listener
        self._clock = PhaseClock()
        self._answer: asyncio.Future[Answer] | None = None

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase, as the front hears of them."""
        return self._clock.seconds

    def listen(self, listener: Listener) -> None:
        """Send what happens from now on to `listener`."""
        self._listener = listener

    async def call(self, message: Answered, rows: Payload = NO_ROWS, *, deadline: float, setting: str) -> Answer:
        """Run the fit and wait for its end; its files are then in the folder that the message names.

        Raises:
            NodeLost: its node is lost, or the way to it.
            WorkerDied: its worker ended, or was ended at its deadline, before it answered.
        """
        if not isinstance(message, Fit):
            raise TypeError(f"a worker on another node fits, and cannot {type(message).__name__}")
        self._clock.restart("send")
        self._answer = asyncio.get_running_loop().create_future()
        seconds = max(deadline - time.monotonic(), 0)
        try:
            await self._send(self._begin(message, seconds, setting), rows)
            async with asyncio.timeout(seconds + LATE_SECONDS):
                return await self._answer
        except TimeoutError:
            raise self._lost("it did not end the fit at its deadline") from None
        finally:
            self._answer = None
            self._clock.enter("idle")

    def read_ahead(self, rows: Buffer, expected: int) -> ReadAhead | None:  # noqa: ARG002 - of the interface
        """Return None: rows travel when they are whole."""
        return None

    async def end(self, cause: str = "") -> None:  # noqa: ARG002 - nobody asks a fit's worker why
        """End the fit on its node, and remove its files there."""
        self._listener = SILENT
        await self._send(Cancel(self.order.key), NO_ROWS)

    async def meet(self, text: str) -> None:
        """Tell a rank of a gang where rank 0 listens."""
        await self._send(Meet(self.order.key, self.order.node, text), NO_ROWS)

    def take(self, message: FromHelper, rows: Payload) -> None:
        """Take what the helper sends about this fit."""
        match message:
            case Event(what=Entered(phase, place)):
                self._clock.enter(phase, place)
                self._listener.phase(phase)
            case Event(what=Progress() as progress):
                self._listener.progress(progress)
            case Event(what=Listens() | Kept() as said):
                self._listener.rank(said)
            case Event(what=Printed(data)):
                self._listener.output(data)
            case Ended():
                self._end(message, rows)
            case Lost(cause=cause):
                self.lose(cause)

    def lose(self, cause: str) -> None:
        """Fail the call, if one runs: the node is lost."""
        self._fail(self._lost(cause))

    def _begin(self, fit: Fit, seconds: float, setting: str) -> Begin:
        """Return the order; folders and secrets of the front stay here."""
        order, need = self.order, self.order.need
        fit = msgspec.structs.replace(fit, curves="", variables={})
        return Begin(
            key=order.key,
            node=order.node,
            fit=fit,
            code=order.code,
            imports=order.imports,
            work=order.work,
            cpus=need.cpus,
            memory=need.memory,
            gpu=need.gpu,
            seconds=seconds,
            setting=setting,
            keep=order.keep,
        )

    def _end(self, ended: Ended, rows: Payload) -> None:
        outcome = ended.outcome
        if outcome.answer is not None:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result((outcome.answer, rows))
        elif (death := outcome.death) is not None:
            self._fail(WorkerDied(death.on(self.order.node), outcome.saved))
        elif outcome.full:
            self._fail(NoRoom(self.order.node))
        else:
            self.lose("it forgot the fit")

    def _lost(self, cause: str) -> NodeLost:
        return NodeLost(self.order.node, cause, self._clock.name, self._clock.place)

    def _fail(self, error: Exception) -> None:
        fail(self._answer, error)


def fail(answer: asyncio.Future[Any] | None, error: Exception) -> None:
    """Give a call that still waits for its answer an error instead."""
    if answer is not None and not answer.done():
        answer.set_exception(error)
        answer.exception()  # marked as seen: it may have no waiter
