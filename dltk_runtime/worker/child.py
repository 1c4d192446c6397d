"""The main loop of a worker: receive a request, run it, answer, until the channel is closed."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import select
import socket
import sys
import time
import traceback
from typing import NoReturn

import msgspec

from dltk_runtime import landlock, progress, settings
from dltk_runtime.payload import Payload
from dltk_runtime.scrub import NOTHING_SECRET, Scrubber
from dltk_runtime.splunk import access
from dltk_runtime.tables.baseline import MIN_JUDGED_ROWS
from dltk_runtime.tables.plain import Scrub
from dltk_runtime.worker import channel, mlflow_end
from dltk_runtime.worker.board import Board
from dltk_runtime.worker.failure import PhaseFailed, fault
from dltk_runtime.worker.handler import Blob, Handler
from dltk_runtime.worker.messages import (
    Answered,
    Applied,
    AppliedTogether,
    Apply,
    ApplyTogether,
    Compare,
    Convert,
    Describe,
    Entered,
    Failed,
    Fit,
    FromWorker,
    Load,
    ReadAhead,
    Ready,
    Score,
    Stage,
)
from dltk_runtime.worker.options import WorkerOptions
from dltk_runtime.worker.read_ahead import AheadReader, Incoming
from dltk_runtime.worker.report import NotebookReports
from dltk_runtime.worker.surroundings import Surroundings, die_with, report_crashes_to

FIT_NICENESS = 10
POLL_SECONDS = 0.0002  # of busy polling for the next request
SHORT_WAIT_SECONDS = 0.001  # up to here a wait is short, and the next one polls first
IDLE_MILLISECONDS = 200  # without a request, after which counts are sent and memory is released
_libc = ctypes.CDLL(None, use_errno=True)


def main(options_json: str) -> NoReturn:
    """Serve requests until the front process closes the channel."""
    options = msgspec.json.decode(options_json, type=WorkerOptions)
    die_with(options.parent)
    report_crashes_to(options.dump)
    landlock.hide(filter(None, os.environ.get(landlock.VARIABLE, "").split(os.pathsep)))
    landlock.protect(filter(None, os.environ.get(landlock.READ_ONLY_VARIABLE, "").split(os.pathsep)))
    surroundings = Surroundings(options.output)
    scrubber = access.hand_out(os.environ) if access.DESCRIPTOR in os.environ else NOTHING_SECRET
    # `os._exit`: threads that the notebook left running must not keep the process alive.
    try:
        answers, requests = _channel(options)
        _serve(_Channel(answers, scrubber), requests, _Trace(options), surroundings, options.imports)
    except channel.ChannelClosed:
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a signal handler of the notebook's may raise anything at any time
        traceback.print_exc()
        os._exit(1)


def _channel(options: WorkerOptions) -> tuple[socket.socket, socket.socket]:
    """Open the sockets for answers and requests; child processes of the notebook do not get them."""
    ours = (options.channel, options.requests, options.output, options.dump, options.board)
    for descriptor in (*ours, *access.inherited(os.environ)):
        os.set_inheritable(descriptor, False)
    answers, requests = socket.socket(fileno=options.channel), socket.socket(fileno=options.requests)
    for sock in (answers, requests):
        os.register_at_fork(after_in_child=sock.close)
    return answers, requests


class _Trace:
    """Where a request leaves what is read after a crash: its phases, and the stack."""

    def __init__(self, options: WorkerOptions) -> None:
        self.board = Board(options.board)
        self._dump = options.dump

    def begin(self, *, follows: bool) -> None:
        """Begin a request; the front process has removed an earlier stack unless it `follows` another one."""
        if follows:
            with contextlib.suppress(OSError):  # the notebook closed it
                os.ftruncate(self._dump, 0)
        self.board.begin()


class _Channel:
    """The way to the front process; no message on it contains a secret of the notebook's."""

    def __init__(self, sock: socket.socket, scrubber: Scrubber) -> None:
        self.sock = sock
        self._scrubber = scrubber

    @property
    def scrub(self) -> Scrub | None:
        """What removes the secrets from a text; None where there are none."""
        return self._scrubber.text if self._scrubber else None

    def send(self, message: FromWorker, results: Blob = b"", *, escaped: bool = True) -> None:
        """Send a message; results that are not `escaped` are bytes of any kind, scrubbed before they were written."""
        if self._scrubber:
            plain = self._scrubber.value(msgspec.to_builtins(message, builtin_types=(bytes,)))
            message = msgspec.convert(plain, type(message))
            results = self._scrubber.data(bytes(results)) if escaped else results
        channel.send(self.sock, message, Payload(results, escaped=escaped))


