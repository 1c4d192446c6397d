"""The calls of one worker: the one that runs, the one that follows it, and how either ends."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dltk_runtime.payload import Payload
from dltk_runtime.pool.following import PATIENCE_SECONDS, QUICK_SECONDS, Following, Moved
from dltk_runtime.pool.outcome import UNSENT_PHASE, Death, WorkerDied
from dltk_runtime.pool.phases import PhaseClock
from dltk_runtime.pool.printed import Printed
from dltk_runtime.pool.requests import Requests
from dltk_runtime.pool.worker import Answer
from dltk_runtime.worker.messages import Answered, Applied, AppliedTogether, FromWorker

TIMER_SECONDS = 0.002  # by which a timer may be early
LOST = Death("did not get the request, for which the server had no file descriptor left,", UNSENT_PHASE)


@dataclass(eq=False)
class Turn:
    """A call until it is answered."""

    deadline: float  # of `time.monotonic`
    setting: str  # the variable that sets it
    following: Following | None = None  # of one that follows another
    clock: PhaseClock = field(default_factory=PhaseClock)
    arrived: float = field(default_factory=time.monotonic)
    began: float = field(init=False)
    sent: bool = False
    answer: asyncio.Future[Answer] = field(init=False)
    timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self.began = self.arrived
        self.clock.restart("queue" if self.following else "send")

    def begin(self) -> None:
        """Note that the one ahead of it is answered."""
        self.clock.enter("send")
        self.began = time.monotonic()
        if self.following is not None:
            self.following.begins()

    def end(self) -> None:
        """Note that nobody waits for its answer any more."""
        self.clock.enter("idle")
        if self.timer is not None:
            self.timer.cancel()

    def succeed(self, answer: Answer) -> None:
        """Answer, if somebody still waits for it."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Answer with an error, which nobody may wait for."""
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # marked as seen


class Calls:
    """At most two calls, in the order in which the worker gets them.

    Args:
        requests: the way to the worker.
        printed: what it prints.
        receive: takes all messages that it has sent until now.
        end: ends it, for the given cause, since a call has passed its deadline.

    Attributes:
        spoiled: whether the worker may still run a call that was cancelled.
    """

    def __init__(
        self,
        requests: Requests,
        printed: Printed,
        receive: Callable[[], object],
        end: Callable[[str], object],
    ) -> None:
        self.spoiled = False
        self._requests = requests
        self._printed = printed
        self._receive = receive
        self._end = end
        self._turns: list[Turn] = []
        self._quick = False  # whether the last call was

    @property
    def running(self) -> Turn | None:
        """The call that runs; the worker may not have begun it yet."""
        return self._turns[0] if self._turns else None

    @property
    def quick(self) -> bool:
        """Whether another call may follow: the one that runs is alone, and so far as quick as the last one."""
        alone = self._quick and len(self._turns) == 1 and self._turns[0].sent
        return alone and time.monotonic() - self._turns[0].began < QUICK_SECONDS

    async def run(self, turn: Turn, message: Answered, rows: Payload) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            Moved: one that follows could not be sent, or was taken back: it has not run.
            OSError: there is no memory or descriptor left for a request that does not fit into a datagram.
            WorkerDied: the worker ended before it answered.
        """
        self._turns.append(turn)
        self._watch(turn, math.inf if turn.following is None else PATIENCE_SECONDS)
        try:
            await self._send(turn, message, rows)
            return await turn.answer
        except asyncio.CancelledError:
            self._abandon(turn)
            raise
        finally:
            turn.end()

    async def _send(self, turn: Turn, message: Answered, rows: Payload) -> None:
        """Send a request; one that cannot be sent is no call, as no answer to it comes."""
        try:
            if turn.following is None:
                await self._requests.send(message, rows)
            else:
                self._printed.behind = turn.following.output
                self._requests.send_behind(message, rows)
                turn.following.handed(lambda: self._recall(turn))
        except Exception as error:
            if turn in self._turns:
                self._turns.remove(turn)
            if turn.following is None:
                raise
            self._printed.behind = None
            raise Moved from error
        turn.sent = True

    def answered(self, message: FromWorker, results: Payload) -> None:
        """Answer the call that runs; the one that follows it runs now."""
        if not self._turns:
            return
        turn = self._turns.pop(0)
        self._printed.end_request()  # it was printed before the answer was sent
        if isinstance(message, Applied | AppliedTogether):
            turn.clock.take(message.phases)
        turn.succeed((message, results))
        self._quick = time.monotonic() - turn.began < QUICK_SECONDS
        if self._turns:
            self._printed.follow()
            self._turns[0].begin()

    def take_back(self) -> None:
        """Take back the call that follows another one, unless the worker has begun it.

        Then the answer to the one ahead of it is there, and is taken here.
        """
        if len(self._turns) > 1:
            self._take_back(1)

    def _recall(self, turn: Turn) -> None:
        if turn in self._turns:
            self.take_back()

    def _take_back(self, most: int) -> None:
        """Take back at most so many of the calls, the last ones, unless the worker has begun them."""
        taken, lost = self._requests.take_back(most)
        for error in (*[Moved()] * taken, *[WorkerDied(LOST)] * lost):
            self._turns.pop().fail(error)
        if taken:
            self._printed.behind = None
        if taken < most:
            self._receive()

    def died(self, unbegun: int, error: Exception) -> None:
        """Answer all: the worker has died, and is known not to have begun the last `unbegun` ones."""
        for number, turn in enumerate(reversed(self._turns)):
            turn.fail(Moved() if turn.following is not None and number < unbegun else error)
        self._turns.clear()

    def _abandon(self, turn: Turn) -> None:
        """Note that nobody waits for an answer any more. The worker that may still run the call is spoiled."""
        if turn in self._turns:
            self._take_back(len(self._turns) - self._turns.index(turn))  # with that which would be ended with it
        if turn is self.running:
            self.spoiled = True
            self._turns.remove(turn)

    def _watch(self, turn: Turn, patience: float = math.inf) -> None:
        seconds = max(min(turn.deadline - time.monotonic(), patience), 0)
        turn.timer = asyncio.get_running_loop().call_later(seconds, self._on_time, turn)

    def _on_time(self, turn: Turn) -> None:
        """Take a call back that follows a slow one; end the worker when the one that runs is late."""
        late = turn.deadline - time.monotonic() < TIMER_SECONDS
        if late or turn is not self.running:
            self.take_back()
        if turn is not self.running:
            return  # it was taken back, or has just been answered
        if late:
            seconds = turn.deadline - turn.arrived
            self._end(f"was ended at its deadline, after {max(seconds, 0):.3g} s ({turn.setting}),")
        else:
            self._watch(turn)
