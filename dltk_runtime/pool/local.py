"""A worker process on this machine, as the front process sees it: start, call, watch, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Awaitable, Callable, Mapping

from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.pool.background import Background
from dltk_runtime.pool.conversation import Conversation
from dltk_runtime.pool.dump import StackDump
from dltk_runtime.pool.explaining import explained
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Launched, Spec, launch
from dltk_runtime.pool.outcome import DEATH_CHANNEL, DEATH_DEADLINE, Death, WorkerDied, cause_of, kind_of, place_of
from dltk_runtime.pool.phases import PhaseClock
from dltk_runtime.pool.read_ahead import LocalReadAhead
from dltk_runtime.pool.worker import SILENT, Answer, Listener, discard
from dltk_runtime.scrub import NOTHING_SECRET, ByteStream, Scrubber
from dltk_runtime.worker.board import Board
from dltk_runtime.worker.memory_file import MemoryFile
from dltk_runtime.worker.messages import (
    Answered,
    Applied,
    AppliedTogether,
    Code,
    Counts,
    Entered,
    ErrorReport,
    Fitted,
    FromWorker,
    Kept,
    Listens,
    Progress,
    Ready,
    Saved,
    ToWorker,
)

CLOSED_SECONDS = 0.5  # that may pass between the close of a dying process's files and its end
PIPE_BYTES = 64 * 1024  # capacity of a pipe: one read takes all that was printed before it

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
        ended: whether the process is gone.
        on_death: called with the one of `outcome.DEATHS` when it ends unasked, or past a limit.
    """

    def __init__(
        self, spec: Spec, launched: Launched, explain: Explain = _as_it_is, scrubber: Scrubber = NOTHING_SECRET
    ) -> None:
        self.spec = spec
        self.device = ""
        self.work = ""
        self.reading = False
        self.ended = False
        self.on_death: Callable[[str], object] = discard
        self._launched = launched
        self.background = Background(self.pid, self._signal)
        self._explain = explain
        self._listener, self._output = SILENT, SILENT.output
        self._clock = PhaseClock()
        self._printed = ByteStream(scrubber)
        self._dump = StackDump(launched.dump)
        self._board = Board(launched.board)
        self._ends = select.poll()
        self._ends.register(launched.pidfd, select.POLLIN)
        self._code = b""  # the notebook's sources, for the line where it dies
        self._saved: Fitted | None = None  # by the fit that it runs
        self._cause = ""  # why it is ended
        self._kind = ""  # of its death, where that is known before it
        self._ending = False
        self._gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[Answer] | None = None
        self._late_end: asyncio.Future[None] | None = None
        self._conversation = Conversation(launched.sock, self._take, self._on_closed_channel)
        loop.add_reader(launched.pidfd, self._on_end)
        loop.add_reader(launched.output, self._read_output)

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
    def phase(self) -> str:
        """Name of the current phase; ``idle`` between two calls."""
        return self._clock.name

    @property
    def place(self) -> str:
        """Coordinates of the function that the current phase calls; empty where it calls none."""
        return self._clock.place

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase of the last call."""
        return self._clock.seconds

    @property
    def usable(self) -> bool:
        """Whether it can take a call; checks the process, not what the event loop has seen."""
        return not (self._ending or self.ended or self._ends.poll(0))

    async def ready(self) -> None:
        """Wait until it has started and done its imports.

        Raises:
            WorkerDied: it ended instead.
        """
        await asyncio.shield(self._ready)

    def listen(self, listener: Listener) -> None:
        """Send what happens from now on to `listener`."""
        self._read_output()
        self._listener, self._output = listener, listener.output

    def print_to(self, output: Callable[[bytes], object]) -> None:
        """Send what it prints from now on to `output`, and all else to the listener as before."""
        if output is not discard:  # all that was printed before an answer has been read with it
            self._read_output()
        self._output = output

    async def call(self, message: Answered, rows: Payload = NO_ROWS, *, deadline: float, setting: str) -> Answer:
        """Send a request and wait for its answer until `deadline`.

        Raises:
            WorkerDied: the worker ended, or was ended at its deadline, before it answered.
        """
        answer, results = await self._call(message, rows, deadline, setting)
        return await explained(answer, lambda error: self._explain(error, self)), results

    def read_ahead(self, rows: Buffer, expected: int) -> LocalReadAhead | None:
        """Start to parse arriving rows; None if it does so already or cannot read the buffer."""
        if self.reading or not isinstance(rows, MemoryFile):
            return None
        return LocalReadAhead(self, rows, expected)

    def send_files(self, message: ToWorker, files: tuple[int, ...]) -> None:
        """Send a message with file descriptors, without an answer."""
        self._conversation.send_files(message, files)

    async def end(self, cause: str = "", kind: str = "") -> None:
        """End the process and everything it started; a running call fails with `cause`.

        With a `kind`, one of `outcome.DEATHS`, this counts as a death.
        """
        self._ending = True
        self._kind = self._kind or kind
        if cause and self._answer is not None and not self._cause and not self.ended:
            self._cause = cause
            self.background.leave()  # to write its stack
            await self._dump.request(self.pid, lambda: self.ended)
        self.kill()
        await self._gone.wait()

    def kill(self) -> None:
        """End the whole group at once, without waiting."""
        self._ending = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    # ------------------------------------------------------------ one call

    async def _call(self, message: Answered, rows: Payload, deadline: float, setting: str) -> Answer:
        self._clock.restart("send")
        seconds = max(deadline - time.monotonic(), 0)
        if self.ended:
            raise WorkerDied(self._death())
        self._dump.clear()
        self._board.clear()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._answer = answer
        late = loop.call_later(seconds, self._end_late, seconds, setting)
        try:
            await self._conversation.send(message, rows)
            return await answer
        finally:
            late.cancel()
            self._enter("idle", "")
            self._answer = None

    def _end_late(self, seconds: float, setting: str) -> None:
        cause = f"was ended at its deadline, after {seconds:.3g} s ({setting}),"
        self._late_end = asyncio.ensure_future(self.end(cause, DEATH_DEADLINE))

    # ------------------------------------------------------------ events

    def _take(self, message: FromWorker, results: Payload) -> None:
        if self._cause:
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
                self._code = code
            case Saved(fitted):
                self._saved = fitted
            case Ready():
                self._enter("idle", "")
                if not self._ready.done():
                    self._ready.set_result(None)
            case _:
                self._answered(message, results)

    def _answered(self, message: FromWorker, results: Payload) -> None:
        if self._answer is None or self._answer.done():
            return
        self._read_output()  # it was printed before the answer was sent
        self._show_rest()
        if isinstance(message, Applied | AppliedTogether):
            self._clock.take(message.phases)
        self._answer.set_result((message, results))

    def _enter(self, phase: str, place: str) -> None:
        self._clock.enter(phase, place)
        if phase != "idle":
            self._listener.phase(phase)

    def _read_output(self) -> None:
        """Read printed text once: a worker may print without end."""
        try:
            text = b"" if self._gone.is_set() else os.read(self._launched.output, PIPE_BYTES)
        except BlockingIOError:
            return
        if text:
            if shown := self._printed.feed(text):
                self._output(shown)
        elif not self._gone.is_set():
            asyncio.get_running_loop().remove_reader(self._launched.output)

    def _show_rest(self) -> None:
        if rest := self._printed.end():
            self._output(rest)

    # ------------------------------------------------------------ the end

    def _on_closed_channel(self) -> None:
        """Wait for the end of the process; if it does not end, the notebook closed the channel."""
        asyncio.get_running_loop().call_later(CLOSED_SECONDS, self._end_without_channel)

    def _end_without_channel(self) -> None:
        if not self.ended:
            self._cause = self._cause or "closed its channel to the server"
            self._kind = self._kind or DEATH_CHANNEL
            self.kill()

    def _on_end(self) -> None:
        unasked = not self._ending
        self.kill()  # what it left behind in its group; its own number is taken until `wait`
        self._launched.process.wait()
        self.ended = True
        if self._kind or unasked:
            self.on_death(self._kind or kind_of(self._launched.process.returncode))
        self._conversation.receive_rest()
        self._read_output()
        self._show_rest()
        death = WorkerDied(self._death(), self._saved)
        for future in (self._ready, self._answer):
            if future is not None and not future.done():
                future.set_exception(death)
                future.exception()  # marked as seen: it may have no waiter
        self._close()

    def _death(self) -> Death:
        if self._gone.is_set():
            dump = ""
        else:
            dump = self._dump.text()
            if self._clock.name == "send" and (entered := self._board.last()):
                self._clock.name, self._clock.place = entered.phase, entered.at
        cause = self._cause or cause_of(self._launched.process.returncode)
        return Death(cause, self._clock.name, place_of(dump, self._code, self._clock.place), dump)

    def _close(self) -> None:
        ours = self._launched
        for descriptor in (ours.pidfd, ours.output):
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        for each in (self._dump, self._board, self._conversation):
            each.close()
        self._gone.set()
        ours.on_end()
