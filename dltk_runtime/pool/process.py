"""The front process's side of one worker: start it, call it, watch it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dltk_runtime.files.memory import MemoryFile
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Spec, launch
from dltk_runtime.pool.outcome import Death, WorkerDied, cause_of, place_of
from dltk_runtime.worker import channel
from dltk_runtime.worker.board import Board
from dltk_runtime.worker.messages import (
    DUMP_SIGNAL,
    Applied,
    Code,
    Counts,
    Entered,
    Fitted,
    FromWorker,
    Progress,
    ReadAhead,
    Ready,
    Saved,
    ToWorker,
)

DUMP_WAIT = 0.3  # seconds a worker has to say where it is before it is ended
CLOSED_WAIT = 0.5  # seconds in which a process that ends may lie between closing its files and being gone
PIPE_SIZE = 64 * 1024  # bytes; what a pipe holds at most, so that one read takes all that was printed before it
IN_THREAD = 1024**2  # a blob from this size on is copied in a thread, beside the event loop

Sink = Callable[[bytes], None]
Answer = tuple[FromWorker, channel.Blob]


def ignore(_: object) -> None:
    """What hears a message that nobody listens to."""


def discard(text: bytes) -> None:
    """The sink of a worker that nobody holds: what threads left behind print belongs to no job."""


@dataclass(eq=False)
class Worker:
    """A running worker process. One call at a time; made by `start`."""

    spec: Spec
    process: subprocess.Popen[bytes]
    pidfd: int
    sock: socket.socket
    dump: int
    board: int
    output: int
    on_end: Callable[[], object]  # called once, when the process is gone
    on_step: Callable[[str], None] | None = None
    on_progress: Callable[[Progress], object] = ignore
    on_counts: Callable[[Counts], object] = ignore
    device: str = ""  # the GPU that it sees, as CUDA names it; nothing where it may see all or none
    work: str = ""  # what it is at, or serves, in words
    saved: Fitted | None = None  # by the fit that it runs
    step: str = "start"
    phases: dict[str, float] = field(default_factory=dict)
    reading: bool = False  # whether it reads rows of a request that still arrives
    ending: bool = False
    ended: bool = False
    _sink: Sink = discard
    _at: str = ""
    _code: bytes = b""
    _since: float = field(default_factory=time.monotonic)
    _cause: str = ""
    _ready: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _answer: asyncio.Future[Answer] | None = None
    _ending: asyncio.Future[None] | None = None
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def start(cls, spec: Spec, environ: Mapping[str, str], guardian: Guardian) -> Worker:
        """Start a worker; it takes calls once it is `ready`.

        Raises:
            WorkerDied: the machine has no room for another process.
        """
        try:
            return cls(spec, *launch(spec, environ, guardian))
        except OSError as error:
            raise WorkerDied(Death(f"could not be started ({error})", "start")) from error

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.sock, self._on_message)
        loop.add_reader(self.pidfd, self._on_end)
        loop.add_reader(self.output, self._read_output)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def usable(self) -> bool:
        """Whether it may get a call: also its end that the event loop has not come to see yet counts."""
        if self.ending or self.ended:
            return False
        end = select.poll()
        end.register(self.pidfd, select.POLLIN)
        return not end.poll(0)

    async def ready(self) -> None:
        """Wait for the first sign of life.

        Raises:
            WorkerDied: it ended instead.
        """
        await asyncio.shield(self._ready)

    async def call(
        self, message: ToWorker, blob: channel.Blob | MemoryFile = b"", *, deadline: float, setting: str
    ) -> Answer:
        """Send a request and wait for its answer until `deadline` (of `time.monotonic`), which `setting` sets.

        Raises:
            WorkerDied: the worker ended, or was ended at its deadline, before it answered.
        """
        self.phases, self.step, self._at, self._since = {}, "send", "", time.monotonic()
        seconds = deadline - self._since
        if self.ended:
            raise WorkerDied(self._death())
        os.ftruncate(self.dump, 0)
        Board(self.board).clear()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._answer = answer
        late = loop.call_later(max(seconds, 0), self._late, f"after {seconds:.3g} s ({setting})")
        try:
            with contextlib.suppress(channel.ChannelClosed):  # then its end is on the way
                await self._send(message, blob)
            return await answer
        finally:
            late.cancel()
            self._enter("idle", "")
            self._answer = None

    def _late(self, when: str) -> None:
        """The deadline of a call is here."""
        self._ending = asyncio.ensure_future(self.end(f"was ended at its deadline, {when},"))

    async def _send(self, message: ToWorker, blob: channel.Blob | MemoryFile) -> None:
        if not isinstance(blob, MemoryFile) and len(blob) >= IN_THREAD:
            await asyncio.to_thread(channel.send, self.sock, message, blob)
        else:
            channel.send(self.sock, message, blob)

    def read_ahead(self, message: ReadAhead, file: int, growth: int) -> None:
        """Let it parse rows that are still on their way; it takes calls all the same."""
        with contextlib.suppress(channel.ChannelClosed):
            channel.send(self.sock, message, files=(file, growth))

    def print_to(self, sink: Sink) -> None:
        """Give what is printed from now on to `sink`; what was printed before goes to the sink of before."""
        self._read_output()
        self._sink = sink

    async def end(self, cause: str = "") -> None:
        """End the process and everything it started; a running call fails with `cause`."""
        self.ending = True
        if cause and self._answer is not None and not self._cause and not self.ended:
            self._cause = cause
            await self._ask_where_it_is()
        self.kill()
        await self._gone.wait()

    def kill(self) -> None:
        """End the whole group at once, without waiting."""
        self.ending = True
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    # ------------------------------------------------------------ events

    def _on_message(self) -> None:
        try:
            with contextlib.suppress(BlockingIOError):
                self._take(channel.receive(self.sock, channel.FROM_WORKER))
        except channel.ChannelClosed:
            asyncio.get_running_loop().remove_reader(self.sock)
            asyncio.get_running_loop().call_later(CLOSED_WAIT, self._end_without_channel)

    def _end_without_channel(self) -> None:
        """Nothing but the process's own end closes a channel, unless the notebook does: then it is of no more use."""
        if not self.ended:
            self._cause = self._cause or "closed its channel to the server"
            self.kill()

    def _take(self, received: channel.Received[FromWorker]) -> None:
        if self._cause:
            return  # its end is decided: what the question where it is has woken up must not go on
        message = received.message
        match message:
            case Entered(step, at):
                self._enter(step, at)
            case Progress():
                self.on_progress(message)
            case Counts():
                self.on_counts(message)
            case Code(code):
                self._code = code
            case Saved(fitted):
                self.saved = fitted
            case Ready():
                self._enter("idle", "")
                if not self._ready.done():
                    self._ready.set_result(None)
            case _:
                self._answered(message, received.blob)

    def _answered(self, message: FromWorker, blob: channel.Blob) -> None:
        if self._answer is None or self._answer.done():
            return
        self._read_output()  # it was printed before the answer was sent
        if isinstance(message, Applied):
            self._account(message.phases)
        self._answer.set_result((message, blob))

    def _on_end(self) -> None:
        self.kill()  # whatever it left behind in its group; its own number is taken until `wait`
        self.process.wait()
        self.ended = True
        with contextlib.suppress(channel.ChannelClosed, BlockingIOError):
            while True:  # an answer that was sent before the end counts
                self._take(channel.receive(self.sock, channel.FROM_WORKER))
        self._read_output()
        death = WorkerDied(self._death())
        for future in (self._ready, self._answer):
            if future is not None and not future.done():
                future.set_exception(death)
                future.exception()  # nobody may be waiting, which is no fault
        self._close()

    def _read_output(self) -> None:
        """Take what has been printed, once: somebody may print without end."""
        try:
            text = b"" if self._gone.is_set() else os.read(self.output, PIPE_SIZE)
        except BlockingIOError:
            return
        if text:
            self._sink(text)
        elif not self._gone.is_set():
            asyncio.get_running_loop().remove_reader(self.output)

    def _enter(self, step: str, at: str) -> None:
        now = time.monotonic()
        self.phases[self.step] = self.phases.get(self.step, 0.0) + now - self._since
        self.step, self._at, self._since = step, at, now
        if self.on_step is not None and step != "idle":
            self.on_step(step)

    def _account(self, phases: dict[str, float]) -> None:
        """Take over the phases that the worker measured; what they leave of the call's time is that of the way."""
        now = time.monotonic()
        self.phases = {self.step: now - self._since - sum(phases.values()), **phases}
        self._since = now

    # ------------------------------------------------------------ the end

    async def _ask_where_it_is(self) -> None:
        """Have faulthandler write the stack, and wait until the text has come to its end."""
        os.ftruncate(self.dump, 0)  # what a child of the worker wrote before is not what we ask
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, DUMP_SIGNAL)
        deadline, size = time.monotonic() + DUMP_WAIT, 0
        while time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            if self.ended:
                return
            size, last = os.fstat(self.dump).st_size, size
            if size and size == last:
                return

    def _death(self) -> Death:
        dump = "" if self._gone.is_set() else os.pread(self.dump, PIPE_SIZE, 0).decode(errors="replace")
        cause = self._cause or cause_of(self.process.returncode)
        if not self._gone.is_set() and self.step == "send" and (entered := Board(self.board).last()):
            self.step, self._at = entered.phase, entered.at
        return Death(cause, self.step, place_of(dump, self._code, self._at), dump)

    def _close(self) -> None:
        for descriptor in (self.pidfd, self.output, self.sock.fileno()):
            asyncio.get_running_loop().remove_reader(descriptor)
        for descriptor in (self.pidfd, self.output, self.dump, self.board):
            os.close(descriptor)
        self.sock.close()
        self._gone.set()
        self.on_end()
