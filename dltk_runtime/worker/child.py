"""The worker's side: start, receive a request, run its steps, answer, until the other side is gone."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TextIO

import msgspec

from dltk_runtime import progress, settings
from dltk_runtime.payload import Payload
from dltk_runtime.splunk import access
from dltk_runtime.tables.baseline import ENOUGH
from dltk_runtime.worker import channel
from dltk_runtime.worker.ahead import Ahead, Reading
from dltk_runtime.worker.board import Board
from dltk_runtime.worker.failure import StepFailed
from dltk_runtime.worker.messages import (
    DUMP_SIGNAL,
    Answered,
    Applied,
    Apply,
    Describe,
    Entered,
    ErrorReport,
    Failed,
    Fit,
    FromWorker,
    Load,
    Options,
    Progress,
    ReadAhead,
    Ready,
    Score,
    Stage,
)
from dltk_runtime.worker.steps import Steps

PR_SET_PDEATHSIG = 1  # linux/prctl.h
FIRST_TO_GO = "500"  # oom_score_adj: under memory pressure the kernel ends a worker, not the server
LOW_PRIORITY = 10  # niceness of a fit
AWAKE = 0.0002  # seconds
SHORT = 0.001  # seconds
IDLE = 200  # milliseconds without a request after which there is time to tell what was counted
_libc = ctypes.CDLL(None, use_errno=True)


def main(options_json: str) -> NoReturn:
    """Serve requests until the front process closes the channel."""
    options = msgspec.json.decode(options_json, type=Options)
    _die_with(options.parent)
    _report_crashes_to(options.dump)
    standing = _Standing()
    # `os._exit`, for threads that the notebook left running must not hold the process.
    try:
        _serve(_channel(options), Board(options.board), standing, options.imports)
    except channel.ChannelClosed:
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a signal handler of the notebook's may raise anything at any time
        traceback.print_exc()
        os._exit(1)


def _channel(options: Options) -> socket.socket:
    """The socket to the front process, which none of the notebook's children may hold or write to."""
    for descriptor in (options.channel, options.dump, options.board, *access.inherited(os.environ)):
        os.set_inheritable(descriptor, False)
    sock = socket.socket(fileno=options.channel)
    os.register_at_fork(after_in_child=sock.close)
    return sock


def _serve(sock: socket.socket, board: Board, standing: _Standing, imports: tuple[str, ...]) -> NoReturn:
    unwatched = False  # whether nobody waits for the steps of the request

    def tell(message: FromWorker) -> None:
        if unwatched and isinstance(message, Entered):
            board.enter(message)
        else:
            channel.send(sock, message)

    _report_progress_to(sock)
    _import(imports)
    reading, rest = Reading(), _Rest(sock)
    steps = Steps(settings.worker_paths(), tell, reading)
    channel.send(sock, Ready())
    while True:
        reading.until_called(sock)
        message, rows, files = channel.receive(sock, channel.TO_WORKER)
        if isinstance(message, ReadAhead):
            reading.begin(Ahead(message, *files))
            continue
        unwatched = isinstance(message, Apply)
        board.begin()
        with standing.restored():
            answer, results = _answer(steps, message, rows)
        if isinstance(answer, Applied):
            answer = msgspec.structs.replace(answer, phases=board.phases())
        del rows
        channel.send(sock, answer, Payload(results, escaped=True))
        del answer, results
        if isinstance(message, Apply | Score):
            steps.undo()
        gc.collect(0)
        if unwatched:
            _tell_counts(sock, steps, rest)


def _tell_counts(sock: socket.socket, steps: Steps, rest: _Rest) -> None:
    """Count the rows of an apply; tell how they are spread once there are enough of them, or nobody wants anything."""
    try:
        steps.count()
    except Exception as error:  # noqa: BLE001 - whatever a strange frame makes of the counting, applies go on
        sys.stderr.write(f"the rows of the last apply could not be counted: {error!r}\n")
        return
    if steps.counted >= ENOUGH:
        channel.send(sock, steps.counts())
    if rest.is_long():
        if steps.counted:
            channel.send(sock, steps.counts())
        _give_memory_back()


