"""The front process's side of one worker: start it, call it, watch it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from dltk_runtime.notebook import coordinates_in
from dltk_runtime.worker import channel
from dltk_runtime.worker.child import DUMP_SIGNAL, Options
from dltk_runtime.worker.messages import Entered, FromWorker, Ready, ToWorker

DUMP_WAIT = 0.3  # seconds a worker has to say where it is before it is ended
READ_AT_ONCE = 64 * 1024  # bytes of printed text taken in one go
IN_THREAD = 1024**2  # a blob from this size on is copied in a thread, beside the event loop

Sink = Callable[[bytes], None]
Answer = tuple[FromWorker, channel.Blob]


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended while it had a request."""

    cause: str  # "was ended by SIGSEGV", "passed its deadline of 600 s (DLTK_APPLY_TIMEOUT)"
    step: str
    coordinates: str
    dump: str = ""

    def __str__(self) -> str:
        where = f" at {self.coordinates}" if self.coordinates else ""
        return f"the worker process {self.cause} in step '{self.step}'{where}"


class WorkerDied(Exception):
    """The worker ended before it answered."""

    def __init__(self, death: Death) -> None:
        super().__init__(str(death))
        self.death = death


@dataclass(frozen=True, slots=True)
class Spec:
    """What must be settled before a worker's first import: workers of one spec can stand in for each other."""

    threads: int
    imports: tuple[str, ...] = ()