def _serve(
    way: _Channel, requests: socket.socket, trace: _Trace, surroundings: Surroundings, imports: tuple[str, ...]
) -> NoReturn:
    board = trace.board
    phases_on_board = False  # of the running request; else they are sent

    def send(message: FromWorker) -> None:
        if phases_on_board and isinstance(message, Entered):
            board.enter(message)
        else:
            way.send(message)

    report = NotebookReports(way.send)
    progress.send_to(report)
    _import(imports)
    reader, wait = AheadReader(), _Wait(requests)
    handler = Handler(settings.worker_paths(), send, reader, way.scrub, surroundings.restore)
    way.send(Ready())
    while True:
        reader.parse_until_message(requests)
        message, rows, files, follows = channel.receive(requests, channel.TO_WORKER)
        if isinstance(message, ReadAhead):
            reader.begin(Incoming(message, *files))
            continue
        phases_on_board = isinstance(message, Apply | ApplyTogether)
        trace.begin(follows=follows)
        if follows:
            surroundings.change_pipes()
        with surroundings.restored(), report.drawn(message.curves if isinstance(message, Fit) else ""):
            answer, results = _answer(handler, message, rows)
            if isinstance(message, Fit):
                mlflow_end.flush()
        if isinstance(answer, Applied | AppliedTogether):
            answer = msgspec.structs.replace(answer, phases=board.durations())
        del rows
        way.send(answer, results, escaped=not _is_binary(message))
        board.clear()  # a death before the next request begins is not in a phase of this one
        del answer, results
        if isinstance(message, Apply | ApplyTogether | Score | Convert):
            handler.restore()
        gc.collect(0)
        if isinstance(message, Apply | ApplyTogether):
            _count_rows(way, handler, wait)


def _is_binary(message: Answered) -> bool:
    """Return whether the answer's rows are bytes of any kind, and no JSON string literal."""
    return isinstance(message, Convert) or (isinstance(message, Apply) and message.door is not None)


def _count_rows(way: _Channel, handler: Handler, wait: _Wait) -> None:
    """Count the rows of an apply; send the counts if there are enough, or if the worker is idle."""
    try:
        handler.count()
    except Exception as error:  # noqa: BLE001 - whatever the counting of an unusual frame raises, applies go on
        sys.stderr.write(f"the rows of the last apply could not be counted: {error!r}\n")
        return
    if handler.counted >= MIN_JUDGED_ROWS:
        way.send(handler.counts())
    if not wait.for_message(IDLE_MILLISECONDS):
        if handler.counted:
            way.send(handler.counts())
        _release_memory()


def _release_memory() -> None:
    """Return freed memory to the system: glibc keeps it (see `pool.environment`)."""
    if hasattr(_libc, "malloc_trim"):  # not in musl
        _libc.malloc_trim(0)


class _Wait:
    """Wait for the next request: busy-poll for 0.2 ms if requests arrive quickly, then block.

    Waking up from a blocking wait takes half as long as a small apply. `requests_are_quick` says
    whether the last request arrived within `SHORT_WAIT_SECONDS`; each wait sets it for the next
    one.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._message = select.poll()
        self._message.register(sock, select.POLLIN)
        self.requests_are_quick = False

    def for_message(self, timeout: int) -> bool:
        """Wait for a message, at most `timeout` milliseconds; False if none arrived."""
        began = time.perf_counter()
        arrived = (self.requests_are_quick and self._polled(began + POLL_SECONDS)) or bool(self._message.poll(timeout))
        self.requests_are_quick = time.perf_counter() - began < SHORT_WAIT_SECONDS
        return arrived

    def _polled(self, end: float) -> bool:
        """Poll without blocking until `end`, a time of `time.perf_counter`."""
        while time.perf_counter() < end:
            if self._message.poll(0):
                return True
        return False


def _answer(handler: Handler, message: Answered, rows: Payload) -> tuple[FromWorker, Blob]:  # noqa: C901, PLR0911 - one for each kind
    try:
        match message:
            case Fit():
                os.nice(FIT_NICENESS)
                _restrict_to(message.device)
                os.environ.update(message.variables)
                return handler.fit(message, rows)
            case Load():
                _restrict_to(message.device)
                return handler.load(message), b""
            case Apply():
                return handler.apply(message, rows)
            case ApplyTogether():
                return handler.apply_together(message), b""
            case Score():
                return handler.score(message, rows), b""
            case Stage():
                return handler.stage(message, rows), b""
            case Compare():
                return handler.compare(message, rows), b""
            case Convert():
                return handler.convert(message, rows)
            case Describe():
                return handler.describe(), b""
    except PhaseFailed as failure:
        return Failed(failure.report), b""
    except Exception as error:  # noqa: BLE001 - a fault of our own must not look like the worker's death
        return Failed(fault(error)), b""


def _restrict_to(device: str) -> None:
    """Make one GPU visible.

    CUDA reads the variable when a library first asks for devices, which no import does.
    """
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device


def _import(modules: tuple[str, ...]) -> None:
    """Import modules that are slow to import; a failure is raised again in the notebook."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a library raises while it is imported
            sys.stderr.write(f"import of {name} failed: {error!r}\n")