def _give_memory_back() -> None:
    """Give freed memory to others, which glibc keeps for the next table (see `settings.worker_environment`)."""
    if hasattr(_libc, "malloc_trim"):  # not in musl
        _libc.malloc_trim(0)


class _Rest:
    """The time between two requests. When the last one was short, the next is waited for awake, for a moment.

    To be woken up takes half as long as a small apply.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._coming = select.poll()
        self._coming.register(sock, select.POLLIN)
        self._short = False

    def is_long(self) -> bool:
        """Wait for a message; whether none came for `IDLE`."""
        began = time.perf_counter()
        while self._short and time.perf_counter() - began < AWAKE:
            if self._coming.poll(0):
                return False
        came = bool(self._coming.poll(IDLE))
        self._short = time.perf_counter() - began < SHORT
        return not came


def _report_progress_to(sock: socket.socket) -> None:
    """Send what the notebook says of its progress; not from a fork, whose socket is the worker's."""
    worker, sending = os.getpid(), threading.Lock()

    def send(step: float, total: float, metrics: dict[str, float]) -> None:
        if os.getpid() == worker:
            with sending:  # a notebook may train in several threads
                channel.send(sock, Progress(step, total, metrics))

    progress.send_to(send)


def _answer(steps: Steps, message: Answered, rows: Payload) -> tuple[FromWorker, bytes]:
    try:
        match message:
            case Fit():
                os.nice(LOW_PRIORITY)
                _see_only(message.device)
                return steps.fit(message, rows)
            case Load():
                _see_only(message.device)
                return steps.load(message), b""
            case Apply():
                return steps.apply(message, rows)
            case Score():
                return steps.score(message, rows), b""
            case Stage():
                return steps.stage(message, rows), b""
            case Describe():
                return steps.describe(), b""
    except StepFailed as failure:
        return Failed(failure.report), b""
    except Exception as error:  # noqa: BLE001 - a fault of our own must not look like the worker's death
        report = ErrorReport("runtime", f"fault in the runtime: {error!r}", "", traceback.format_exc())
        return Failed(report), b""


def _see_only(device: str) -> None:
    """Let CUDA see one GPU: it reads the variable when a library first asks it for devices, which no import does."""
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device


class _Standing:
    """Working folder and output as every request may expect them, whatever the one before did."""

    def __init__(self) -> None:
        self._folder = Path.cwd()
        self._pipe = os.dup(1)  # not inheritable
        self._open_streams()

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        try:
            os.chdir(self._folder)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            os.chdir(self._folder)
        for descriptor in (1, 2):
            os.dup2(self._pipe, descriptor)
        if sys.stdout is not self._out or sys.stderr is not self._err or self._out.closed or self._err.closed:
            self._open_streams()
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # closed or replaced by the notebook
                    stream.flush()
            _libc.fflush(None)  # what libraries print by way of C

    def _open_streams(self) -> None:
        """Streams that show lines as they are printed, in order, and leave their descriptors open when closed."""
        sys.stdout, sys.stderr = self._out, self._err = _stream(1), _stream(2)


def _stream(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _die_with(parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before the kernel knew what we want
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(FIRST_TO_GO)
    # To write gigabytes of core into the working folder would hold up the answer to whoever waits.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _report_crashes_to(dump: int) -> None:
    """Let faulthandler write where the threads are, on a crash, on `DUMP_SIGNAL`, and on ``os._exit``."""
    faulthandler.enable(file=dump)
    faulthandler.register(DUMP_SIGNAL, file=dump)
    worker, leave = os.getpid(), os._exit

    def exit_with_place(status: int) -> NoReturn:
        if os.getpid() == worker:  # not in a fork, for which this is the ordinary way to end
            faulthandler.dump_traceback(file=dump)
        leave(status)

    os._exit = exit_with_place


def _import(modules: tuple[str, ...]) -> None:
    """Do the imports that make a start slow; one that fails will fail again, with coordinates, in the notebook."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a library raises while it is imported
            sys.stderr.write(f"import of {name} failed: {error!r}\n")