@dataclass(eq=False)
class Worker:
    """A running worker process. One call at a time."""

    spec: Spec
    process: subprocess.Popen[bytes]
    pidfd: int
    sock: socket.socket
    dump: int
    output: int
    sink: Sink
    on_step: Callable[[str], None] | None = None
    step: str = "start"
    at: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    ended: bool = False
    _since: float = field(default_factory=time.monotonic)
    _cause: str = ""
    _ready: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _answer: asyncio.Future[Answer] | None = None
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def start(cls, spec: Spec, environ: Mapping[str, str], sink: Sink, *, wait: bool = True) -> Worker:
        """Start a worker and, unless told otherwise, wait until it is ready.

        Raises:
            WorkerDied: it ended before it was ready.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        read, write = os.pipe2(os.O_CLOEXEC)
        dump = os.memfd_create("dltk-dump", os.MFD_CLOEXEC)
        options = Options(os.getpid(), theirs.fileno(), dump, spec.imports)
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - forks within a millisecond; asyncio's own watches with a thread
                [sys.executable, "-m", "dltk_runtime.worker", msgspec.json.encode(options).decode()],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env=dict(environ),
                pass_fds=(theirs.fileno(), dump),
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(write)
        ours.setblocking(False)
        os.set_blocking(read, False)
        worker = cls(spec, process, os.pidfd_open(process.pid), ours, dump, read, sink)
        worker._watch()
        if wait:
            await worker.ready()
        return worker

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def calling(self) -> bool:
        """Whether a call is under way."""
        return self._answer is not None

    async def ready(self) -> None:
        """Wait for the first sign of life.

        Raises:
            WorkerDied: it ended instead.
        """
        await asyncio.shield(self._ready)

    async def call(self, message: ToWorker, blob: channel.Blob = b"", *, deadline: float, setting: str) -> Answer:
        """Send a request and wait for its answer until `deadline` (of `time.monotonic`), which `setting` sets.

        Raises:
            WorkerDied: the worker ended, or was ended at its deadline, before it answered.
        """
        self.phases, self._since, self.step = {}, time.monotonic(), "send"
        seconds = deadline - self._since
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        if self.ended:
            raise WorkerDied(self._death())
        try:
            async with asyncio.timeout(max(seconds, 0)):
                with contextlib.suppress(channel.ChannelClosed):  # then its end is on the way
                    await self._send(message, blob)
                return await asyncio.shield(answer)
        except TimeoutError:
            await self.end(f"was ended at its deadline, after {seconds:.3g} s ({setting}),")
            return await answer
        finally:
            self._enter("idle", "")
            self._answer = None

    async def _send(self, message: ToWorker, blob: channel.Blob) -> None:
        if len(blob) >= IN_THREAD:
            await asyncio.to_thread(channel.send, self.sock, message, blob)
        else:
            channel.send(self.sock, message, blob)

    async def end(self, cause: str = "") -> None:
        """End the process and everything it started; a running call fails with `cause`."""
        if cause and self._answer is not None and not self.ended:
            self._cause = self._cause or cause
            await self._ask_where_it_is()
        self.kill()
        await self._gone.wait()

    def kill(self) -> None:
        """End the whole group at once, without waiting."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def drain(self) -> None:
        """Take over what has been printed and not been read yet."""
        while self._read_output():
            pass

    # ------------------------------------------------------------ events

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.sock, self._on_message)
        loop.add_reader(self.pidfd, self._on_end)
        loop.add_reader(self.output, self._read_output)

    def _on_message(self) -> None:
        try:
            self._take(*channel.receive(self.sock, channel.FROM_WORKER))
        except BlockingIOError:
            return
        except channel.ChannelClosed:
            # The process is ending, or the notebook closed the channel: without it a worker is of no use.
            asyncio.get_running_loop().remove_reader(self.sock)
            if self.process.poll() is None:
                self._cause = self._cause or "closed its channel to the server"
                self.kill()

    def _take(self, message: FromWorker, blob: channel.Blob) -> None:
        match message:
            case Entered(step, at):
                self._enter(step, at)
            case Ready():
                self._enter("idle", "")
                self._ready.set_result(None)
            case _ if self._answer is not None and not self._answer.done():
                self.drain()
                self._answer.set_result((message, blob))

    def _on_end(self) -> None:
        with contextlib.suppress(channel.ChannelClosed, BlockingIOError):
            while True:  # an answer that was sent before the end counts
                self._take(*channel.receive(self.sock, channel.FROM_WORKER))
        self.drain()
        self.kill()  # whatever it left behind in its group
        self.process.wait()
        self.ended = True
        death = WorkerDied(self._death())
        for future in (self._ready, self._answer):
            if future is not None and not future.done():
                future.set_exception(death)
                future.exception()  # nobody may be waiting, which is no fault
        self._close()

    def _read_output(self) -> bool:
        try:
            text = os.read(self.output, READ_AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            text = b""
        if not text:
            asyncio.get_running_loop().remove_reader(self.output)
            return False
        self.sink(text)
        return True

    def _enter(self, step: str, at: str) -> None:
        now = time.monotonic()
        self.phases[self.step] = self.phases.get(self.step, 0.0) + now - self._since
        self.step, self.at, self._since = step, at, now
        if self.on_step is not None and step != "idle":
            self.on_step(step)

    # ------------------------------------------------------------ the end

    async def _ask_where_it_is(self) -> None:
        before = os.fstat(self.dump).st_size
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, DUMP_SIGNAL)
        deadline = time.monotonic() + DUMP_WAIT
        size = before
        while time.monotonic() < deadline and not self.ended:
            await asyncio.sleep(0.01)
            size, last = os.fstat(self.dump).st_size, size
            if size > before and size == last:
                return

    def _death(self) -> Death:
        dump = "" if self._gone.is_set() else os.pread(self.dump, READ_AT_ONCE, 0).decode(errors="replace")
        place = coordinates_in(dump)
        return Death(
            cause=self._cause or _cause(self.process.returncode),
            step=self.step,
            coordinates=str(place) if place else self.at,
            dump=dump,
        )

    def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for descriptor in (self.pidfd, self.output, self.sock.fileno()):
            loop.remove_reader(descriptor)
        for descriptor in (self.pidfd, self.output, self.dump):
            os.close(descriptor)
        self.sock.close()
        self._gone.set()


def _cause(status: int) -> str:
    if status >= 0:
        return f"ended by itself with exit code {status}"
    name = signal.Signals(-status).name
    if name == "SIGKILL":
        return "was killed (SIGKILL), most likely because the container or machine ran out of memory,"
    return f"was ended by {name}"
