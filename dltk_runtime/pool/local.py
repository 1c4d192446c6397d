"""A worker process on this machine, as the front process sees it: start, call, watch, end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.pool.background import Background
from dltk_runtime.pool.calls import Calls, Turn
from dltk_runtime.pool.conversation import Conversation
from dltk_runtime.pool.ending import Ending
from dltk_runtime.pool.explaining import explained
from dltk_runtime.pool.following import Following, Moved
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Launched, Spec, launch
from dltk_runtime.pool.outcome import DEATH_DEADLINE, Death, WorkerDied
from dltk_runtime.pool.phases import PhaseClock
from dltk_runtime.pool.printed import Printed
from dltk_runtime.pool.read_ahead import LocalReadAhead
from dltk_runtime.pool.requests import Requests
from dltk_runtime.pool.traces import Traces
from dltk_runtime.pool.worker import SILENT, Answer, Listener, discard
from dltk_runtime.scrub import NOTHING_SECRET, Scrubber
from dltk_runtime.worker.gang_messages import Kept, Listens
from dltk_runtime.worker.memory_file import MemoryFile
from dltk_runtime.worker.messages import (
    Answered,
    Code,
    Counts,
    Entered,
    ErrorReport,
    Fitted,
    FromWorker,
    Progress,
    Ready,
    Saved,
    ToWorker,
)

Explain = Callable[[ErrorReport, "LocalWorker"], Awaitable[ErrorReport]]


async def _as_it_is(error: ErrorReport, _: LocalWorker) -> ErrorReport:
    """Add nothing to an error."""
    return error


class LocalWorker:
    """A running worker process. Implements `worker.Worker`; made by `start`.

    Attributes:
        spec: what was settled before its first import.
        device: the GPU that it sees, as CUDA names it; empty where it may see all or none.
        work: its current task, or what it serves, for errors about GPU memory.
        reading: whether it parses rows of a request that still arrives.
        background: whether nobody waits for what it does now.
        phases: seconds of each phase of the call that ended last.
        on_death: called with the one of `outcome.DEATHS` when it ends unasked, or past a limit.
    """

    def __init__(
        self, spec: Spec, launched: Launched, explain: Explain = _as_it_is, scrubber: Scrubber = NOTHING_SECRET
    ) -> None:
        self.spec = spec
        self.device = ""
        self.work = ""
        self.reading = False
        self.on_death: Callable[[str], object] = discard
        self._launched = launched
        self._ending = Ending(launched.process, launched.pidfd)
        self.background = Background(self.pid, self._ending.signal)
        self._explain = explain
        self.phases: Mapping[str, float] = {}
        self._listener = SILENT
        self._clock = PhaseClock()  # between two calls
        self._printed = Printed(launched.outputs, scrubber)
        self._requests = Requests(launched.requests, launched.unread)
        self._traces = Traces(launched.dump, launched.board)
        self._saved: Fitted | None = None  # by the fit that it runs
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._late_end: asyncio.Future[None] | None = None
        self._conversation = Conversation(launched.sock, self._take, self._ending.without_channel)
        self._calls = Calls(self._requests, self._printed, self._conversation.receive_rest, self._end_late)
        self._ending.watch(self._on_end)

    @classmethod
    def start(
        cls,
        spec: Spec,
        environ: Mapping[str, str],
        guardian: Guardian,
        explain: Explain = _as_it_is,
        scrubber: Scrubber = NOTHING_SECRET,
    ) -> LocalWorker:
        """Start a worker; it takes calls once it is `ready`.

        Raises:
            WorkerDied: the machine cannot start another process.
        """
        try:
            return cls(spec, launch(spec, environ, guardian), explain, scrubber)
        except OSError as error:
            raise WorkerDied(Death(f"could not be started ({error})", "start")) from error

    @property
    def pid(self) -> int:
        """Process id, which is the id of its session and group too."""
        return self._launched.process.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status as `subprocess` gives it; None while it runs."""
        return self._launched.process.returncode

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._ending.ended

    @property
    def phase(self) -> str:
        """Name of the current phase; ``idle`` between two calls."""
        return self._current.name

    @property
    def place(self) -> str:
        """Coordinates of the function that the current phase calls; empty where it calls none."""
        return self._current.place

    @property
    def _current(self) -> PhaseClock:
        running = self._calls.running
        return self._clock if running is None else running.clock

    @property
    def spoiled(self) -> bool:
        """Whether it may still run a call that was cancelled."""
        return self._calls.spoiled

    @property
    def quick(self) -> bool:
        """Whether another call may follow the one that runs."""
        return self._calls.quick and not self.background.active and not self.reading and not self._ending.begun

    @property
    def usable(self) -> bool:
        """Whether it can take a call; checks the process, not what the event loop has seen."""
        return not self._ending.decided

    async def ready(self) -> None:
        """Wait until it has started and done its imports.

        Raises:
            WorkerDied: it ended instead.
        """
        await asyncio.shield(self._ready)

    def listen(self, listener: Listener) -> None:
        """Send what happens from now on to `listener`."""
        self._printed.read()
        self._listener, self._printed.output = listener, listener.output

    def print_to(self, output: Callable[[bytes], object]) -> None:
        """Send what it prints from now on to `output`, and all else to the listener as before."""
        if output is not discard:  # all that was printed before an answer has been read with it
            self._printed.read()
        self._printed.output = output

    async def call(
        self,
        message: Answered,
        rows: Payload = NO_ROWS,
        *,
        deadline: float,
        setting: str,
        following: Following | None = None,
    ) -> Answer:
        """Send a request and wait for its answer until `deadline`; with `following`, behind the one that runs.

        Raises:
            Moved: a request that follows was taken back, and has not run.
            WorkerDied: the worker ended, or was ended at its deadline, before it answered.
        """
        turn = Turn(deadline, setting, following)
        try:
            self._prepare(turn)
            answer, results = await self._calls.run(turn, message, rows)
            return await explained(answer, lambda error: self._explain(error, self)), results
        finally:
            self.phases = turn.clock.seconds

    def _prepare(self, turn: Turn) -> None:
        """Remove what earlier calls left; what follows another one does that in the worker.

        Raises:
            Moved: there is none to follow.
            WorkerDied: the worker has ended.
        """
        if turn.following is not None:
            if not self.quick:
                raise Moved
            return
        if self.ended:
            raise WorkerDied(self._death(turn.clock))
        self._traces.clear()

    def read_ahead(self, rows: Buffer, expected: int) -> LocalReadAhead | None:
        """Start to parse arriving rows; None if it does so already or cannot read the buffer."""
        if self.reading or not isinstance(rows, MemoryFile):
            return None
        return LocalReadAhead(self, rows, expected)

    def send_files(self, message: ToWorker, files: tuple[int, ...]) -> None:
        """Send a message with file descriptors, without an answer."""
        self._requests.send_files(message, files)

    async def end(self, cause: str = "", kind: str = "") -> None:
        """End the process and everything it started; a running call fails with `cause`.

        With a `kind`, one of `outcome.DEATHS`, this counts as a death.
        """
        ending = self._ending
        ending.begun = True
        ending.blame("", kind)
        self._calls.take_back()  # first: what follows could begin, and would be ended too
        if cause and self._calls.running is not None and not ending.cause and not self.ended:
            ending.blame(cause)
            self.background.leave()  # to write its stack
            await self._traces.stack.request(self.pid, lambda: self.ended)
        ending.kill()
        await ending.wait()

    def _end_late(self, cause: str) -> None:
        self._late_end = asyncio.ensure_future(self.end(cause, DEATH_DEADLINE))

    def kill(self) -> None:
        """End the whole group at once, without waiting."""
        self._ending.kill()

    # ------------------------------------------------------------ events

    def _take(self, message: FromWorker, results: Payload) -> None:
        if self._ending.cause:
            return  # its end is decided: code that the request for a stack dump woke up must not go on
        match message:
            case Entered(phase, place):
                self._enter(phase, place)
            case Progress():
                self._listener.progress(message)
            case Counts():
                self._listener.counts(message)
            case Listens() | Kept():
                self._listener.rank(message)
            case Code(code):
                self._traces.code = code
            case Saved(fitted):
                self._saved = fitted
            case Ready():
                self._enter("idle", "")
                if not self._ready.done():
                    self._ready.set_result(None)
            case _:
                self._calls.answered(message, results)

    def _enter(self, phase: str, place: str) -> None:
        self._current.enter(phase, place)
        if phase != "idle":
            self._listener.phase(phase)

    # ------------------------------------------------------------ the end

    def _on_end(self) -> None:
        if kind := self._ending.reap():
            self.on_death(kind)
        unbegun = self._requests.drop()
        self._conversation.receive_rest()
        self._printed.close()
        death = WorkerDied(self._death(self._current), self._saved)
        self._calls.died(unbegun, death)
        if not self._ready.done():
            self._ready.set_exception(death)
            self._ready.exception()  # marked as seen: it may have no waiter
        self._close()

    def _death(self, clock: PhaseClock) -> Death:
        return self._traces.death(self._ending.explanation, clock)

    def _close(self) -> None:
        for each in (self._traces, self._conversation, self._requests, self._ending):
            each.close()
        self._launched.on_end()
